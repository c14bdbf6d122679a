// Base64 (RFC 4648), as tokenizer.json holds binary tables.

import { FormatError } from "../../../base/errors.ts";

const digits = new Map(
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((digit, i) => [digit, i] as const),
);

export function base64(text: string, what: string): Uint8Array {
  const end = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((end.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < end.length; i++) {
    const digit = digits.get(end[i]!);
    if (digit === undefined) throw new FormatError(`tokenizer: ${what}: "${end[i]}" at ${i} is no base64`);
    bits = ((bits << 6) | digit) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes[at++] = (bits >>> held) & 0xff;
  }
  return bytes;
}
