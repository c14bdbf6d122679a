// ar archives: the container of a .deb and of static libraries. Source: ar(5) and deb(5).

import { Cursor } from "../base/cursor.ts";
import { FormatError } from "../base/errors.ts";
import { hex, latin1, utf8 } from "../base/text.ts";

const magic = "!<arch>\n";
const headerSize = 60;

export interface ArMember {
  name: string;
  mtime: number;
  uid: number;
  gid: number;
  mode: number;
  /** A view of the archive. */
  bytes: Uint8Array;
}

function isAr(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(0, 8)) === magic;
}

/** Whether bytes begin like a .deb. Here and not in deb.ts, so that looking at a file loads no decompressor. */
export function isDeb(bytes: Uint8Array): boolean {
  return isAr(bytes) && latin1(bytes.subarray(8, 21)) === "debian-binary";
}

/** The members in order. GNU and BSD long names are resolved; GNU's symbol and name tables are left out. */
export function* arMembers(bytes: Uint8Array): Generator<ArMember> {
  if (!isAr(bytes)) throw new FormatError(`ar: does not begin with ${JSON.stringify(magic)}`);
  const cursor = new Cursor(bytes, "ar", { position: magic.length });
  let longNames: Uint8Array | undefined;
  while (!cursor.atEnd) {
    const at = cursor.position;
    const header = latin1(cursor.take(headerSize));
    if (header.slice(58) !== "`\n")
      throw new FormatError(`ar: header at ${hex(at)} does not end with a backquote and a newline`);
    const number = (from: number, to: number, radix: 8 | 10, name: string) =>
      parseNumber(header.slice(from, to).trimEnd(), radix, `${name} of the member at ${hex(at)}`);
    const size = number(48, 58, 10, "size");
    let content = cursor.take(size);
    if (size % 2 === 1 && !cursor.atEnd) cursor.skip(1);
    let name = header.slice(0, 16).trimEnd();
    if (name === "//") {
      longNames = content;
      continue;
    }
    if (name === "/" || name === "/SYM64/") continue;
    const bsdLength = /^#1\/(\d+)$/.exec(name)?.[1];
    if (bsdLength) {
      const length = Number(bsdLength);
      if (length > size) throw new FormatError(`ar: name at ${hex(at)} has ${length} bytes, its member has ${size}`);
      name = utf8(content.subarray(0, length)).replace(/\0+$/, "");
      content = content.subarray(length);
    } else if (/^\/\d+$/.test(name)) {
      name = longName(longNames, Number(name.slice(1)), at);
    } else if (name.endsWith("/")) {
      name = name.slice(0, -1);
    }
    yield {
      name,
      mtime: number(16, 28, 10, "time"),
      uid: number(28, 34, 10, "owner"),
      gid: number(34, 40, 10, "group"),
      mode: number(40, 48, 8, "mode"),
      bytes: content,
    };
  }
}

function longName(names: Uint8Array | undefined, offset: number, at: number): string {
  if (!names || offset >= names.length) {
    throw new FormatError(
      `ar: name of the member at ${hex(at)} is at ${hex(offset)}, the name table has ${hex(names?.length ?? 0)}`,
    );
  }
  const end = names.indexOf(0x0a, offset);
  return utf8(names.subarray(offset, end < 0 ? names.length : end)).replace(/\/$/, "");
}

function parseNumber(text: string, radix: 8 | 10, part: string): number {
  // Some writers leave owner, group and mode of their tables blank.
  if (text === "") return 0;
  if (!(radix === 8 ? /^[0-7]+$/ : /^\d+$/).test(text)) throw new FormatError(`ar: ${part} is ${JSON.stringify(text)}`);
  return parseInt(text, radix);
}
