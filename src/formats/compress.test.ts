import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { sha256 } from "../base/sha256.ts";
import { compressionOf, compressionOfName, decompress } from "./compress.ts";
import { crc32, crc64 } from "./crc.ts";

const packers = {
  gzip: [
    ["gzip", "-1"],
    ["gzip", "-9"],
  ],
  xz: [
    ["xz", "-0"],
    ["xz", "-9e"],
    ["xz", "--check=sha256"],
    ["xz", "--check=none"],
    ["xz", "-T2", "--block-size=50000", "--check=crc32"],
    ["xz", "--lzma2=lc=0,lp=3,pb=0,dict=4096"],
  ],
  zstd: [
    ["zstd", "-1"],
    ["zstd", "-19", "--check"],
    ["zstd", "-12", "--no-check"],
  ],
  bzip2: [
    ["bzip2", "-1"],
    ["bzip2", "-9"],
  ],
  lz4: [
    ["lz4", "-1"],
    ["lz4", "-9", "-BD", "-B4"],
  ],
} as const;

function random(count: number, values: number): Uint8Array {
  let seed = 12345;
  return Uint8Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 16) % values;
  });
}

const text = new TextEncoder().encode(
  Array.from({ length: 20000 }, (_, i) => `line ${(i * 7919) % 3001}: the quick brown fox\n`).join(""),
);
const inputs = {
  empty: new Uint8Array(0),
  short: Uint8Array.of(1, 2, 3),
  zeros: new Uint8Array(300_000),
  noise: random(150_000, 256),
  skewed: random(200_000, 5),
  text,
};

const pack = (command: readonly string[], bytes: Uint8Array) =>
  new Uint8Array(
    execFileSync(command[0]!, [...command.slice(1), "-c"], {
      input: bytes,
      stdio: ["pipe", "pipe", "ignore"],
      maxBuffer: 1e9,
    }),
  );

describe.each(Object.entries(packers))("%s", (name, commands) => {
  it.each(commands.map((command) => [command.join(" "), command]))("unpacks what `%s` packed", (_, command) => {
    for (const input of Object.values(inputs)) {
      const packed = pack(command as readonly string[], input);
      expect(compressionOf(packed)).toBe(name);
      expect(Buffer.compare(decompress(packed), input)).toBe(0);
    }
  });

  it("unpacks concatenated files", () => {
    const packed = Buffer.concat([pack(commands[0], inputs.text), pack(commands[1]!, inputs.skewed)]);
    expect(Buffer.compare(decompress(packed), Buffer.concat([inputs.text, inputs.skewed]))).toBe(0);
  });

  it("refuses a bomb, and what is cut short or changed", () => {
    const packed = pack(commands[0], inputs.zeros);
    expect(() => decompress(packed, undefined, 299_999)).toThrow(
      `${name}: unpacks to more than the limit of 299999 bytes`,
    );
    expect(decompress(packed, undefined, 300_000).length).toBe(300_000);
    const whole = pack(commands[0], inputs.text);
    for (const cut of [1, 5, 9, 1000])
      expect(() => decompress(whole.subarray(0, whole.length - cut))).toThrow(FormatError);
    if (name === "lz4") return;
    const changed = Uint8Array.from(whole);
    changed[changed.length >> 1]! ^= 4;
    expect(() => decompress(changed)).toThrow(FormatError);
  });
});

describe("compress", () => {
  it("knows compressions by name", () => {
    const names = [
      "data.tar",
      "data.tar.gz",
      "data.tar.xz",
      "data.tar.zst",
      "data.tar.bz2",
      "Packages.lz4",
      "data.tar.lzma",
    ];
    expect(names.map(compressionOfName)).toEqual(["none", "gzip", "xz", "zstd", "bzip2", "lz4", undefined]);
  });

  it("computes the checks", () => {
    const check = new TextEncoder().encode("123456789");
    expect(crc32(check)).toBe(0xcbf43926);
    expect(crc32(check.subarray(4), crc32(check.subarray(0, 4)))).toBe(0xcbf43926);
    expect(crc64(check)).toBe(0x995dc9bbdf1939fan);
    for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
      const bytes = inputs.noise.subarray(0, length);
      expect(sha256(bytes)).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  it("names the xz filters that are not built", () => {
    const packed = pack(["xz", "--x86", "--lzma2"], inputs.text);
    expect(() => decompress(packed)).toThrow("xz: filter BCJ x86 is not built");
  });
});
