// `cerebro inspect FILE`: what a file is, what it needs, and whether it can run here.

import { readFileSync } from "node:fs";
import { CerebroError } from "../base/errors.ts";
import { hex, humanSize } from "../base/text.ts";
import { isDeb } from "../formats/ar.ts";
import { debData, parseDeb } from "../formats/deb.ts";
import { ElfType, isElf, Machine, parseElf, SegmentFlag, SegmentType } from "../formats/elf.ts";
import { parseShebang } from "../formats/shebang.ts";
import { tarEntries } from "../formats/tar.ts";
import { command, print } from "./command.ts";

type Facts = Record<string, unknown>;

const programPlaces = /^\.?\/?(?:usr\/)?(?:s?bin|games|local\/bin)\/([^/]+)$/;

function ofElf(bytes: Uint8Array): Facts {
  const elf = parseElf(bytes);
  const runs = elf.machine === Machine.x86_64 || elf.machine === Machine.i386;
  const kinds: Record<number, string> = {
    [ElfType.relocatable]: "object file",
    [ElfType.executable]: "program at a fixed address",
    [ElfType.shared]:
      elf.interpreter === undefined ? "shared library or static-PIE program" : "position-independent program",
    [ElfType.core]: "core dump",
  };
  const stack = elf.segments.find(({ type }) => type === SegmentType.gnuStack);
  return {
    type: "ELF",
    kind: kinds[elf.type] ?? `type ${elf.type}`,
    machine: elf.machineName,
    bits: elf.bits,
    runs: runs && !elf.bigEndian ? "yes" : `no: ${elf.machineName} is not supported`,
    entry: hex(elf.entry),
    interpreter: elf.interpreter,
    libraries: elf.dynamic?.needed,
    soname: elf.dynamic?.soname,
    runpath: elf.dynamic?.runpath ?? elf.dynamic?.rpath,
    buildId: elf.buildId,
    executableStack: stack ? (stack.flags & SegmentFlag.execute) !== 0 : undefined,
    segments: elf.segments
      .filter(({ type }) => type === SegmentType.load)
      .map(({ address, memorySize, flags }) => {
        const access = (flags & SegmentFlag.read ? "r" : "-") + (flags & SegmentFlag.write ? "w" : "-");
        return `${hex(address)} + ${hex(memorySize)} ${access}${flags & SegmentFlag.execute ? "x" : "-"}`;
      }),
  };
}

function ofDeb(bytes: Uint8Array): Facts {
  const deb = parseDeb(bytes);
  const entries = [...tarEntries(debData(deb))];
  const programs = entries.flatMap(({ path, type }) => {
    const [, name] = programPlaces.exec(path) ?? [];
    return name !== undefined && type !== "directory" ? [`/${path.replace(/^\.?\//, "")}`] : [];
  });
  const scripts = ["preinst", "postinst", "prerm", "postrm", "config"].filter((name) => deb.controlFiles.has(name));
  const field = (name: string) => deb.control.get(name);
  return {
    type: "Debian package",
    package: deb.name,
    version: deb.version,
    architecture: deb.architecture,
    runs: ["amd64", "i386", "all"].includes(deb.architecture) ? "yes" : `no: ${deb.architecture} is not supported`,
    description: field("Description")?.split("\n")[0],
    programs,
    preDepends: field("Pre-Depends"),
    depends: field("Depends"),
    recommends: field("Recommends"),
    provides: field("Provides"),
    scripts,
    files: entries.filter(({ type }) => type !== "directory").length,
    unpacked: humanSize(entries.reduce((sum, { size }) => sum + size, 0)),
    compression: deb.dataCompression,
  };
}

function facts(bytes: Uint8Array, path: string): Facts {
  if (isElf(bytes)) return ofElf(bytes);
  if (isDeb(bytes)) return ofDeb(bytes);
  const script = parseShebang(bytes);
  if (script) return { type: "script", interpreter: script.interpreter, argument: script.argument };
  throw new CerebroError("not-runnable", `${path}: not a program, a package or a script`, {
    hint: "known are ELF programs, .deb packages and scripts that begin with #!",
  });
}

/** Reads a file that the user named. Throws what the exit codes tell apart. */
export function readUserFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") throw new CerebroError("not-found", `${path}: no such file`);
    if (code === "EISDIR") throw new CerebroError("not-runnable", `${path}: is a directory`);
    throw new CerebroError("host", `${path}: cannot be read (${String(code)})`, { cause: error });
  }
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

export const inspect = command({
  summary: "tell what a file is and what it needs",
  usage: "[--json] FILE…",
  options: { json: { help: "prints JSON" } },
  async run({ json }, paths) {
    if (paths.length === 0) throw new CerebroError("usage", "inspect: which file?", { hint: "cerebro inspect FILE" });
    for (const path of paths) {
      const found = facts(readUserFile(path), path);
      if (json) {
        print(JSON.stringify({ file: path, ...found }, undefined, 2));
        continue;
      }
      const rows = Object.entries(found).filter(([, value]) => value !== undefined);
      const spelled = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      print([`${path}:`, ...rows.map(([name, value]) => `  ${spelled(name).padEnd(16)} ${shown(value)}`)].join("\n"));
    }
    return 0;
  },
});
