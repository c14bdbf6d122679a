// `cerebro compat [AREA] [--file FILE]`: what is supported, from the very tables that do the work.

import { CerebroError } from "../base/errors.ts";
import { isDeb } from "../formats/ar.ts";
import { debData, parseDeb } from "../formats/deb.ts";
import { type Elf, isElf, Machine, parseElf } from "../formats/elf.ts";
import { tarContent, tarEntries } from "../formats/tar.ts";
import { type Area, areas, areaRows } from "../machine/compat.ts";
import { command, print } from "./command.ts";
import { readUserFile } from "./inspect.ts";

/** What a file of machine code says of itself; `problem` is why it cannot run. */
interface Verdict {
  readonly file: string;
  readonly machine: string;
  readonly problem?: string;
}

/** NT_GNU_PROPERTY_TYPE_0, and of its properties GNU_PROPERTY_X86_ISA_1_NEEDED with the bits for x86-64-v3 and v4 (x86-64 psABI). */
const propertyNote = 5;
const neededLevels = 0xc0008002;
const beyondUs = 4 | 8;

function needsNewerProcessor(elf: Elf): boolean {
  const alignment = elf.bits / 8;
  return elf.notes().some(({ name, type, description }) => {
    if (name !== "GNU" || type !== propertyNote) return false;
    const view = new DataView(description.buffer, description.byteOffset, description.length);
    for (let at = 0; at + 8 <= view.byteLength;) {
      const size = view.getUint32(at + 4, true);
      const isLevels = view.getUint32(at, true) === neededLevels && size === 4 && at + 12 <= view.byteLength;
      if (isLevels && (view.getUint32(at + 8, true) & beyondUs) !== 0) return true;
      at += 8 + Math.ceil(size / alignment) * alignment;
    }
    return false;
  });
}

function verdict(file: string, bytes: Uint8Array): Verdict {
  const elf = parseElf(bytes);
  const machine = elf.machineName;
  if ((elf.machine !== Machine.x86_64 && elf.machine !== Machine.i386) || elf.bigEndian)
    return { file, machine, problem: `${machine} is not supported` };
  if (needsNewerProcessor(elf)) return { file, machine, problem: "needs a processor of level x86-64-v3 or later" };
  return { file, machine };
}

/** The file itself, or every program and library of a package. */
function verdicts(file: string): Verdict[] {
  const bytes = readUserFile(file);
  if (isElf(bytes)) return [verdict(file, bytes)];
  if (!isDeb(bytes)) throw new CerebroError("not-runnable", `${file}: is no ELF file and no package`);
  const data = debData(parseDeb(bytes));
  return [...tarEntries(data)].flatMap((entry) => {
    if (entry.type !== "file") return [];
    const content = tarContent(data, entry);
    return isElf(content) ? [verdict(entry.path.replace(/^\.?\/?/, "/"), content)] : [];
  });
}

function isArea(text: string): text is Area {
  return (areas as readonly string[]).includes(text);
}

export const compat = command({
  summary: "list what is supported, or whether a file can run",
  usage: `[${areas.join("|")}] [--file FILE] [--json]`,
  options: {
    file: { value: "FILE", help: "tells whether this program, or what is in this package, can run" },
    json: { help: "prints JSON" },
  },
  async run({ file, json }, [area]) {
    if (file !== undefined) {
      const found = verdicts(file);
      if (json) print(JSON.stringify(found, undefined, 1));
      else for (const { file: name, machine, problem } of found) print(`${name}: ${machine}, ${problem ?? "can run"}`);
      return found.some(({ problem }) => problem !== undefined) ? 1 : 0;
    }
    if (area !== undefined && !isArea(area))
      throw new CerebroError("usage", `compat ${area}: areas are ${areas.join(" and ")}`);
    const wanted = area === undefined ? areas : [area];
    const found = wanted.map((name) => ({ name, rows: areaRows(name) }));
    if (json) {
      print(JSON.stringify(Object.fromEntries(found.map(({ name, rows }) => [name, rows])), undefined, 1));
      return 0;
    }
    for (const { name, rows } of found) {
      const supported = rows.filter((row) => row.supported);
      print(`${name}: ${supported.length} supported, ${rows.length - supported.length} not`);
      if (area === undefined) continue;
      for (const row of rows)
        print(`  ${row.supported ? "yes" : "no "}  ${row.name}${row.note ? `  ${row.note}` : ""}`);
    }
    return 0;
  },
});
