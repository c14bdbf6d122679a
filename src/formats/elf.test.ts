import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { Machine, SegmentType, parseElf } from "./elf.ts";

const directory = mkdtempSync(join(tmpdir(), "cerebro-elf-"));
afterAll(() => rmSync(directory, { recursive: true }));

function readelf(option: string, file: string): string {
  return execFileSync("readelf", ["-W", option, file], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function build(name: string, ...options: string[]): string {
  const source = join(directory, "main.c");
  writeFileSync(
    source,
    '#include <stdio.h>\n#include <math.h>\n__thread int t;\nint main(int c, char **v) { printf("%f\\n", sin(c + t)); return 0; }\n',
  );
  const out = join(directory, name);
  execFileSync("gcc", ["-O1", ...options, source, "-o", out, "-lm"]);
  return out;
}

const files = {
  pie: build("pie", "-Wl,-rpath,/opt/lib"),
  static: build("static", "-static"),
  i386: build("i386", "-m32", "-no-pie"),
  library: build("library.so", "-shared", "-fPIC", "-Wl,-soname,libx.so.1", "-Wl,--enable-new-dtags,-rpath,$ORIGIN"),
  bash: "/bin/bash",
  libc: execFileSync("gcc", ["-print-file-name=libc.so.6"], { encoding: "utf8" }).trim(),
};

describe.each(Object.entries(files))("parseElf agrees with readelf on %s", (_name, file) => {
  const elf = parseElf(readFileSync(file));

  it("segments", () => {
    const rows = [
      ...readelf("-l", file).matchAll(
        /^ {2}([A-Z_]+) +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) ([R ])([W ])([E ]) (0x)?(\w+)$/gm,
      ),
    ];
    const expected = rows.map((row) => ({
      offset: parseInt(row[2]!, 16),
      address: parseInt(row[3]!, 16),
      fileSize: parseInt(row[4]!, 16),
      memorySize: parseInt(row[5]!, 16),
      flags: (row[6] === "R" ? 4 : 0) | (row[7] === "W" ? 2 : 0) | (row[8] === "E" ? 1 : 0),
      align: parseInt(row[10]!, 16),
    }));
    expect(expected.length).toBeGreaterThan(3);
    expect(elf.segments.map(({ type: _type, ...rest }) => rest)).toEqual(expected);
  });

  it("sections", () => {
    const rows = [...readelf("-S", file).matchAll(/^ +\[ *\d+\] (\S*) +[A-Z]\S* +(\w+) (\w+) (\w+) /gm)];
    expect(rows.length).toBeGreaterThan(10);
    const got = elf.sections.slice(elf.sections.length - rows.length);
    expect(got.map(({ name, address, offset, size }) => [name, address, offset, size])).toEqual(
      rows.map(([, name, ...numbers]) => [name, ...numbers.map((text) => parseInt(text!, 16))]),
    );
  });

  it("dynamic entries", () => {
    const text = readelf("-d", file);
    const all = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]);
    expect(elf.dynamic?.needed ?? []).toEqual(all(/\(NEEDED\).*\[(.*)\]/g));
    expect(elf.dynamic?.soname).toBe(all(/\(SONAME\).*\[(.*)\]/g)[0]);
    expect(elf.dynamic?.runpath).toBe(all(/\(RUNPATH\).*\[(.*)\]/g)[0]);
    expect(elf.dynamic?.rpath).toBe(all(/\(RPATH\).*\[(.*)\]/g)[0]);
  });

  it("build id, interpreter and symbols", () => {
    expect(elf.buildId).toBe(/Build ID: (\w+)/.exec(readelf("-n", file))?.[1]);
    expect(elf.interpreter).toBe(/interpreter: (.*)\]/.exec(readelf("-l", file))?.[1]);
    const names = [...readelf("--dyn-syms", file).matchAll(/^ +\d+: (\w+) .* (?:\d+|UND|ABS) ?([^@\s]*)(@.*)?$/gm)];
    const got = [...elf.symbols(".dynsym")];
    expect(got.map(({ value }) => value)).toEqual(names.map((match) => BigInt(`0x${match[1]}`)));
  });
});

describe("parseElf", () => {
  const good = readFileSync(files.pie);
  const changed = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, at);
    return copy;
  };

  it("tells machine, class and type", () => {
    expect(parseElf(good)).toMatchObject({ bits: 64, machine: Machine.x86_64, machineName: "x86-64", type: 3 });
    expect(parseElf(readFileSync(files.i386))).toMatchObject({ bits: 32, machine: Machine.i386, type: 2 });
    expect(parseElf(changed(18, 183, 0)).machineName).toBe("AArch64");
  });

  it("reads headers from the beginning of a file", () => {
    const elf = parseElf(good.subarray(0, 4096), { fileSize: good.length });
    expect(elf.segments.length).toBeGreaterThan(5);
    expect(() => elf.sections).toThrow(FormatError);
  });

  it.each([
    ["no magic", changed(0, 0x7e), "ELF: begins with 7e454c46, not 7f454c46"],
    ["class", changed(4, 7), "ELF: class is 7"],
    ["encoding", changed(5, 0), "ELF: data encoding is 0"],
    ["header cut", good.subarray(0, 40), "file has 0x28"],
    ["far program headers", changed(32, 0, 0, 0, 0x7f), "program headers end at"],
    ["senseless offset", changed(32, 0, 0, 0, 0, 0, 0, 0, 0x7f), "no sensible size"],
    ["many program headers", changed(56, 0xfe, 0xff), "65534 program headers end at"],
    ["small entries", changed(54, 3, 0), "program header entries have 3 bytes, needed are 56"],
  ])("refuses a bad header: %s", (_name, bytes, message) => {
    expect(() => parseElf(bytes)).toThrow(FormatError);
    expect(() => parseElf(bytes)).toThrow(message);
  });

  it("refuses sections outside the file", () => {
    expect(() => parseElf(changed(60, 0xff, 0xff)).sections).toThrow("65535 sections end at");
    const cut = parseElf(good.subarray(0, good.length - 100), { fileSize: good.length - 100 });
    expect(() => cut.sections).toThrow(/sections end at/);
  });

  it("refuses a segment larger in the file than in memory", () => {
    const index = parseElf(good).segments.findIndex(({ type }) => type === SegmentType.load);
    expect(() => parseElf(changed(64 + index * 56 + 40, 1, 0, 0, 0))).toThrow(
      /segment \d+ has 0x\w+ bytes for 0x1 bytes of memory/,
    );
  });
});
