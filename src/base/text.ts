// Bytes to text and back: UTF-8, Latin-1, hexadecimal, C strings, sizes for people.

const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** UTF-8; what is not valid becomes U+FFFD. */
export function utf8(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes);
}

export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8Encoder.encode(text);
}

/** One character a byte, so that nothing is lost. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  if (bytes.length <= 64) {
    for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
    return text;
  }
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** Text up to the first NUL, or all of it. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8(end < 0 ? bytes : bytes.subarray(0, end));
}

/** 0x1f40: how addresses, offsets and sizes are written in messages. */
export function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** The lower-case hexadecimal digits of bytes. */
export function hexBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte >>> 4).toString(16) + (byte & 15).toString(16);
  return text;
}

/** "1.4 MB": decimal units, as `apt` prints them. */
export function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A file name's text: UTF-8, where a byte that is not valid UTF-8 becomes the code unit 0xdc00 + byte, so that no name is lost
 * (Python's surrogateescape, PEP 383). `encodeName` is its inverse.
 */
export function decodeName(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    let decoded: string | undefined;
    try {
      decoded = strictDecoder.decode(bytes.subarray(at, at + length));
    } catch {
      decoded = undefined;
    }
    text += decoded ?? String.fromCharCode(0xdc00 + first);
    at += decoded === undefined ? 1 : length;
  }
  return text;
}

/** The bytes of a name that `decodeName` made. */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  if (!/[\udc80-\udcff]/.test(name)) return utf8Encoder.encode(name);
  const parts: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...utf8Encoder.encode(character));
  }
  return Uint8Array.from(parts);
}
