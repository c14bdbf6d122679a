// Snappy's block format (google/snappy, format_description.txt).

import { FormatError } from "../base/errors.ts";

/** Decompresses one block. Throws FormatError; allocates at most what so many bytes can stand for. */
export function decompressSnappy(bytes: Uint8Array, what = "snappy"): Uint8Array<ArrayBuffer> {
  let at = 0;
  const fail = (problem: string): never => {
    throw new FormatError(`${what}: ${problem} at byte ${at} of ${bytes.length}`);
  };
  const next = () => bytes[at++] ?? fail("cut off");
  const number = (size: number) => {
    let value = 0;
    for (let i = 0; i < size; i++) value += next() * 2 ** (8 * i);
    return value;
  };
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = next();
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
    if (shift >= 28) fail("the length has more than 5 bytes");
  }
  // A copy of 64 bytes takes 3.
  if (length > bytes.length * 22) fail(`a length of ${length} is more than the block can hold`);
  const output = new Uint8Array(length);
  let end = 0;
  while (at < bytes.length) {
    const tag = next();
    let count: number;
    if ((tag & 3) === 0) {
      const small = tag >> 2;
      count = (small < 60 ? small : number(small - 59)) + 1;
      if (count > bytes.length - at || count > length - end) fail(`a literal of ${count} bytes does not fit`);
      output.set(bytes.subarray(at, at + count), end);
      at += count;
    } else {
      let offset: number;
      if ((tag & 3) === 1) {
        count = ((tag >> 2) & 7) + 4;
        offset = ((tag >> 5) << 8) | next();
      } else {
        count = (tag >> 2) + 1;
        offset = number((tag & 3) === 2 ? 2 : 4);
      }
      if (offset === 0 || offset > end) fail(`a copy from ${offset} back, ${end} are written`);
      if (count > length - end) fail(`a copy of ${count} bytes does not fit`);
      for (let i = 0; i < count; i++) output[end + i] = output[end + i - offset]!;
    }
    end += count;
  }
  if (end !== length) fail(`${end} bytes instead of ${length}`);
  return output;
}
