// Pictures: PNG and JPEG to rows of 8-bit pixels, told apart by content.

import { decode as decodePng, convertIndexedToRgb } from "fast-png";
import { decode as decodeJpeg } from "jpeg-js";
import { FormatError, messageOf } from "../base/errors.ts";

/** A picture: `channels` bytes a pixel (1 grey, 3 RGB), rows from the top, pixels from the left. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array;
}

/** Most pixels a picture may have: what a small hostile file could claim. */
const maximumPixels = 64e6;
/** Deflate makes at most so many bytes of one (RFC 1951), and a pixel has at least one bit. */
const mostPixelsOfByte = 1032 * 8;

const isPng = (bytes: Uint8Array) => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
const isJpeg = (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;

/** Whether these bytes are a picture that `decodeImage` reads. */
export function isImage(bytes: Uint8Array): boolean {
  return isPng(bytes) || isJpeg(bytes);
}

/** Decodes a picture. Transparent pixels are laid on white. Throws FormatError. */
export function decodeImage(bytes: Uint8Array, name = "image"): Image {
  if (!isImage(bytes)) throw new FormatError(`${name}: is neither PNG nor JPEG`);
  const { width, height } = isPng(bytes) ? pngSize(bytes, name) : { width: 0, height: 0 };
  if (width * height > Math.min(maximumPixels, bytes.length * mostPixelsOfByte)) {
    throw new FormatError(`${name}: ${width}x${height} pixels are too many for a file of ${bytes.length} bytes`);
  }
  try {
    return isPng(bytes) ? fromPng(bytes) : fromJpeg(bytes);
  } catch (error) {
    throw new FormatError(`${name}: ${messageOf(error)}`, { cause: error });
  }
}

/** The size in the header (PNG specification, "IHDR"). */
function pngSize(bytes: Uint8Array, name: string): { width: number; height: number } {
  if (bytes.length < 24) throw new FormatError(`${name}: PNG ends at ${bytes.length}, its header needs 24 bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

function fromPng(bytes: Uint8Array): Image {
  const png = decodePng(bytes);
  const { width, height } = png;
  const indexed = png.palette !== undefined;
  const data = indexed ? convertIndexedToRgb(png) : png.data;
  const sourceChannels = indexed ? png.palette![0]!.length : png.channels;
  // 16-bit samples keep their upper half; grey ones of fewer bits are stretched to 8.
  const depth = indexed ? 8 : png.depth;
  const stretch = depth === 16 ? 1 / 257 : depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const colours = sourceChannels >= 3 ? 3 : 1;
  const opaque = sourceChannels === 1 || sourceChannels === 3;
  const pixels = new Uint8Array(width * height * colours);
  for (let i = 0, from = 0, to = 0; i < width * height; i++, from += sourceChannels) {
    const alpha = opaque ? 1 : (data[from + colours]! * stretch) / 255;
    for (let c = 0; c < colours; c++) pixels[to++] = Math.round(data[from + c]! * stretch * alpha + 255 * (1 - alpha));
  }
  return { width, height, channels: colours, pixels };
}

function fromJpeg(bytes: Uint8Array): Image {
  const options = { useTArray: true, formatAsRGBA: false, maxResolutionInMP: maximumPixels / 1e6 } as const;
  const { width, height, data } = decodeJpeg(bytes, { ...options, maxMemoryUsageInMB: 1024 });
  return { width, height, channels: 3, pixels: data };
}
