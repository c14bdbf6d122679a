// Discrete Fourier transforms of one to three dimensions, in double precision.

import { isComplex } from "../hlo/dtype.ts";
import type { AttributesOf } from "../hlo/ops.ts";
import { elementCount, type Tensor, type TensorType } from "../hlo/tensor.ts";
import { finish, numbersFor, numbersOf } from "./elements.ts";

/** A line of complex numbers. */
interface Line {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}
const lineOf = (length: number): Line => ({ real: new Float64Array(length), imaginary: new Float64Array(length) });

/** Transforms a line in place, its sums not scaled; `sign` is -1 forward and 1 backward. */
type Transform = (line: Line, sign: 1 | -1) => void;

function transformOf(length: number): Transform {
  if (length < 2) return () => {};
  return (length & (length - 1)) === 0 ? radixTwo(length) : chirp(length);
}

function radixTwo(length: number): Transform {
  const cosines = Float64Array.from({ length: length / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / length));
  const sines = Float64Array.from({ length: length / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / length));
  return ({ real, imaginary }, sign) => {
    for (let i = 1, j = 0; i < length; i++) {
      let bit = length >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [real[i], real[j]] = [real[j]!, real[i]!];
        [imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!];
      }
    }
    for (let size = 2; size <= length; size *= 2) {
      const half = size / 2;
      const step = length / size;
      for (let begin = 0; begin < length; begin += size) {
        for (let k = 0; k < half; k++) {
          const [c, s] = [cosines[k * step]!, sign * sines[k * step]!];
          const [i, j] = [begin + k, begin + k + half];
          const re = real[j]! * c - imaginary[j]! * s;
          const im = real[j]! * s + imaginary[j]! * c;
          real[j] = real[i]! - re;
          imaginary[j] = imaginary[i]! - im;
          real[i]! += re;
          imaginary[i]! += im;
        }
      }
    }
  };
}

/** Bluestein's algorithm: any length by a convolution of a power of two. */
function chirp(length: number): Transform {
  const size = 2 ** Math.ceil(Math.log2(2 * length - 1));
  const transform = radixTwo(size);
  // exp(i pi k^2 / length), the square taken modulo 2 length so that the angle stays exact.
  const angle = (k: number) => (Math.PI * ((k * k) % (2 * length))) / length;
  return ({ real, imaginary }, sign) => {
    const a = lineOf(size);
    const b = lineOf(size);
    for (let k = 0; k < length; k++) {
      const [c, s] = [Math.cos(angle(k)), sign * Math.sin(angle(k))];
      a.real[k] = real[k]! * c - imaginary[k]! * s;
      a.imaginary[k] = real[k]! * s + imaginary[k]! * c;
      b.real[k] = c;
      b.imaginary[k] = -s;
      if (k > 0) {
        b.real[size - k] = c;
        b.imaginary[size - k] = -s;
      }
    }
    transform(a, -1);
    transform(b, -1);
    for (let k = 0; k < size; k++) {
      const re = a.real[k]! * b.real[k]! - a.imaginary[k]! * b.imaginary[k]!;
      a.imaginary[k] = a.real[k]! * b.imaginary[k]! + a.imaginary[k]! * b.real[k]!;
      a.real[k] = re;
    }
    transform(a, 1);
    for (let k = 0; k < length; k++) {
      const [c, s] = [Math.cos(angle(k)), sign * Math.sin(angle(k))];
      const [re, im] = [a.real[k]! / size, a.imaginary[k]! / size];
      real[k] = re * c - im * s;
      imaginary[k] = re * s + im * c;
    }
  };
}

/** Transforms every line along a dimension. */
function along(all: Line, shape: readonly number[], dimension: number, sign: 1 | -1): void {
  const length = shape[dimension]!;
  const stride = elementCount(shape.slice(dimension + 1));
  const outer = elementCount(shape.slice(0, dimension));
  const transform = transformOf(length);
  const line = lineOf(length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < stride; i++) {
      const base = o * length * stride + i;
      for (let k = 0; k < length; k++) {
        line.real[k] = all.real[base + k * stride]!;
        line.imaginary[k] = all.imaginary[base + k * stride]!;
      }
      transform(line, sign);
      const scale = sign === 1 ? 1 / length : 1;
      for (let k = 0; k < length; k++) {
        all.real[base + k * stride] = line.real[k]! * scale;
        all.imaginary[base + k * stride] = line.imaginary[k]! * scale;
      }
    }
  }
}

function linesOf(x: Tensor): Line {
  const numbers = numbersOf(x);
  const line = lineOf(elementCount(x.shape));
  const step = isComplex(x.dtype) ? 2 : 1;
  for (let i = 0; i < line.real.length; i++) {
    line.real[i] = numbers[i * step]!;
    if (step === 2) line.imaginary[i] = numbers[2 * i + 1]!;
  }
  return line;
}

/** Rows of the one length as rows of another: cut off, or mirrored as the transform of real numbers is. */
function rows(from: Line, length: number, to: number): Line {
  const count = from.real.length / length;
  const out = lineOf(count * to);
  for (let row = 0; row < count; row++) {
    for (let k = 0; k < to; k++) {
      const mirrored = k >= length || (to > length && k > to / 2);
      const at = row * length + (mirrored ? to - k : k);
      out.real[row * to + k] = from.real[at]!;
      out.imaginary[row * to + k] = mirrored ? -from.imaginary[at]! : from.imaginary[at]!;
    }
  }
  return out;
}

export function fft(x: Tensor, { kind, length }: AttributesOf<"fft">, { dtype, shape }: TensorType): Tensor {
  const rank = shape.length;
  const first = rank - length.length;
  const last = length.at(-1)!;
  const half = Math.floor(last / 2) + 1;
  let all = linesOf(x);
  if (all.real.length > 0) {
    const sign = kind === "FFT" || kind === "RFFT" ? -1 : 1;
    for (let d = first; d < rank - 1; d++) along(all, x.shape, d, sign);
    if (kind === "IRFFT") all = rows(all, half, last);
    along(all, [...x.shape.slice(0, -1), last], rank - 1, sign);
    if (kind === "RFFT") all = rows(all, last, half);
  }
  const out = numbersFor(dtype, shape);
  const step = isComplex(dtype) ? 2 : 1;
  for (let i = 0; i < all.real.length; i++) {
    out[i * step] = all.real[i]!;
    if (step === 2) out[2 * i + 1] = all.imaginary[i]!;
  }
  return finish(dtype, shape, out);
}
