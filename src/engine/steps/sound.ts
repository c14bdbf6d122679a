// Sound to tensors: resampling, and spectrograms on the mel scale.

import type { Sound } from "../../formats/wav.ts";
import type { Tensor } from "../hlo/tensor.ts";

/** One channel: the mean of all. */
export function mono({ channels }: Sound): Float32Array {
  const [first, ...others] = channels;
  if (!first || others.length === 0) return first ?? new Float32Array(0);
  return first.map((sample, i) => others.reduce((sum, channel) => sum + channel[i]!, sample) / channels.length);
}

/** Half-width of the resampling kernel, in samples of the lower rate. */
const reach = 16;

/** Changes the rate by a Hann-windowed sinc, cut off at the lower of the two Nyquist frequencies. */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  const result = new Float32Array(Math.round((samples.length * to) / from));
  const cutoff = Math.min(1, to / from);
  const half = reach / cutoff;
  for (let i = 0; i < result.length; i++) {
    const centre = (i * from) / to;
    let sum = 0;
    const last = Math.min(samples.length - 1, Math.floor(centre + half));
    for (let k = Math.max(0, Math.ceil(centre - half)); k <= last; k++) {
      const x = (k - centre) * cutoff;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      sum += samples[k]! * sinc * (0.5 + 0.5 * Math.cos((Math.PI * (k - centre)) / half)) * cutoff;
    }
    result[i] = sum;
  }
  return result;
}

export interface MelOptions {
  /** Samples a second. */
  readonly rate: number;
  /** Samples of a frame, and from one frame to the next. */
  readonly window: number;
  readonly hop: number;
  readonly bins: number;
  /** Hertz. */
  readonly low: number;
  readonly high: number;
  readonly log: "none" | "natural" | "decibel";
  /** Of magnitudes (1) or of powers (2). */
  readonly power: 1 | 2;
}

const melOf = (hertz: number) => 2595 * Math.log10(1 + hertz / 700);
const hertzOf = (mel: number) => 700 * (10 ** (mel / 2595) - 1);

/** Triangular filters, evenly spaced on the HTK mel scale: bins x (size / 2 + 1). */
function filters({ rate, bins, low, high }: MelOptions, size: number): Float64Array[] {
  const [from, to] = [melOf(low), melOf(high)];
  const edges = Array.from({ length: bins + 2 }, (_, i) => hertzOf(from + ((to - from) * i) / (bins + 1)));
  return Array.from({ length: bins }, (_, bin) => {
    const [left, centre, right] = [edges[bin]!, edges[bin + 1]!, edges[bin + 2]!];
    return Float64Array.from({ length: size / 2 + 1 }, (_unused, k) => {
      const hertz = (k * rate) / size;
      return Math.max(0, Math.min((hertz - left) / (centre - left), (right - hertz) / (right - centre)));
    });
  });
}

/** Spectrogram as f32[1, frames, bins]: Hann windows, discrete Fourier transform of the next power of two. */
export function melSpectrogram(samples: Float32Array, options: MelOptions): Tensor {
  const { window, hop, bins, log, power } = options;
  const size = 2 ** Math.ceil(Math.log2(window));
  const bank = filters(options, size);
  const frames = samples.length < window ? 1 : 1 + Math.floor((samples.length - window) / hop);
  const data = new Float32Array(frames * bins);
  const hann = Float64Array.from({ length: window }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / window));
  const [re, im] = [new Float64Array(size), new Float64Array(size)];
  for (let frame = 0; frame < frames; frame++) {
    re.fill(0);
    im.fill(0);
    for (let i = 0; i < window; i++) re[i] = (samples[frame * hop + i] ?? 0) * hann[i]!;
    fourier(re, im);
    for (let bin = 0; bin < bins; bin++) {
      let sum = 0;
      for (let k = 0; k <= size / 2; k++) {
        const energy = re[k]! ** 2 + im[k]! ** 2;
        sum += bank[bin]![k]! * (power === 2 ? energy : Math.sqrt(energy));
      }
      const floor = Math.max(sum, 1e-10);
      data[frame * bins + bin] = log === "none" ? sum : log === "natural" ? Math.log(floor) : 10 * Math.log10(floor);
    }
  }
  return { dtype: "f32", shape: [1, frames, bins], data };
}

/** Discrete Fourier transform in place; the length is a power of two. */
function fourier(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let length = 2; length <= n; length <<= 1) {
    for (let k = 0; k < length / 2; k++) {
      const angle = (-2 * Math.PI * k) / length;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let i = k; i < n; i += length) {
        const j = i + length / 2;
        const [x, y] = [re[j]! * c - im[j]! * s, re[j]! * s + im[j]! * c];
        re[j] = re[i]! - x;
        im[j] = im[i]! - y;
        re[i]! += x;
        im[i]! += y;
      }
    }
  }
}
