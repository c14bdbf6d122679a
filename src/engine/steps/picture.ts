// Pictures to tensors: resizing, cropping, colours, normalising.

import { CerebroError } from "../../base/errors.ts";
import type { Image } from "../../formats/image.ts";
import type { Tensor } from "../hlo/tensor.ts";

export type Method = "nearest" | "bilinear" | "bicubic" | "area";

/** How much each source sample counts for a result sample. */
interface Weights {
  readonly first: number;
  readonly weights: readonly number[];
}

const kernels: Readonly<Record<Exclude<Method, "nearest">, { reach: number; at: (x: number) => number }>> = {
  area: { reach: 0.5, at: (x) => (Math.abs(x) <= 0.5 ? 1 : 0) },
  bilinear: { reach: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -0.5, as picture libraries have it.
  bicubic: {
    reach: 2,
    at: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    },
  },
};

/** Weights along one dimension; half-pixel centres, and the kernel is stretched when the picture shrinks (as Pillow does). */
function weightsOf(from: number, to: number, method: Method): Weights[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    if (method === "nearest") return { first: Math.min(from - 1, Math.floor(centre)), weights: [1] };
    const { reach, at } = kernels[method];
    const stretch = Math.max(1, scale);
    const first = Math.max(0, Math.ceil(centre - reach * stretch - 0.5));
    const last = Math.min(from - 1, Math.floor(centre + reach * stretch - 0.5));
    const weights: number[] = [];
    for (let k = first; k <= Math.max(first, last); k++) weights.push(at((k + 0.5 - centre) / stretch));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return sum === 0
      ? { first: Math.min(from - 1, Math.floor(centre)), weights: [1] }
      : { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Resamples a picture; each dimension in turn. */
export function resize(image: Image, width: number, height: number, method: Method): Image {
  if (image.width === width && image.height === height) return image;
  const { channels } = image;
  const columns = weightsOf(image.width, width, method);
  const rows = weightsOf(image.height, height, method);
  const wide = new Float32Array(width * image.height * channels);
  for (let y = 0; y < image.height; y++) {
    for (let x = 0; x < width; x++) {
      const { first, weights } = columns[x]!;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++)
          sum += weights[k]! * image.pixels[(y * image.width + first + k) * channels + c]!;
        wide[(y * width + x) * channels + c] = sum;
      }
    }
  }
  const pixels = new Uint8Array(width * height * channels);
  const row = width * channels;
  for (let y = 0; y < height; y++) {
    const { first, weights } = rows[y]!;
    for (let i = 0; i < row; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * wide[(first + k) * row + i]!;
      pixels[y * row + i] = Math.min(255, Math.max(0, Math.round(sum)));
    }
  }
  return { width, height, channels, pixels };
}

/** The part of a picture from (x, y) on. Throws when it is not within. */
export function crop(image: Image, x: number, y: number, width: number, height: number): Image {
  if (x < 0 || y < 0 || x + width > image.width || y + height > image.height) {
    throw new CerebroError(
      "usage",
      `crop: ${width}x${height} at ${x},${y} is not within ${image.width}x${image.height}`,
    );
  }
  const { channels } = image;
  const pixels = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * image.width + x) * channels;
    pixels.set(image.pixels.subarray(from, from + width * channels), row * width * channels);
  }
  return { width, height, channels, pixels };
}

/** Resizes so that the whole box is covered, and cuts off what stands over on both sides. */
export function cover(image: Image, width: number, height: number, method: Method): Image {
  const scale = Math.max(width / image.width, height / image.height);
  const [w, h] = [Math.max(width, Math.round(image.width * scale)), Math.max(height, Math.round(image.height * scale))];
  return crop(resize(image, w, h, method), (w - width) >> 1, (h - height) >> 1, width, height);
}

/** Resizes so that everything is within the box, and fills the rest with one value. */
export function contain(image: Image, width: number, height: number, method: Method, fill: number): Image {
  const scale = Math.min(width / image.width, height / image.height);
  const [w, h] = [Math.max(1, Math.round(image.width * scale)), Math.max(1, Math.round(image.height * scale))];
  const inner = resize(image, Math.min(w, width), Math.min(h, height), method);
  const { channels } = image;
  const pixels = new Uint8Array(width * height * channels).fill(fill);
  const [left, top] = [(width - inner.width) >> 1, (height - inner.height) >> 1];
  for (let y = 0; y < inner.height; y++) {
    const from = y * inner.width * channels;
    const to = ((top + y) * width + left) * channels;
    pixels.set(inner.pixels.subarray(from, from + inner.width * channels), to);
  }
  return { width, height, channels, pixels };
}

/** Grey to three equal channels, or three to grey (Rec. 601 luma). */
export function withChannels(image: Image, channels: 1 | 3): Image {
  if (image.channels === channels) return image;
  const count = image.width * image.height;
  const pixels = new Uint8Array(count * channels);
  for (let i = 0; i < count; i++) {
    if (channels === 3) pixels.fill(image.pixels[i]!, i * 3, i * 3 + 3);
    else {
      const [r, g, b] = image.pixels.subarray(i * 3, i * 3 + 3) as unknown as [number, number, number];
      pixels[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    }
  }
  return { ...image, channels, pixels };
}

/** Pixels as f32[1, height, width, channels], 0 to 255. */
export function pictureTensor({ width, height, channels, pixels }: Image): Tensor {
  return { dtype: "f32", shape: [1, height, width, channels], data: Float32Array.from(pixels) };
}
