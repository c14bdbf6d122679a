// Mutation fuzzing of every parser that reads what a stranger made: whatever the bytes, only a FormatError may come out, quickly
// and in bounded memory. `npm run fuzz` runs 20,000 mutations a format; the test suite a few hundred.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FormatError } from "../../src/base/errors.ts";
import { latin1, utf8 } from "../../src/base/text.ts";
import { arMembers } from "../../src/formats/ar.ts";
import { bzip2 } from "../../src/formats/bzip2.ts";
import { gunzip } from "../../src/formats/compress.ts";
import { type Deb, parseDeb } from "../../src/formats/deb.ts";
import { parseStanzas } from "../../src/formats/debcontrol.ts";
import { parseRelations } from "../../src/formats/debrelation.ts";
import { compareVersions } from "../../src/formats/debversion.ts";
import { parseElf } from "../../src/formats/elf.ts";
import { lz4 } from "../../src/formats/lz4.ts";
import { parseShebang } from "../../src/formats/shebang.ts";
import { tarContent, tarEntries } from "../../src/formats/tar.ts";
import { xz } from "../../src/formats/xz.ts";
import { zstd } from "../../src/formats/zstd.ts";
import type { PackageHost } from "../../src/host/packages.ts";
import { confinedPath, type EntryType, MemoryEntry } from "../../src/packages/archive.ts";
import { buildImage } from "../../src/packages/image.ts";
import type { StoredPackage } from "../../src/packages/store.ts";
import type { Index } from "../../src/packages/storeindex.ts";
import { unpack } from "../../src/packages/unpack.ts";
import { modelTargets } from "./models.ts";

/** Output allowed to decompressors: far more than any seed needs. */
const outputLimit = 8 << 20;
/** A case may take this long, in milliseconds. */
export const hangLimit = 5000;
/** Memory beside the heap that a case may hold, in bytes: the output limit, its growth, and windows. */
const memoryLimit = 256 << 20;

/** A small, fast generator of good quality (xorshift128+ would need 64 bits; this is sfc32). */
export class Random {
  readonly #state: Int32Array;
  constructor(seed: number) {
    this.#state = Int32Array.of(seed, 0x9e3779b9, 0x243f6a88, 1);
    for (let i = 0; i < 15; i++) this.next();
  }
  next(): number {
    const s = this.#state;
    const sum = (s[0]! + s[1]! + s[3]!) | 0;
    s[3]! += 1;
    s[0] = s[1]! ^ (s[1]! >>> 9);
    s[1] = (s[2]! + (s[2]! << 3)) | 0;
    s[2] = ((s[2]! << 21) | (s[2]! >>> 11)) + sum;
    return sum >>> 0;
  }
  below(limit: number): number {
    return limit <= 0 ? 0 : this.next() % limit;
  }
  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const interesting = [0, 1, 0x7f, 0x80, 0xff, 0x20, 0x30, 0x37, 0x39, 0x0a, 0x2f, 0x2e];
const words = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 0x10000, 0x8000];

/** A changed copy of one of the seeds. */
export function mutate(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  let bytes = Uint8Array.from(random.of(seeds));
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    if (bytes.length === 0) break;
    const at = random.below(random.below(3) === 0 ? Math.min(bytes.length, 512) : bytes.length);
    const length = 1 + random.below(random.of([2, 8, 64, 600]));
    switch (random.below(9)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.next();
        break;
      case 2:
        bytes[at] = random.of(interesting);
        break;
      case 3:
        if (at + 4 <= bytes.length) new DataView(bytes.buffer).setUint32(at, random.of(words), random.below(2) === 0);
        break;
      case 4:
        bytes.fill(random.of(interesting), at, at + length);
        break;
      case 5:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
        break;
      case 6:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at, at + length), ...bytes.subarray(at)]);
        break;
      case 7: {
        const other = random.of(seeds);
        const from = random.below(other.length);
        bytes.set(other.subarray(from, from + Math.min(length, bytes.length - at)), at);
        break;
      }
      case 8:
        if (random.below(4) === 0) bytes = bytes.slice(0, at);
        else bytes[at]! += random.below(2) === 0 ? 1 : -1;
    }
  }
  return bytes;
}

export interface Target {
  seeds(): Uint8Array[];
  run(bytes: Uint8Array): void;
  /** Mends what would stop the parser at once, so that mutations get deeper. */
  mend?(bytes: Uint8Array): void;
}

function command(name: string, args: string[], input?: Uint8Array): Uint8Array {
  return new Uint8Array(
    execFileSync(name, args, { ...(input && { input }), stdio: ["pipe", "pipe", "ignore"], maxBuffer: 1 << 28 }),
  );
}

function text(lines: number): Uint8Array {
  return new TextEncoder().encode(
    Array.from({ length: lines }, (_, i) => `${(i * 7919) % 1009} the quick brown fox ${i}\n`).join(""),
  );
}

function inDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "cerebro-fuzz-"));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const makeTree =
  'mkdir -p t/DEBIAN t/usr/bin t/etc && printf "Package: fuzz\\nVersion: 1.0\\nArchitecture: amd64\\nMaintainer: a <a@b>\\nDescription: d\\n e\\n" > t/DEBIAN/control && echo hello > t/usr/bin/x && ln -s x t/usr/bin/y && ln t/usr/bin/x t/usr/bin/z && ln -s ../usr t/etc/up && ln -s / t/etc/root && printf "#!/bin/sh\\nupdate-alternatives --install /usr/bin/alt alt /usr/bin/x 5 --slave /usr/bin/s s /etc/c\\n" > t/DEBIAN/postinst && chmod 755 t/DEBIAN/postinst && printf "#!/bin/sh\\ndpkg-divert --add /etc/c\\n" > t/DEBIAN/preinst && chmod 755 t/DEBIAN/preinst && echo c > t/etc/c && mkdir -p t/$(printf %0120d 1)/$(printf %0120d 2) && mkfifo t/etc/p';

function debs(): Uint8Array[] {
  return inDirectory((directory) => {
    execFileSync("sh", ["-c", makeTree], { cwd: directory });
    return ["none", "gzip", "xz", "zstd"].map((compression) => {
      const args = ["--root-owner-group", `-Z${compression}`, "--uniform-compression", "-b", "t", `${compression}.deb`];
      execFileSync("dpkg-deb", args, { cwd: directory, stdio: "ignore" });
      return new Uint8Array(readFileSync(join(directory, `${compression}.deb`)));
    });
  });
}

function tars(): Uint8Array[] {
  return inDirectory((directory) => {
    execFileSync("sh", ["-c", makeTree], { cwd: directory });
    return ["ustar", "gnu", "pax", "v7"].map((format) =>
      command("sh", [
        "-c",
        `cd ${directory}/t && tar --format=${format} --mtime=@1700000000.5 -cf - usr etc $([ ${format} = v7 ] || echo 000*); true`,
      ]),
    );
  });
}

/** Recomputes the checksums of what look like tar headers. */
function mendTar(bytes: Uint8Array): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes[at] === 0 || latin1(bytes.subarray(at + 257, at + 262)) !== "ustar") continue;
    let sum = 256;
    for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[at + i]!;
    bytes.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), at + 148);
  }
}

function elves(): Uint8Array[] {
  return inDirectory((directory) => {
    writeFileSync(join(directory, "a.c"), '#include <stdio.h>\nint main(void) { return puts("x"); }\n');
    return [["-O1"], ["-m32"], ["-shared", "-fPIC", "-Wl,-soname,liba.so"]].map((options, i) => {
      execFileSync("gcc", [...options, "a.c", "-o", `out${i}`], { cwd: directory });
      return new Uint8Array(readFileSync(join(directory, `out${i}`)));
    });
  });
}

function archives(): Uint8Array[] {
  return inDirectory((directory) => {
    execFileSync(
      "sh",
      ["-c", "echo 1 > a; echo odd > a_very_long_name_of_a_member.o; ar rc x.a a a_very_long_name_of_a_member.o"],
      { cwd: directory },
    );
    return [new Uint8Array(readFileSync(join(directory, "x.a"))), debs()[0]!];
  });
}

function packed(commands: string[][]): () => Uint8Array[] {
  const inputs = [
    text(5),
    text(60),
    new Uint8Array(70_000),
    Uint8Array.from({ length: 3000 }, (_, i) => Math.imul(i, i + 7) >>> 3),
  ];
  return () => commands.flatMap(([name, ...args]) => inputs.map((input) => command(name!, args, input)));
}

/** What unpacking asks of a host. */
const fakeHost = { sha256: () => "" } as unknown as PackageHost;

const types: Readonly<Record<string, EntryType>> = {
  f: "file",
  h: "hardlink",
  s: "symlink",
  d: "directory",
  p: "fifo",
};

/** A package as the store would give it, without contents. */
function stored({ control, name, version, architecture, controlFiles }: Deb, { rows, warnings }: Index): StoredPackage {
  const entries = rows.map(([path, letter, mode, , , mtime, , , linkTarget]) => {
    const target = typeof linkTarget === "string" ? { linkTarget } : {};
    return new MemoryEntry(path, types[letter]!, mode, { mtime, ...target });
  });
  return { sha256: "", control, name, version, architecture, controlFiles, entries, warnings };
}

/** Every format by its name. */
export const targets: Readonly<Record<string, Target>> = {
  ...modelTargets,
  deb: {
    seeds: debs,
    run(bytes) {
      const { index } = unpack(bytes, fakeHost, outputLimit);
      const deb = parseDeb(bytes);
      const image = buildImage([stored(deb, index)], "amd64");
      const paths = image.entries.map(({ path }) => path);
      const outside = paths.find((path) => path.split("/").includes("..") || path.startsWith("/"));
      if (outside !== undefined) throw new Error(`the image has ${outside}`);
      if (new Set(paths).size !== paths.length) throw new Error("the image has a path twice");
      for (const field of ["Depends", "Provides", "Conflicts"]) parseRelations(deb.control.get(field) ?? "");
    },
    mend: mendTar,
  },
  tar: {
    seeds: tars,
    run(bytes) {
      for (const entry of tarEntries(bytes)) {
        tarContent(bytes, entry);
        confinedPath(entry.path, "fuzz");
      }
    },
    mend: mendTar,
  },
  ar: {
    seeds: archives,
    run(bytes) {
      for (const _member of arMembers(bytes));
    },
  },
  xz: {
    seeds: packed([
      ["xz", "-c", "--check=none"],
      ["xz", "-c", "-0", "--check=crc32"],
      ["xz", "-c", "--check=none", "--block-size=700"],
    ]),
    run: (bytes) => void xz(bytes, outputLimit),
  },
  zstd: {
    seeds: packed([
      ["zstd", "-c", "-1", "--no-check"],
      ["zstd", "-c", "-19"],
    ]),
    run: (bytes) => void zstd(bytes, outputLimit),
  },
  elf: {
    seeds: elves,
    run(bytes) {
      const elf = parseElf(bytes);
      void elf.interpreter;
      void elf.dynamic;
      void elf.buildId;
      for (const section of elf.sections) elf.contents(section);
      for (const table of [".symtab", ".dynsym"] as const) for (const _symbol of elf.symbols(table));
    },
  },
  gzip: {
    seeds: packed([
      ["gzip", "-c"],
      ["gzip", "-c1"],
    ]),
    run: (bytes) => void gunzip(bytes, outputLimit),
  },
  bzip2: { seeds: packed([["bzip2", "-c1"]]), run: (bytes) => void bzip2(bytes, outputLimit) },
  lz4: { seeds: packed([["lz4", "-c"]]), run: (bytes) => void lz4(bytes, outputLimit) },
  control: {
    seeds: () => [
      new TextEncoder().encode(
        "Package: a\nVersion: 1:2.0~rc1-3\nDepends: b (>= 1) | c:any [amd64], d <!x>\nDescription: e\n f\n .\n\nPackage: g\n",
      ),
    ],
    run(bytes) {
      for (const stanza of parseStanzas(utf8(bytes))) {
        parseRelations(stanza.get("Depends") ?? "");
        compareVersions(stanza.get("Version") ?? "1", "1.0");
      }
      parseShebang(bytes);
    },
  },
};

/** One case; throws an Error that tells what went wrong, with the seed to repeat it by. */
export function fuzzCase(name: string, seeds: readonly Uint8Array[], seed: number): void {
  const target = targets[name]!;
  const random = new Random(seed);
  const bytes = mutate(random, seeds);
  if (random.below(4) !== 0) target.mend?.(bytes);
  const before = process.memoryUsage().arrayBuffers;
  const start = performance.now();
  try {
    target.run(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) {
      throw new Error(`${name} seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`, {
        cause: error,
      });
    }
  }
  const time = performance.now() - start;
  if (time > hangLimit) throw new Error(`${name} seed ${seed}: took ${Math.round(time)} ms`);
  const held = process.memoryUsage().arrayBuffers - before;
  if (held > memoryLimit) throw new Error(`${name} seed ${seed}: held ${held >> 20} MiB`);
}
