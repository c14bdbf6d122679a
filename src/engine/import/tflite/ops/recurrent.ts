// Recurrent layers: LSTM, RNN and SVDF, of one step or a sequence, whose states are variables.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { quantizeRows } from "../hybrid.ts";
import { type Lower, type Node, Unsupported } from "../node.ts";
import { options } from "../options.ts";
import { affineOf, limits, scaleBy } from "../quantize.ts";
import type { TensorInfo } from "../schema.ts";
import { activate } from "./elementwise.ts";
import { integerLstm } from "./lstm8.ts";

/** Sequences of at most so many steps are written out. */
const unrolled = 4;

/** A tensor and what the file says of it. */
export interface Weight {
  readonly value: Value;
  readonly info: TensorInfo;
}
export const weightAt = (node: Node, i: number): Weight | undefined =>
  node.has(i) ? { value: node.input(i), info: node.info(i) } : undefined;

/** A variable that is an input: its value, and where its next one goes. */
export function stateAt(node: Node, i: number): { value: Value; set(value: Value): void } {
  const key = node.importer.variableKey(node.scope, node.operator, i);
  return {
    value: node.input(i),
    set: (value) => {
      if (key !== undefined) node.importer.assign(key, value);
    },
  };
}

/**
 * Runs a step for each row of sequences [time, …], forwards or backwards. Gives the outputs [time, …] and the last
 * states.
 */
export function overTime(
  b: Builder,
  sequences: readonly Value[],
  states: readonly Value[],
  step: (b: Builder, rows: readonly Value[], states: readonly Value[]) => { output: Value; states: readonly Value[] },
  backwards = false,
): { output: Value; states: readonly Value[] } {
  const time = sequences[0]!.type.shape[0]!;
  const place = (t: number) => (backwards ? time - 1 - t : t);
  if (time <= unrolled) {
    let current = states;
    const outputs: Value[] = [];
    for (let t = 0; t < time; t++) {
      const rows = sequences.map((x) => {
        const [, ...rest] = x.type.shape;
        const at = place(t);
        return b.reshape(b.slice(x, [at, ...rest.map(() => 0)], [at + 1, ...rest]), rest);
      });
      const next = step(b, rows, current);
      current = next.states;
      outputs[place(t)] = b.reshape(next.output, [1, ...next.output.type.shape]);
    }
    if (outputs.length === 0) throw new Unsupported("sequences without steps");
    return { output: b.concatenate(outputs, 0), states: current };
  }
  // The outputs' type is that of a step written for nothing but its type.
  const probe = step(
    b,
    sequences.map((x) => b.full(x.type.dtype, x.type.shape.slice(1), 0)),
    states,
  ).output.type;
  const start = b.full(probe.dtype, [time, ...probe.shape], 0);
  const operands = [b.scalar("i32", 0), start, ...states];
  const types = operands.map(({ type }) => type);
  const condition = b.region(types, (inner, t) => [inner.compare("LT", t!, inner.scalar("i32", time))]);
  const body = b.region(types, (inner, t, outputs, ...current) => {
    const at = backwards ? inner.subtract(inner.scalar("i32", time - 1), t!) : t!;
    const zero = inner.scalar("i32", 0);
    const rows = sequences.map((x) => {
      const [, ...rest] = x.type.shape;
      const sizes = [1, ...rest];
      return inner.reshape(inner.op("dynamicSlice", [x, at, ...rest.map(() => zero)], { sizes }), rest);
    });
    const next = step(inner, rows, current);
    const row = inner.reshape(next.output, [1, ...probe.shape]);
    const written = inner.op("dynamicUpdateSlice", [outputs!, row, at, ...probe.shape.map(() => zero)], {});
    return [inner.with("add", t!, 1), written, ...next.states];
  });
  const [, output, ...last] = b.all("while", operands, {}, [condition, body]);
  return { output: output!, states: last };
}

/** x [..., in] times several weights [out, in] side by side: [..., sum of outs]; 8-bit ones as hybrid kernels do. */
export function products(b: Builder, x: Value, weights: readonly Weight[], asymmetric: boolean): Value {
  const joined = b.concatenate(
    weights.map(({ value }) => value),
    0,
  );
  const last = x.type.shape.length - 1;
  const attributes = { lhsBatching: [], rhsBatching: [], lhsContracting: [last], rhsContracting: [1] };
  if (joined.type.dtype === "f32") return b.op("dotGeneral", [x, joined], attributes);
  const rows = quantizeRows(b, x, [last], { asymmetric });
  let sums = b.op("dotGeneral", [rows.values, joined], { ...attributes, dtype: "i32" });
  if (rows.zero) sums = b.subtract(sums, b.multiply(rows.zero, b.reduce("add", b.convert(joined, "i32"), [1])));
  if (joined.type.shape[0]! > 1 << 20) throw new Unsupported(`${joined.type.shape[0]} gates`);
  const scales = weights.flatMap(({ value, info }) => {
    const list = info.quantization?.scales ?? [];
    if (list.length === 0) throw new Unsupported("8-bit weights without a scale");
    return Array.from({ length: value.type.shape[0]! }, (_, i) => list[list.length > 1 ? i : 0]!);
  });
  return b.multiply(b.convert(sums, "f32"), b.multiply(rows.scale, b.numbers("f32", [scales.length], scales)));
}

/** Vectors and peepholes may be 8-bit too: as floats. */
export function asFloat(b: Builder, weight: Weight): Value {
  if (weight.value.type.dtype === "f32") return weight.value;
  return b.with("multiply", b.convert(weight.value, "f32"), affineOf(weight.info).scale);
}

/** Weights and settings of an LSTM, wherever in its inputs they are. Lists are in the order input, forget, cell, output. */
export interface Lstm {
  readonly input: readonly (Weight | undefined)[];
  readonly auxiliary: readonly (Weight | undefined)[];
  readonly recurrent: readonly (Weight | undefined)[];
  readonly peepholes: readonly (Weight | undefined)[];
  readonly biases: readonly (Weight | undefined)[];
  readonly projection: Weight | undefined;
  readonly projectionBias: Weight | undefined;
  readonly norms: readonly (Weight | undefined)[];
  readonly activation: number;
  readonly cellClip: number;
  readonly projectionClip: number;
  readonly asymmetric: boolean;
}

/** (x - mean) / sqrt(variance + 1e-8) along the last dimension. */
function normalize(b: Builder, x: Value): Value {
  const last = [x.type.shape.length - 1];
  const centred = b.subtract(x, b.mean(x, last, { keep: true }));
  const variance = b.mean(b.multiply(centred, centred), last, { keep: true });
  return b.multiply(centred, b.plain("rsqrt", b.with("add", variance, 1e-8)));
}

/** One LSTM over x [time, batch, in], in floats. */
export function floatLstm(
  b: Builder,
  x: Value,
  auxiliary: Value | undefined,
  start: { output: Value; cell: Value },
  w: Lstm,
  backwards = false,
): { sequence: Value; output: Value; cell: Value } {
  const coupled = w.input[0] === undefined;
  const gates = coupled ? [1, 2, 3] : [0, 1, 2, 3];
  const present = (list: readonly (Weight | undefined)[]): Weight[] =>
    gates.map((gate) => {
      const weight = list[gate];
      if (!weight) throw new FormatError(`${b.origin}: weights of a gate are missing`);
      return weight;
    });
  const normed = w.norms[1] !== undefined;
  const biases = b.concatenate(
    present(w.biases).map((bias) => asFloat(b, bias)),
    0,
  );
  let fromInput = products(b, x, present(w.input), w.asymmetric);
  if (auxiliary && w.auxiliary[1]) {
    fromInput = b.add(fromInput, products(b, auxiliary, present(w.auxiliary), w.asymmetric));
  }
  if (!normed) fromInput = b.add(fromInput, biases);
  const recurrent = present(w.recurrent);
  const cells = recurrent[0]!.value.type.shape[0]!;
  const { output, states } = overTime(
    b,
    [fromInput],
    [start.output, start.cell],
    (inner, [row], [hidden, cell]) => {
      const sums = inner.add(row!, products(inner, hidden!, recurrent, w.asymmetric));
      const gate = (which: number, state: Value): Value => {
        const at = gates.indexOf(which);
        const [batch] = sums.type.shape;
        let value = inner.slice(sums, [0, at * cells], [batch!, (at + 1) * cells]);
        const peephole = which === 2 ? undefined : w.peepholes[which === 3 ? 2 : which];
        if (peephole) value = inner.add(value, inner.multiply(state, asFloat(inner, peephole)));
        if (normed) {
          value = inner.multiply(normalize(inner, value), asFloat(inner, w.norms[which]!));
          value = inner.add(value, asFloat(inner, w.biases[which]!));
        }
        return which === 2 ? activate(inner, value, w.activation) : inner.plain("logistic", value);
      };
      const forget = gate(1, cell!);
      const input = coupled ? inner.subtract(inner.scalar("f32", 1), forget) : gate(0, cell!);
      let next = inner.add(inner.multiply(forget, cell!), inner.multiply(input, gate(2, cell!)));
      if (w.cellClip > 0) next = inner.clamp(next, -w.cellClip, w.cellClip);
      let result = inner.multiply(gate(3, next), activate(inner, next, w.activation));
      if (w.projection) {
        result = products(inner, result, [w.projection], w.asymmetric);
        if (w.projectionBias) result = inner.add(result, asFloat(inner, w.projectionBias));
        if (w.projectionClip > 0) result = inner.clamp(result, -w.projectionClip, w.projectionClip);
      }
      return { output: result, states: [result, next] };
    },
    backwards,
  );
  return { sequence: output, output: states[0]!, cell: states[1]! };
}

const list = (node: Node, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => weightAt(node, from + i));

/** The 24 inputs of LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM. */
function lstmOf(node: Node, settings: Pick<Lstm, "activation" | "cellClip" | "projectionClip" | "asymmetric">): Lstm {
  return {
    input: list(node, 1, 4),
    auxiliary: [],
    recurrent: list(node, 5, 4),
    peepholes: list(node, 9, 3),
    biases: list(node, 12, 4),
    projection: weightAt(node, 16),
    projectionBias: weightAt(node, 17),
    norms: list(node, 20, 4),
    ...settings,
  };
}

/** Sequences have time first while they are worked on. */
const timeFirst = (b: Builder, x: Value, timeMajor: boolean) => (timeMajor ? x : b.transpose(x, [1, 0, 2]));

const sequenceLstm: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.sequenceLstm);
  if (o.diagonal) throw new Unsupported("diagonal recurrent weights");
  const x = node.input(0);
  if (x.type.shape.length !== 3) throw new FormatError(`${b.origin}: input of rank ${x.type.shape.length}`);
  const [output, cell] = [stateAt(node, 18), stateAt(node, 19)];
  const weights = lstmOf(node, o);
  const run = x.type.dtype === "i8" ? integerLstm : floatLstm;
  const start = { output: output.value, cell: cell.value };
  const made =
    run === floatLstm
      ? floatLstm(b, timeFirst(b, x, o.timeMajor), undefined, start, weights)
      : integerLstm(node, timeFirst(b, x, o.timeMajor), start, weights);
  output.set(made.output);
  cell.set(made.cell);
  return timeFirst(b, made.sequence, o.timeMajor);
};

const lstm: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.lstm);
  if (o.kernel === 1) return basicLstm(node);
  const x = node.input(0);
  const [output, cell] = [stateAt(node, 18), stateAt(node, 19)];
  const start = { output: output.value, cell: cell.value };
  const sequence = b.reshape(x, [1, ...x.type.shape]);
  const made =
    x.type.dtype === "i8"
      ? integerLstm(node, sequence, start, lstmOf(node, o))
      : floatLstm(b, sequence, undefined, start, lstmOf(node, o));
  output.set(made.output);
  cell.set(made.cell);
  return b.reshape(made.sequence, made.sequence.type.shape.slice(1));
};

/** The old form with one weight matrix. Gates: input, new input, forget, output. */
function basicLstm(node: Node): readonly Value[] {
  const { b } = node;
  const [x, before, weights, biases, cell] = [0, 1, 2, 3, 4].map((i) => node.input(i)) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  if (x.type.dtype !== "f32") throw new Unsupported("quantised, of the basic kind");
  const joined = b.concatenate([x, before], 1);
  const sums = b.add(b.matmul(joined, weights, { transposeB: true }), biases);
  const [rows, width] = sums.type.shape as [number, number];
  const gate = (i: number) => b.slice(sums, [0, (i * width) / 4], [rows, ((i + 1) * width) / 4]);
  const input = b.multiply(b.plain("logistic", gate(0)), b.plain("tanh", gate(1)));
  const next = b.add(input, b.multiply(b.plain("logistic", gate(2)), cell));
  const output = b.multiply(b.plain("logistic", gate(3)), b.plain("tanh", next));
  return [output, next, joined, sums].slice(0, node.resultCount);
}

/** 48 inputs: forwards, backwards, states of both, and an auxiliary input with weights. */
const bidirectionalLstm: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.bidirectionalLstm);
  const x = timeFirst(b, node.input(0), o.timeMajor);
  if (x.type.dtype !== "f32") throw new Unsupported(`${x.type.dtype}`);
  const auxiliary = node.has(39) ? timeFirst(b, node.input(39), o.timeMajor) : undefined;
  // Without weights of its own, the auxiliary input is the backward layer's input.
  const linked = auxiliary !== undefined && !node.has(41);
  const one = (from: number, states: number, aux: number, backwards: boolean) => {
    const weights: Lstm = {
      input: list(node, from, 4),
      recurrent: list(node, from + 4, 4),
      peepholes: list(node, from + 8, 3),
      biases: list(node, from + 11, 4),
      projection: weightAt(node, from + 15),
      projectionBias: weightAt(node, from + 16),
      auxiliary: list(node, aux, 4),
      norms: [],
      ...o,
    };
    const [output, cell] = [stateAt(node, states), stateAt(node, states + 1)];
    const start = { output: output.value, cell: cell.value };
    const input = linked && backwards ? auxiliary : x;
    const made = floatLstm(b, input, linked ? undefined : auxiliary, start, weights, backwards);
    output.set(made.output);
    cell.set(made.cell);
    return made.sequence;
  };
  const forwards = one(1, 35, 40, false);
  const backwards = one(18, 37, 44, true);
  if (o.merge) return timeFirst(b, b.concatenate([forwards, backwards], 2), o.timeMajor);
  return [timeFirst(b, forwards, o.timeMajor), timeFirst(b, backwards, o.timeMajor)];
};

/** activation(x W + h R + bias). */
function rnn(
  node: Node,
  x: Value,
  at: {
    weights: number;
    recurrent: number;
    bias: number;
    state: number;
    auxiliary?: { input: Value; weights: number };
  },
  settings: { activation: number; asymmetric: boolean },
  backwards = false,
): Value {
  const { b } = node;
  const state = stateAt(node, at.state);
  let fromInput = products(b, x, [weightAt(node, at.weights)!], settings.asymmetric);
  if (at.auxiliary) {
    const { input, weights } = at.auxiliary;
    fromInput = b.add(fromInput, products(b, input, [weightAt(node, weights)!], settings.asymmetric));
  }
  fromInput = b.add(fromInput, node.input(at.bias));
  const recurrent = weightAt(node, at.recurrent)!;
  const { output, states } = overTime(
    b,
    [fromInput],
    [state.value],
    (inner, [row], [hidden]) => {
      const sums = inner.add(row!, products(inner, hidden!, [recurrent], settings.asymmetric));
      const next = activate(inner, sums, settings.activation);
      return { output: next, states: [next] };
    },
    backwards,
  );
  state.set(states[0]!);
  return output;
}

const single = { weights: 1, recurrent: 2, bias: 3, state: 4 };
const rnnStep: Lower = (node) => {
  const { b } = node;
  const x = node.input(0);
  const made = rnn(node, b.reshape(x, [1, ...x.type.shape]), single, node.options(options.rnn));
  return b.reshape(made, made.type.shape.slice(1));
};
const sequenceRnn: Lower = (node) => {
  const o = node.options(options.sequenceRnn);
  return timeFirst(node.b, rnn(node, timeFirst(node.b, node.input(0), o.timeMajor), single, o), o.timeMajor);
};
const bidirectionalRnn: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.bidirectionalRnn);
  const x = timeFirst(b, node.input(0), o.timeMajor);
  const auxiliary = node.has(9) ? timeFirst(b, node.input(9), o.timeMajor) : undefined;
  const linked = auxiliary !== undefined && !node.has(10);
  const extra = (weights: number) => (auxiliary && !linked ? { auxiliary: { input: auxiliary, weights } } : {});
  const forwards = rnn(node, x, { ...single, ...extra(10) }, o);
  const second = { weights: 5, recurrent: 6, bias: 7, state: 8, ...extra(11) };
  const backwards = rnn(node, linked ? auxiliary : x, second, o, true);
  if (o.merge) return timeFirst(b, b.concatenate([forwards, backwards], 2), o.timeMajor);
  return [timeFirst(b, forwards, o.timeMajor), timeFirst(b, backwards, o.timeMajor)];
};

/**
 * A filter of features over the last steps: the state [batch, filters, memory] moves by one, the newest last. Kernels
 * leave the state moved, its last place stale; what is there is overwritten before it is read.
 */
const svdf: Lower = (node) => {
  const { b } = node;
  const o = node.options(options.svdf);
  const x = node.input(0);
  const [features, time] = [weightAt(node, 1)!, weightAt(node, 2)!];
  const state = stateAt(node, 4);
  const [filters, memory] = time.value.type.shape as [number, number];
  const [batch] = x.type.shape as [number];
  if (o.rank < 1 || filters % o.rank !== 0) throw new FormatError(`${b.origin}: rank ${o.rank} of ${filters} filters`);
  const units = filters / o.rank;
  const past = b.reshape(state.value, [batch, filters, memory]);
  const { dtype } = past.type;
  let newest: Value;
  if (x.type.dtype === "f32") newest = products(b, x, [features], o.asymmetric);
  else {
    const [p, q, s] = [affineOf(node.info(0)), affineOf(features.info), affineOf(node.info(4))];
    const sums = b.op("dotGeneral", [x, features.value], {
      lhsBatching: [],
      rhsBatching: [],
      lhsContracting: [1],
      rhsContracting: [1],
      dtype: "i32",
      zeroPoints: [p.zero, 0],
    });
    newest = scaleBy(b, sums, Math.fround(Math.fround(p.scale * q.scale) / s.scale), {
      dtype,
      zero: dtype === "i8" ? s.zero : 0,
      range: limits(dtype),
    });
  }
  const kept = b.slice(past, [0, 0, 0], [batch, filters, memory - 1]);
  const filled = b.concatenate([kept, b.reshape(newest, [batch, filters, 1])], 2);
  // The state for the next run: moved by one, zero in the last place.
  const moved = b.slice(filled, [0, 0, 1], [batch, filters, memory]);
  const empty = b.full(dtype, [batch, filters, 1], dtype === "i8" ? affineOf(node.info(4)).zero : 0);
  state.set(b.reshape(b.concatenate([moved, empty], 2), [batch, filters * memory]));
  const bias = node.optional(3);
  if (x.type.dtype === "f32") {
    const weighted = b.reduce("add", b.multiply(filled, asFloat(b, time)), [2]);
    const sums = b.reduce("add", b.reshape(weighted, [batch, units, o.rank]), [2]);
    return activate(b, bias ? b.add(sums, bias) : sums, o.activation);
  }
  const zero = dtype === "i8" ? affineOf(node.info(4)).zero : 0;
  const steps = b.convert(filled, "i32");
  const centred = zero === 0 ? steps : b.with("subtract", steps, zero);
  const weighted = b.reduce("add", b.multiply(centred, b.convert(time.value, "i32")), [2]);
  const sums = b.reduce("add", b.reshape(weighted, [batch, units, o.rank]), [2]);
  const [s, t, r] = [affineOf(node.info(4)), affineOf(time.info), affineOf(node.result())];
  const factor = Math.fround(Math.fround(s.scale * t.scale) / r.scale);
  return scaleBy(b, bias ? b.add(sums, bias) : sums, factor, { dtype: node.dtype(), zero: r.zero });
};

export const recurrent: Readonly<Record<string, Lower>> = {
  UNIDIRECTIONAL_SEQUENCE_LSTM: sequenceLstm,
  BIDIRECTIONAL_SEQUENCE_LSTM: bidirectionalLstm,
  LSTM: lstm,
  RNN: rnnStep,
  UNIDIRECTIONAL_SEQUENCE_RNN: sequenceRnn,
  BIDIRECTIONAL_SEQUENCE_RNN: bidirectionalRnn,
  SVDF: svdf,
};
