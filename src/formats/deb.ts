// A .deb: an ar archive of debian-binary, control.tar.* and data.tar.*. Source: deb(5).

import { FormatError, UnsupportedFormat } from "../base/errors.ts";
import { latin1, utf8 } from "../base/text.ts";
import { arMembers } from "./ar.ts";
import { compressionOfName, decompress, type Compression } from "./compress.ts";
import { parseStanza, type Stanza } from "./debcontrol.ts";
import { tarContent, tarEntries } from "./tar.ts";

/** The control archive holds a few small files: more is a bomb. */
const controlLimit = 64 << 20;
/** What a package's files may unpack to unless the caller says otherwise. */
const defaultDataLimit = 2 ** 31;

/** A file of the control archive: maintainer scripts, md5sums, conffiles, triggers, … */
export interface ControlFile {
  bytes: Uint8Array;
  mode: number;
}

export interface Deb {
  control: Stanza;
  name: string;
  version: string;
  architecture: string;
  /** By name, "control" included. */
  controlFiles: ReadonlyMap<string, ControlFile>;
  /** data.tar as packed. */
  data: Uint8Array;
  dataCompression: Compression;
}

/** Reads the structure and the control archive; data.tar is left packed (see `debData`). */
export function parseDeb(bytes: Uint8Array): Deb {
  let control: { bytes: Uint8Array; compression: Compression } | undefined;
  let sawVersion = false;
  for (const member of arMembers(bytes)) {
    if (!sawVersion) {
      if (member.name !== "debian-binary")
        throw new FormatError(`deb: first member is ${JSON.stringify(member.name)}, not debian-binary`);
      checkVersion(member.bytes);
      sawVersion = true;
    } else if (!control) {
      if (member.name.startsWith("_")) continue;
      control = { bytes: member.bytes, compression: memberCompression(member.name, "control.tar") };
    } else if (!member.name.startsWith("_")) {
      const dataCompression = memberCompression(member.name, "data.tar");
      return assemble(readControlFiles(control), member.bytes, dataCompression);
    }
  }
  throw new FormatError(`deb: has no ${control ? "data.tar" : sawVersion ? "control.tar" : "debian-binary"} member`);
}

/** data.tar unpacked. */
export function debData(deb: Deb, limit = defaultDataLimit): Uint8Array {
  return decompress(deb.data, deb.dataCompression, limit);
}

function checkVersion(bytes: Uint8Array): void {
  const text = latin1(bytes.subarray(0, 64));
  const [, major] = /^(\d{1,5})\.\d+\n/.exec(text) ?? [];
  if (major !== "2")
    throw new UnsupportedFormat(`deb: format version is ${JSON.stringify(text.split("\n")[0])}, known is 2.x`);
}

function memberCompression(name: string, stem: string): Compression {
  if (name !== stem && !name.startsWith(`${stem}.`))
    throw new FormatError(`deb: found member ${JSON.stringify(name)} where ${stem} belongs`);
  const compression = compressionOfName(name.slice(stem.length));
  if (!compression || compression === "lz4") throw new UnsupportedFormat(`deb: compression of ${name} is not known`);
  if (compression === "none" && name !== stem) throw new UnsupportedFormat(`deb: compression of ${name} is not known`);
  return compression;
}

function readControlFiles({
  bytes,
  compression,
}: {
  bytes: Uint8Array;
  compression: Compression;
}): Map<string, ControlFile> {
  const tar = decompress(bytes, compression, controlLimit);
  const files = new Map<string, ControlFile>();
  for (const entry of tarEntries(tar)) {
    if (entry.type === "directory") continue;
    const name = entry.path.replace(/^(\.?\/)+/, "");
    // Anything but a plain file directly in the archive has no meaning to dpkg.
    if (entry.type !== "file" || name.includes("/") || name === "") {
      throw new FormatError(`deb: control archive has ${entry.type} ${JSON.stringify(entry.path)}`);
    }
    files.set(name, { bytes: tarContent(tar, entry), mode: entry.mode });
  }
  return files;
}

function assemble(controlFiles: Map<string, ControlFile>, data: Uint8Array, dataCompression: Compression): Deb {
  const file = controlFiles.get("control");
  if (!file) throw new FormatError("deb: control archive has no file named control");
  const control = parseStanza(utf8(file.bytes), "deb control file");
  const name = control.need("Package", "deb control file");
  if (!/^[a-z0-9][a-z0-9.+-]+$/.test(name)) throw new FormatError(`deb: ${JSON.stringify(name)} is no package name`);
  const architecture = control.need("Architecture", "deb control file");
  if (!/^[a-z0-9][a-z0-9-]*$/.test(architecture))
    throw new FormatError(`deb: ${JSON.stringify(architecture)} is no architecture`);
  const version = control.need("Version", "deb control file");
  return { control, name, version, architecture, controlFiles, data, dataCompression };
}
