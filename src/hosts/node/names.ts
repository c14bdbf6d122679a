// File names between the kernel, where a byte that is not UTF-8 is the code unit 0xdc00 + byte, and Node, where a name is
// text or a Buffer.

import { Buffer } from "node:buffer";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const stray = /[\udc80-\udcff]/;

/** A path as Node takes it: text, or bytes when it holds what is not UTF-8. */
export function toHost(path: string): string | Buffer {
  if (!stray.test(path)) return path;
  const parts: Buffer[] = [];
  for (const character of path) {
    const code = character.charCodeAt(0);
    const isStray = character.length === 1 && code >= 0xdc80 && code <= 0xdcff;
    parts.push(isStray ? Buffer.from([code - 0xdc00]) : Buffer.from(character));
  }
  return Buffer.concat(parts);
}

/** A name from Node's bytes. */
export function fromHost(name: Buffer): string {
  try {
    return utf8.decode(name);
  } catch {
    let text = "";
    for (const byte of name) text += String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
    return text;
  }
}
