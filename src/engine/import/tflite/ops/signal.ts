// TensorFlow Lite Micro's signal operators: the fixed-point front end of keyword spotting (tflite-micro's signal/src).

import { FormatError } from "../../../../base/errors.ts";
import { readFlexMap } from "../../../../formats/flexbuffers.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { fromNumbers, type Tensor, zeros } from "../../../hlo/tensor.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { pick } from "../quantize.ts";
import type { OperatorInfo, SubgraphInfo } from "../schema.ts";
import { takeAlong } from "./pick.ts";

/** A named whole number of the options. */
function reader(node: Node): (name: string, least?: number, most?: number) => number {
  const map = readFlexMap(node.operator.custom, node.operator.name);
  return (name, least = 0, most = 2 ** 31 - 1) => {
    const value = Number(map.get(name) ?? NaN);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new FormatError(`${node.b.origin}: option ${name} is ${value}`);
    }
    return value;
  };
}
const vectorOf = (node: Node, i: number): [value: Value, length: number] => {
  const value = node.input(i);
  const [length] = value.type.shape;
  if (value.type.shape.length !== 1 || length === undefined) throw new Unsupported("batches of signals");
  return [value, length];
};

/** How many bits a number has: 32 less the leading zeros. */
function bitsOf(b: Builder, x: Value): Value {
  const zeroBits = b.plain("countLeadingZeros", b.convert(x, "i32"));
  return b.subtract(b.scalar("i32", 32), zeroBits);
}

const window: Lower = (node) => {
  const { b } = node;
  const product = b.multiply(b.convert(node.input(0), "i32"), b.convert(node.input(1), "i32"));
  const shifted = b.with("shiftRightArithmetic", product, reader(node)("shift", 0, 31));
  return b.convert(b.clamp(shifted, -32768, 32767), "i16");
};

/** Shifts to the left until 15 bits are used; the second result is how far. */
const autoScale: Lower = (node) => {
  const { b } = node;
  const x = b.convert(vectorOf(node, 0)[0], "i32");
  const largest = b.reduce("maximum", b.plain("abs", x), [0]);
  const bits = b.with("maximum", b.subtract(b.scalar("i32", 15), bitsOf(b, largest)), 0);
  return [b.convert(b.binary("shiftLeft", x, bits), "i16"), bits];
};

/** Complex numbers as two vectors of i32 that hold 16 bits. */
interface Complex {
  readonly re: Value;
  readonly im: Value;
}
const each = (x: Complex, f: (part: Value) => Value): Complex => ({ re: f(x.re), im: f(x.im) });
const pairwise = (x: Complex, y: Complex, f: (p: Value, q: Value) => Value): Complex => ({
  re: f(x.re, y.re),
  im: f(x.im, y.im),
});

/** Products with 15 fractional bits, rounded. */
const round15 = (b: Builder, x: Value) => b.with("shiftRightArithmetic", b.with("add", x, 1 << 14), 15);
const divideBy = (b: Builder, x: Complex, n: number) =>
  each(x, (part) => round15(b, b.with("multiply", part, Math.floor(32767 / n))));
function product(b: Builder, x: Complex, y: Complex): Complex {
  return {
    re: round15(b, b.subtract(b.multiply(x.re, y.re), b.multiply(x.im, y.im))),
    im: round15(b, b.add(b.multiply(x.re, y.im), b.multiply(x.im, y.re))),
  };
}
/** exp(i phase) for a list of phases. */
function rotations(b: Builder, phases: readonly number[]): Complex {
  const list = (f: (phase: number) => number) =>
    b.numbers(
      "i32",
      [phases.length],
      phases.map((phase) => Math.floor(0.5 + 32767 * f(phase))),
    );
  return { re: list(Math.cos), im: list(Math.sin) };
}

/** The complex transform in 16 bits: radix 4, with one step of 2 when the length needs it, scaled at each step. */
function transform(b: Builder, x: Complex, length: number): Complex {
  // Factors from the outermost step: fours, then a two.
  const factors: number[] = [];
  let rest = length;
  while (rest % 4 === 0) {
    factors.push(4);
    rest /= 4;
  }
  if (rest === 2) factors.push(2);
  else if (rest !== 1) throw new Unsupported(`a transform of ${2 * length}`);
  // Inputs in the order in which the innermost step takes them.
  const order = (at: readonly number[], left: readonly number[]): number[] => {
    const [p, ...inner] = left;
    if (p === undefined) return [...at];
    return Array.from({ length: p }, (_, k) =>
      order(
        at.filter((_index, i) => i % p === k),
        inner,
      ),
    ).flat();
  };
  const indices = order(
    Array.from({ length }, (_, i) => i),
    factors,
  );
  let current = each(x, (part) => takeAlong(b, part, 0, indices));
  let m = 1;
  for (const p of [...factors].reverse()) {
    const groups = length / (p * m);
    const part = (k: number): Complex =>
      each(current, (value) =>
        b.reshape(b.slice(b.reshape(value, [groups, p, m]), [0, k, 0], [groups, k + 1, m]), [groups, m]),
      );
    const scaled = Array.from({ length: p }, (_, k) => divideBy(b, part(k), p));
    const turned = (k: number) => {
      const phases = Array.from({ length: m }, (_, j) => (-2 * Math.PI * k * j * groups) / length);
      return product(b, scaled[k]!, rotations(b, phases));
    };
    const add = (p1: Value, q1: Value) => b.add(p1, q1);
    const subtract = (p1: Value, q1: Value) => b.subtract(p1, q1);
    let results: Complex[];
    if (p === 2) {
      const t = turned(1);
      results = [pairwise(scaled[0]!, t, add), pairwise(scaled[0]!, t, subtract)];
    } else {
      const [one, two, three] = [turned(1), turned(2), turned(3)];
      const difference = pairwise(scaled[0]!, two, subtract);
      const sum = pairwise(scaled[0]!, two, add);
      const [outer, inner] = [pairwise(one, three, add), pairwise(one, three, subtract)];
      results = [
        pairwise(sum, outer, add),
        { re: b.add(difference.re, inner.im), im: b.subtract(difference.im, inner.re) },
        pairwise(sum, outer, subtract),
        { re: b.subtract(difference.re, inner.im), im: b.add(difference.im, inner.re) },
      ];
    }
    const join = (list: readonly Value[]) =>
      b.reshape(
        b.concatenate(
          list.map((value) => b.reshape(value, [groups, 1, m])),
          1,
        ),
        [length],
      );
    current = { re: join(results.map(({ re }) => re)), im: join(results.map(({ im }) => im)) };
    m *= p;
  }
  return current;
}

/** Real transform in 16 bits: pairs of elements as complex numbers, then the halves are told apart (kiss_fftr). */
const realTransform: Lower = (node) => {
  const { b } = node;
  const length = reader(node)("fft_length", 4, 1 << 16);
  const [x, given] = vectorOf(node, 0);
  if (node.dtype() !== "i16") throw new Unsupported(node.dtype());
  if (given > length || length % 4 !== 0) throw new FormatError(`${b.origin}: ${given} elements for ${length}`);
  const half = length / 2;
  const pairs = b.reshape(b.pad(b.convert(x, "i32"), [0], [length - given]), [half, 2]);
  const column = (i: number) => b.reshape(b.slice(pairs, [0, i], [half, i + 1]), [half]);
  const spectrum = divideBy(b, transform(b, { re: column(0), im: column(1) }, half), 2);
  const slice = (x1: Complex, from: number, to: number) => each(x1, (part) => b.slice(part, [from], [to]));
  const quarter = half / 2;
  const first = slice(spectrum, 0, 1);
  const low = slice(spectrum, 1, quarter + 1);
  const mirrored = each(slice(spectrum, quarter, half), (part) => b.op("reverse", [part], { dimensions: [0] }));
  const high = { re: mirrored.re, im: b.plain("negate", mirrored.im) };
  const [sum, difference] = [
    pairwise(low, high, (p, q) => b.add(p, q)),
    pairwise(low, high, (p, q) => b.subtract(p, q)),
  ];
  const phases = Array.from({ length: quarter }, (_, i) => -Math.PI * ((i + 1) / half + 0.5));
  const turned = product(b, difference, rotations(b, phases));
  const halved = (value: Value) => b.with("shiftRightArithmetic", value, 1);
  const near = pairwise(sum, turned, (p, q) => halved(b.add(p, q)));
  const far = {
    re: halved(b.subtract(sum.re, turned.re)),
    im: halved(b.subtract(turned.im, sum.im)),
  };
  // The middle one is written by both; the later, the far one, stays.
  const beyond = each(far, (part) => b.op("reverse", [part], { dimensions: [0] }));
  const zero = b.full("i32", [1], 0);
  const re = b.concatenate(
    [b.add(first.re, first.im), b.slice(near.re, [0], [quarter - 1]), beyond.re, b.subtract(first.re, first.im)],
    0,
  );
  const im = b.concatenate([zero, b.slice(near.im, [0], [quarter - 1]), beyond.im, zero], 0);
  const columns = [re, im].map((part) => b.reshape(part, [half + 1, 1]));
  return b.convert(b.reshape(b.concatenate(columns, 1), [length + 2]), "i16");
};

/** Squares of magnitudes between two places; zero elsewhere. */
const energy: Lower = (node) => {
  const { b } = node;
  const [x, length] = vectorOf(node, 0);
  const option = reader(node);
  const [from, to] = [option("start_index"), option("end_index")];
  const count = length / 2;
  if (from > to || to > count) throw new FormatError(`${b.origin}: ${from} to ${to} of ${count}`);
  const wide = b.convert(x, "i32");
  const sums = b.reduce("add", b.reshape(b.multiply(wide, wide), [count, 2]), [1]);
  const kept = b.slice(sums, [from], [to]);
  return b.convert(b.pad(kept, [from], [count - to]), "u32");
};

/** Triangular filters, each element shared between two neighbours: sums with constant weights. */
const filterBank: Lower = (node) => {
  const { b } = node;
  const channels = reader(node)("num_channels", 1, 1 << 12);
  const [x, length] = vectorOf(node, 0);
  const [weights, others, starts, offsets, widths] = [1, 2, 3, 4, 5].map((i) => node.numbers(i, "filters")) as [
    number[],
    number[],
    number[],
    number[],
    number[],
  ];
  if (channels * length > 1 << 22) throw new Unsupported(`${channels} filters of ${length} elements`);
  const matrix = Array.from({ length: channels * length }, () => 0);
  for (let i = 0; i <= channels; i++) {
    for (let j = 0; j < (widths[i] ?? 0); j++) {
      const [place, weight] = [(starts[i] ?? -1) + j, (offsets[i] ?? -1) + j];
      if (place < 0 || place >= length || weights[weight] === undefined || others[weight] === undefined) {
        throw new FormatError(`${b.origin}: filter ${i} reaches element ${place} of ${length}`);
      }
      // The first channel is scratch: what it gives is left out.
      if (i > 0) matrix[(i - 1) * length + place]! += weights[weight];
      if (i < channels) matrix[i * length + place]! += others[weight];
    }
  }
  const table = b.constant(fromNumbers("u64", [channels, length], matrix.map(BigInt)));
  return b.op("dotGeneral", [table, b.convert(x, "u64")], {
    lhsBatching: [],
    rhsBatching: [],
    lhsContracting: [1],
    rhsContracting: [0],
  });
};

/** Rounded roots, shifted back by what the second input says. Energies stay below 2^53. */
const squareRoot: Lower = (node) => {
  const { b } = node;
  const x = b.convert(node.input(0), "f64");
  const whole = b.plain("floor", b.plain("sqrt", x));
  const up = b.compare("GT", b.subtract(x, b.multiply(whole, whole)), whole);
  const full = b.compare("EQ", whole, b.scalar("f64", 0xffff));
  const small = b.compare("LT", x, b.scalar("f64", 2 ** 32));
  const step = b.plain("and", up, b.plain("not", b.plain("and", full, small)));
  const rounded = b.convert(b.add(whole, b.convert(step, "f64")), "u32");
  return b.binary("shiftRightLogical", rounded, b.convert(b.reshape(node.input(1), []), "u32"));
};

const stateKey = (subgraph: SubgraphInfo, operator: OperatorInfo) => `signal ${subgraph.index}.${operator.outputs[0]}`;

/** The variable inside an operator, which the file does not declare: its key and first value. */
export function hiddenState(
  subgraph: SubgraphInfo,
  operator: OperatorInfo,
): { key: string; initial: Tensor } | undefined {
  if (operator.name !== "custom:SignalFilterBankSpectralSubtraction") return undefined;
  const info = subgraph.tensors[operator.outputs[1] ?? -1];
  return info && { key: stateKey(subgraph, operator), initial: zeros("u32", info.shape) };
}

/** Takes a running estimate of the noise away. */
const spectralSubtraction: Lower = (node) => {
  const { b, importer } = node;
  const [input, length] = vectorOf(node, 0);
  const option = reader(node);
  const [bits, scaleBits] = [option("smoothing_bits", 0, 31), option("spectral_subtraction_bits", 0, 31)];
  const key = stateKey(node.scope.subgraph, node.operator);
  const wide = (value: Value) => b.convert(value, "u64");
  const alternating = (even: string, odd: string) => {
    const [p, q] = [option(even), option(odd)];
    return b.numbers(
      "u64",
      [length],
      Array.from({ length }, (_, i) => BigInt(i % 2 === 0 ? p : q)),
    );
  };
  const signal = b.with("shiftLeft", input, bits);
  const before = importer.read(key, node.result(1));
  const mixed = b.add(
    b.multiply(wide(signal), alternating("smoothing", "alternate_smoothing")),
    b.multiply(wide(before), alternating("one_minus_smoothing", "alternate_one_minus_smoothing")),
  );
  const shift = b.scalar("u64", BigInt(scaleBits));
  const estimate = b.convert(b.binary("shiftRightLogical", mixed, shift), "u32");
  const bounded = b.binary("minimum", estimate, signal);
  const map = readFlexMap(node.operator.custom, node.operator.name);
  const noise = map.get("clamping") === true || map.get("clamping") === 1 ? bounded : estimate;
  importer.assign(key, noise);
  const remaining = b.multiply(wide(input), b.scalar("u64", BigInt(option("min_signal_remaining"))));
  const floor = b.convert(b.binary("shiftRightLogical", remaining, shift), "u32");
  const left = b.with("shiftRightLogical", b.subtract(signal, bounded), bits);
  return [b.binary("maximum", left, floor), noise];
};

/** A function of 32-bit numbers by a table of parabolas, one an octave. */
function wideFunction(b: Builder, x: Value, table: Value): Value {
  const interval = bitsOf(b, x);
  const value = b.convert(x, "i32");
  const eleven = b.scalar("i32", 11);
  const left = b.binary("shiftLeft", value, b.with("maximum", b.subtract(eleven, interval), 0));
  const right = b.binary("shiftRightLogical", value, b.with("maximum", b.subtract(interval, eleven), 0));
  const moved = b.select(b.compare("LT", interval, eleven), left, right);
  const fraction = b.with("and", moved, 0x3ff);
  const start = b.with("maximum", b.with("subtract", b.with("multiply", interval, 4), 6), 0);
  const entry = (i: number) => b.convert(pick(b, table, b.with("add", start, i)), "i32");
  const square = b.with("shiftRightArithmetic", b.multiply(entry(2), fraction), 5);
  const slope = b.multiply(b.add(square, b.with("shiftLeft", entry(1), 5)), fraction);
  const result = b.add(b.with("shiftRightArithmetic", b.with("add", slope, 1 << 14), 15), entry(0));
  // The first entries are those of 0, 1 and 2.
  const tiny = b.plain("and", b.compare("LE", value, b.scalar("i32", 2)), b.compare("GE", value, b.scalar("i32", 0)));
  return b.select(tiny, b.convert(pick(b, table, b.clamp(value, 0, 2)), "i32"), result);
}

/** Per-channel gain by the noise, then a curve that is flat near zero. */
const gainControl: Lower = (node) => {
  const { b } = node;
  const gain = wideFunction(b, node.input(1), node.input(2));
  const product64 = b.multiply(b.convert(node.input(0), "u64"), b.convert(b.convert(gain, "u32"), "u64"));
  const shift = b.scalar("u64", BigInt(reader(node)("snr_shift", 0, 63)));
  const ratio = b.convert(b.binary("shiftRightLogical", product64, shift), "u32");
  const square = b.with("shiftRightLogical", b.multiply(ratio, ratio), 20);
  const line = b.with("subtract", b.with("shiftRightLogical", ratio, 6), 64);
  return b.select(b.compare("LT", ratio, b.scalar("u32", 2 << 12)), square, line);
};

/** What log2 is above the chord of each of 128 segments, in 65,536ths. */
const segments = Array.from({ length: 130 }, (_, i) =>
  Math.round((Math.log2(1 + Math.min(i, 128) / 128) - Math.min(i, 128) / 128) * 65536),
);

const logarithm: Lower = (node) => {
  const { b } = node;
  const option = reader(node);
  const scaled = b.with("shiftLeft", node.input(0), option("input_correction_bits", 0, 31));
  const whole = b.with("subtract", bitsOf(b, scaled), 1);
  const sixteen = b.scalar("i32", 16);
  const value = b.convert(scaled, "i32");
  const rest = b.subtract(value, b.binary("shiftLeft", b.scalar("i32", 1), b.with("maximum", whole, 0)));
  const up = b.binary("shiftLeft", rest, b.with("maximum", b.subtract(sixteen, whole), 0));
  const down = b.binary("shiftRightArithmetic", rest, b.with("maximum", b.subtract(whole, sixteen), 0));
  const fraction = b.select(b.compare("LT", whole, sixteen), up, down);
  const table = b.numbers("i32", [130], segments);
  const segment = b.with("shiftRightArithmetic", fraction, 9);
  const [from, to] = [pick(b, table, segment), pick(b, table, b.with("add", segment, 1))];
  const within = b.subtract(fraction, b.with("multiply", segment, 512));
  const curve = b.with("shiftRightArithmetic", b.multiply(b.subtract(to, from), within), 16);
  const log2 = b.add(b.with("multiply", whole, 65536), b.add(fraction, b.add(from, curve)));
  const half = 1 << 15;
  const natural = b.with(
    "shiftRightLogical",
    b.with("add", b.with("multiply", b.convert(log2, "u64"), 45426), half),
    16,
  );
  const scale = option("output_scale");
  const result = b.with(
    "shiftRightLogical",
    b.with("add", b.with("multiply", b.convert(natural, "u32"), scale), half),
    16,
  );
  const there = b.compare("GT", scaled, b.scalar("u32", 1));
  return b.convert(b.select(there, b.with("minimum", result, 32767), b.scalar("u32", 0)), "i16");
};

export const signals: Readonly<Record<string, Lower>> = {
  SignalWindow: window,
  SignalFftAutoScale: autoScale,
  SignalRfft: realTransform,
  SignalEnergy: energy,
  SignalFilterBank: filterBank,
  SignalFilterBankSquareRoot: squareRoot,
  SignalFilterBankSpectralSubtraction: spectralSubtraction,
  SignalPCAN: gainControl,
  SignalFilterBankLog: logarithm,
};
