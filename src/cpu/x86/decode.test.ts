import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Trap } from "../trap.ts";
import { decode } from "./block.ts";
import { decoder } from "./decode.ts";
import { rows } from "./instructions/index.ts";
import { ins } from "./table.ts";

const fetchFrom = (bytes: Uint8Array, base: number) => (address: number) => bytes[address - base] ?? 0;
const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
const at = (hex: string, long = true) => decode(fetchFrom(bytesOf(hex), 0x1000), 0x1000, long);

describe("decode", () => {
  it("reads prefixes, REX, SIB and displacements", () => {
    expect(at("4a 8b 84 c3 78 56 34 12")).toMatchObject({
      length: 8,
      size: 3,
      base: 3,
      index: 8,
      scale: 3,
      displacement: 0x12345678,
    });
    expect(at("65 67 8b 00")).toMatchObject({ length: 4, segment: 5, addressSize: 2, base: 0 });
    expect(at("8b 05 10 00 00 00")).toMatchObject({ base: -1, displacement: 0x1016 });
    expect(at("67 8b 40 80", false)).toMatchObject({ base: 3, index: 6, displacement: -128, addressSize: 1 });
    expect(at("48 b8 01 02 03 04 05 06 07 80").immediates).toEqual([0x04030201, 0x80070605 | 0]);
  });

  it("chooses rows by mandatory prefix, REX.W, ModRM and mode", () => {
    expect(at("f3 0f b8 c1").row.name).toBe("popcnt");
    expect(at("f3 0f bc c1").row.name).toBe("tzcnt");
    expect(at("0f bc c1").row.name).toBe("bsf");
    expect(at("66 f3 0f bd c1")).toMatchObject({ row: { name: "lzcnt" }, size: 1 });
    expect(at("48 0f c7 08").row.name).toBe("cmpxchg16b");
    expect(at("0f c7 08").row.name).toBe("cmpxchg8b");
    expect(at("63 c8").row.name).toBe("movsxd");
    expect(at("63 c8", false).row.name).toBe("arpl");
    expect(at("40", false).row.name).toBe("inc");
  });

  it("refuses what the processor refuses", () => {
    for (const hex of ["06", "f0 89 08", "f0 01 c8", "0f c7 c8", "d6"]) expect(() => at(hex), hex).toThrow();
    expect(() => at("66 66 66 66 66 66 66 66 66 66 66 66 66 66 90 90")).not.toThrow();
    expect(() => at("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90")).toThrow();
  });

  it("is built quickly and rejects clashes", () => {
    const start = performance.now();
    decoder(rows);
    expect(performance.now() - start).toBeLessThan(50);
    const row = () => ins("0F B8 /r", "twice", ["r", "rm"], () => {});
    expect(() => decoder([row(), row()])).toThrow(/clashes/);
  });
});

/** Compares lengths over the code of a file with objdump's; returns differences. */
function compareWithObjdump(file: string, long: boolean): { count: number; wrong: string[] } {
  const text = execFileSync("objdump", ["-d", "-w", "--section=.text", file], { encoding: "utf8", maxBuffer: 1 << 28 });
  const pattern = /^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$/gm;
  const wrong: string[] = [];
  let count = 0;
  for (const [, address, hex, name] of text.matchAll(pattern)) {
    const bytes = bytesOf(hex!.trim());
    // What we do not have: AVX and its kin (VEX, EVEX), transactions, shadow stacks, data between functions.
    if (
      /^(\{evex\} |v|k|x(begin|end|test|abort|save|rstor|getbv)|rdpkru|wrpkru|rdrand|rdseed|rdpid|rdssp|incssp|saveprevssp|rstorssp|bnd|tpause|umwait|umonitor|\(bad\)|bextr|bls|andn|rorx|sarx|shlx|shrx|pdep|pext|mulx|bzhi|adcx|adox|sha|notrack)/.test(
        name!,
      )
    )
      continue;
    count++;
    const pc = Number.parseInt(address!, 16);
    let length: number | string;
    try {
      length = decode(fetchFrom(bytes, pc), pc, long).length;
    } catch (error) {
      if (!(error instanceof Trap)) throw error;
      length = "refused";
    }
    if (length !== bytes.length) wrong.push(`${address}: ${hex}${name} -> ${length}`);
  }
  return { count, wrong };
}

describe.runIf(existsSync("/usr/bin/objdump"))("against objdump", () => {
  it("agrees on the length of every instruction of the C library", () => {
    const { count, wrong } = compareWithObjdump("/lib/x86_64-linux-gnu/libc.so.6", true);
    expect(count).toBeGreaterThan(200_000);
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  it.runIf(existsSync("/usr/lib32/libc.so.6"))("agrees on the 32-bit C library", () => {
    const { count, wrong } = compareWithObjdump("/usr/lib32/libc.so.6", false);
    expect(count).toBeGreaterThan(200_000);
    expect(wrong.slice(0, 20)).toEqual([]);
  });
});
