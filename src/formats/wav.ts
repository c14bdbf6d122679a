// WAV sound (RIFF, Multimedia Programming Interface 1.0; WAVEFORMATEXTENSIBLE): to channels of numbers from -1 to 1.

import { Cursor } from "../base/cursor.ts";
import { FormatError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";

/** Sound: one array a channel, all of one length. */
export interface Sound {
  /** Samples a second. */
  readonly rate: number;
  readonly channels: readonly Float32Array[];
}

const formatPcm = 1;
const formatFloat = 3;
const formatExtensible = 0xfffe;

/** Whether these bytes are a WAV file. */
export function isWav(bytes: Uint8Array): boolean {
  return latin1(bytes.subarray(0, 4)) === "RIFF" && latin1(bytes.subarray(8, 12)) === "WAVE";
}

interface Layout {
  readonly format: number;
  readonly channels: number;
  readonly rate: number;
  readonly bits: number;
}

function readLayout(from: Cursor, size: number): Layout {
  const format = from.u16();
  const channels = from.u16();
  const rate = from.u32();
  from.skip(6);
  const bits = from.u16();
  if (format !== formatExtensible) return { format, channels, rate, bits };
  if (size < 40) throw new FormatError(`WAV: extensible format has ${size} bytes, needs 40`);
  from.skip(8);
  return { format: from.u16(), channels, rate, bits };
}

/** Decodes PCM of 8, 16, 24 and 32 bits and floats of 32 and 64. Throws FormatError. */
export function decodeWav(bytes: Uint8Array): Sound {
  if (!isWav(bytes)) throw new FormatError("WAV: does not begin with RIFF and WAVE");
  const from = new Cursor(bytes, "WAV", { position: 12 });
  let layout: Layout | undefined;
  while (from.remaining >= 8) {
    const id = latin1(from.take(4));
    const size = from.u32();
    const start = from.position;
    if (id === "fmt ") layout = readLayout(from, size);
    else if (id === "data") {
      if (!layout) throw new FormatError("WAV: data come before their format");
      // Writers that stream leave the size open.
      return { rate: layout.rate, channels: samples(from.take(Math.min(size, from.remaining)), layout) };
    }
    from.seek(Math.min(bytes.length, start + size + (size & 1)));
  }
  throw new FormatError("WAV: has no data");
}

function samples(data: Uint8Array, { format, channels, bits }: Layout): Float32Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const readers: Record<string, (at: number) => number> = {
    [`${formatPcm}/8`]: (at) => (view.getUint8(at) - 128) / 128,
    [`${formatPcm}/16`]: (at) => view.getInt16(at, true) / 32768,
    [`${formatPcm}/24`]: (at) => (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8388608,
    [`${formatPcm}/32`]: (at) => view.getInt32(at, true) / 2147483648,
    [`${formatFloat}/32`]: (at) => view.getFloat32(at, true),
    [`${formatFloat}/64`]: (at) => view.getFloat64(at, true),
  };
  const read = readers[`${format}/${bits}`];
  if (!read) throw new FormatError(`WAV: format ${format} of ${bits} bits is not supported`);
  if (channels < 1 || channels > 64) throw new FormatError(`WAV: ${channels} channels`);
  const size = bits / 8;
  const count = Math.floor(data.length / (size * channels));
  return Array.from({ length: channels }, (_, channel) => {
    const samplesOfOne = new Float32Array(count);
    for (let i = 0; i < count; i++) samplesOfOne[i] = read((i * channels + channel) * size);
    return samplesOfOne;
  });
}
