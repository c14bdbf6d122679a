// `cerebro compat [AREA] [--file FILE]`: what is supported, from the very tables that do the work.

import { CerebroError } from "../base/errors.ts";
import { isElf, Machine, parseElf } from "../formats/elf.ts";
import { type Area, areas, areaRows } from "../machine/compat.ts";
import { command, print } from "./command.ts";
import { readUserFile } from "./inspect.ts";

function isArea(text: string): text is Area {
  return (areas as readonly string[]).includes(text);
}

export const compat = command({
  summary: "list what is supported, or whether a file can run",
  usage: "[syscalls|instructions] [--file FILE] [--json]",
  options: { file: { value: "FILE", help: "tells whether this file can run" }, json: { help: "prints JSON" } },
  async run({ file, json }, [area]) {
    if (file !== undefined) {
      const bytes = readUserFile(file);
      if (!isElf(bytes)) throw new CerebroError("not-runnable", `${file}: is no ELF file`);
      const elf = parseElf(bytes);
      const runs = (elf.machine === Machine.x86_64 || elf.machine === Machine.i386) && !elf.bigEndian;
      print(
        json
          ? JSON.stringify({ file, machine: elf.machineName, runs })
          : `${file}: ${elf.machineName}, ${runs ? "can run" : "cannot run"}`,
      );
      return runs ? 0 : 1;
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
