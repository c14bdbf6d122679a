// From the bytes of a .deb to its uncompressed data.tar and the index of it.

import { FormatError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";
import { debData, parseDeb } from "../formats/deb.ts";
import { tarEntries } from "../formats/tar.ts";
import type { PackageHost } from "../host/packages.ts";
import { confinedPath } from "./archive.ts";
import { type Index, indexVersion, type Row } from "./storeindex.ts";

/** Unpacks a .deb to its tar and the index of it. Device nodes are left out: a guest gets its devices from the kernel. */
export function unpack(
  bytes: Uint8Array,
  host: PackageHost,
  dataLimit: number | undefined,
): { index: Index; tar: Uint8Array } {
  const deb = parseDeb(bytes);
  const what = `package ${deb.name}`;
  const tar = debData(deb, dataLimit);
  const rows: Row[] = [];
  const warnings: string[] = [];
  for (const entry of tarEntries(tar)) {
    const path = confinedPath(entry.path, what);
    if (entry.type === "character" || entry.type === "block") {
      warnings.push(`${deb.name}: ${entry.type} device /${path} was left out`);
      continue;
    }
    if (entry.type === "symlink" && entry.linkTarget === "")
      throw new FormatError(`${what}: link ${path} has no target`);
    const target = entry.type === "hardlink" ? confinedPath(entry.linkTarget ?? "", what) : entry.linkTarget;
    const letter = entry.type === "fifo" ? "p" : entry.type[0]!;
    const row: Row = [path, letter, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size, entry.offset];
    if (target !== undefined || entry.xattrs) row[8] = target ?? null;
    if (entry.xattrs) row[9] = [...entry.xattrs].map(([name, value]) => [name, latin1(value)]);
    rows.push(row);
  }
  const controlFiles: Index["controlFiles"] = [];
  for (const [name, file] of deb.controlFiles) {
    if (name !== "control") controlFiles.push([name, file.mode, latin1(file.bytes)]);
  }
  const index: Index = {
    version: indexVersion,
    control: deb.control.toString(),
    controlFiles,
    warnings,
    tarSize: tar.length,
    tarSha256: host.sha256(tar),
    rows,
  };
  return { index, tar };
}
