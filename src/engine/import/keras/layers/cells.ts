// Recurrent cells of Keras: what is computed for all steps at once, and what each step does.

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { activate } from "../activation.ts";
import type { Config } from "../config.ts";
import { Call, type Layer, type Row } from "../layer.ts";
import { convolve } from "./convolution.ts";
import { refuseActivation, withBias } from "./core.ts";
import { channelsFirst, channelsLast, backFirst, paddingMode } from "./spatial.ts";

export interface Step {
  readonly output: Value;
  readonly states: readonly Value[];
}

/** A cell whose weights are written: `before` does what needs no state, for one step or for all ([time, batch, …]). */
export interface Cell {
  /** The shapes of the states for an input of one step. */
  stateShapes(step: readonly number[]): readonly (readonly number[])[];
  before(b: Builder, x: Value): Value;
  step(b: Builder, x: Value, states: readonly Value[]): Step;
}

/** Equal parts along the last dimension. */
function parts(b: Builder, x: Value, count: number): Value[] {
  const { shape } = x.type;
  const last = shape.length - 1;
  const size = shape[last]! / count;
  return Array.from({ length: count }, (_, i) =>
    b.slice(
      x,
      shape.map((_n, axis) => (axis === last ? i * size : 0)),
      shape.map((n, axis) => (axis === last ? (i + 1) * size : n)),
    ),
  );
}

const functionOf = (call: Call, key: string) => (b: Builder, x: Value) =>
  activate(b, x, call.config.get(key), call.config, call.layer.keras);

/** The names that all cells give their activations; TensorFlow.js leaves defaults out. */
function functions(call: Call) {
  return { activation: functionOf(call, "activation"), gate: functionOf(call, "recurrent_activation") };
}

function simple(call: Call): Cell {
  const { activation } = functions(call);
  const [kernel, recurrent, bias] = [call.weight("kernel"), call.weight("recurrent_kernel"), call.optional("bias")];
  const units = recurrent.type.shape[0]!;
  return {
    stateShapes: ([batch = 1]) => [[batch, units]],
    before: (b, x) => (bias ? b.add(b.matmul(x, kernel), bias) : b.matmul(x, kernel)),
    step(b, x, [h]) {
      const output = activation(b, b.add(x, b.matmul(h!, recurrent)));
      return { output, states: [output] };
    },
  };
}

function lstm(call: Call): Cell {
  const { activation, gate } = functions(call);
  const [kernel, recurrent, bias] = [call.weight("kernel"), call.weight("recurrent_kernel"), call.optional("bias")];
  const units = recurrent.type.shape[0]!;
  return {
    stateShapes: ([batch = 1]) => [
      [batch, units],
      [batch, units],
    ],
    before: (b, x) => (bias ? b.add(b.matmul(x, kernel), bias) : b.matmul(x, kernel)),
    step(b, x, [h, c]) {
      const [i, f, candidate, o] = parts(b, b.add(x, b.matmul(h!, recurrent)), 4);
      const next = b.add(b.multiply(gate(b, f!), c!), b.multiply(gate(b, i!), activation(b, candidate!)));
      const output = b.multiply(gate(b, o!), activation(b, next));
      return { output, states: [output, next] };
    },
  };
}

function gru(call: Call): Cell {
  const { activation, gate } = functions(call);
  const [kernel, recurrent, both] = [call.weight("kernel"), call.weight("recurrent_kernel"), call.optional("bias")];
  const units = recurrent.type.shape[0]!;
  const after = call.config.flag("reset_after", false);
  const split = after && both;
  const half = (i: number) => split && call.b.reshape(call.b.slice(split, [i, 0], [i + 1, 3 * units]), [3 * units]);
  const [bias, recurrentBias] = split ? [half(0), half(1)] : [both, undefined];
  const recurrentGates = after ? recurrent : call.b.slice(recurrent, [0, 0], [units, 2 * units]);
  const recurrentCandidate = after ? undefined : call.b.slice(recurrent, [0, 2 * units], [units, 3 * units]);
  return {
    stateShapes: ([batch = 1]) => [[batch, units]],
    before: (b, x) => (bias ? b.add(b.matmul(x, kernel), bias) : b.matmul(x, kernel)),
    step(b, x, [h]) {
      const [xz, xr, xh] = parts(b, x, 3);
      const product = b.matmul(h!, recurrentGates);
      const inner = parts(b, recurrentBias ? b.add(product, recurrentBias) : product, after ? 3 : 2);
      const z = gate(b, b.add(xz!, inner[0]!));
      const r = gate(b, b.add(xr!, inner[1]!));
      const past = recurrentCandidate ? b.matmul(b.multiply(r, h!), recurrentCandidate) : b.multiply(r, inner[2]!);
      const candidate = activation(b, b.add(xh!, past));
      const rest = b.subtract(b.scalar(z.type.dtype, 1), z);
      const output = b.add(b.multiply(z, h!), b.multiply(rest, candidate));
      return { output, states: [output] };
    },
  };
}

/** An LSTM whose products are convolutions. */
function convolutionalLstm(call: Call): Cell {
  const { config } = call;
  const { activation, gate } = functions(call);
  const [kernel, recurrent, bias] = [call.weight("kernel"), call.weight("recurrent_kernel"), call.optional("bias")];
  const rank = kernel.type.shape.length - 2;
  const filters = recurrent.type.shape[rank]!;
  const [strides, dilations] = [config.sizes("strides", rank, 1), config.sizes("dilation_rate", rank, 1)];
  const ones = strides.map(() => 1);
  const mode = paddingMode(call);
  const first = channelsFirst(config);
  // Inside, channels are last.
  const project = (b: Builder, x: Value): Value => {
    const inner = new Call({ ...call.run, b }, call.layer);
    const { shape } = x.type;
    const lead = shape.slice(0, shape.length - rank - 1);
    const flat = b.reshape(x, [lead.reduce((product, n) => product * n, 1), ...shape.slice(lead.length)]);
    const product = convolve(inner, first ? channelsLast(inner, flat) : flat, kernel, { strides, dilations, mode });
    const sum = bias ? b.add(product, bias) : product;
    return b.reshape(sum, [...lead, ...sum.type.shape.slice(1)]);
  };
  const extents = (step: readonly number[]) => {
    const spatial = first ? step.slice(2) : step.slice(1, -1);
    return spatial.map((extent, i) => {
      const reach = (kernel.type.shape[i]! - 1) * dilations[i]! + 1;
      return mode === "same" ? Math.ceil(extent / strides[i]!) : Math.floor((extent - reach) / strides[i]!) + 1;
    });
  };
  const outward = (inner: Call, x: Value) => (first ? backFirst(inner, x) : x);
  return {
    stateShapes: (step) => {
      const [batch = 1] = step;
      const shape = first ? [batch, filters, ...extents(step)] : [batch, ...extents(step), filters];
      return [shape, shape];
    },
    before: project,
    step(b, x, [h, c]) {
      const inner = new Call({ ...call.run, b }, call.layer);
      const inward = (state: Value) => (first ? channelsLast(inner, state) : state);
      const past = convolve(inner, inward(h!), recurrent, { strides: ones, dilations: ones, mode: "same" });
      const [i, f, candidate, o] = parts(b, b.add(x, past), 4);
      const next = b.add(b.multiply(gate(b, f!), inward(c!)), b.multiply(gate(b, i!), activation(b, candidate!)));
      const output = outward(inner, b.multiply(gate(b, o!), activation(b, next)));
      return { output, states: [output, outward(inner, next)] };
    },
  };
}

/** Cells one above the other. */
function stacked(call: Call): Cell {
  const cells = call.layer.children.map(({ layer }) => cellOf(call, layer));
  const counts = cells.map((cell) => cell.stateShapes([1, 1, 1, 1, 1]).length);
  return {
    stateShapes: (step) => cells.flatMap((cell) => cell.stateShapes(step)),
    before: (b, x) => cells[0]!.before(b, x),
    step(b, x, states) {
      const next: Value[] = [];
      let [output, at] = [x, 0];
      for (const [i, cell] of cells.entries()) {
        const given = i === 0 ? output : cell.before(b, output);
        const step = cell.step(b, given, states.slice(at, at + counts[i]!));
        at += counts[i]!;
        output = step.output;
        next.push(...step.states);
      }
      return { output, states: next };
    },
  };
}

const builders: Readonly<Record<string, (call: Call) => Cell>> = {
  SimpleRNNCell: simple,
  LSTMCell: lstm,
  GRUCell: gru,
  ConvLSTMCell: convolutionalLstm,
  StackedRNNCells: stacked,
};

/** A cell layer ready to step. */
export function cellOf(call: Call, layer: Layer): Cell {
  const build = builders[layer.className];
  if (!build) throw call.unsupported(`cell of class ${layer.className}`);
  return build(new Call(call.run, layer));
}

const cell = (...activations: string[]): Row => ({
  variables: withBias("kernel", "recurrent_kernel"),
  refuse: (config: Config) => refuseActivation(config, ...activations),
  note: "inside recurrent layers",
  call: (call) => {
    throw call.unsupported("is called outside of a recurrent layer");
  },
});

export const cellLayers: Readonly<Record<string, Row>> = {
  SimpleRNNCell: cell("activation"),
  LSTMCell: cell("activation", "recurrent_activation"),
  GRUCell: cell("activation", "recurrent_activation"),
  ConvLSTMCell: cell("activation", "recurrent_activation"),
  StackedRNNCells: {
    children: (config, make) => {
      const used = new Map<string, number>();
      return config.list("cells").map((json, i) => {
        const layer = make(json, `cell ${i}`);
        const snake = layer.className.replace(/Cell$/, "_cell").replace("SimpleRNN", "simple_rnn").toLowerCase();
        const count = used.get(snake) ?? 0;
        used.set(snake, count + 1);
        return { attribute: `cells/${count === 0 ? snake : `${snake}_${count}`}`, layer };
      });
    },
    note: "inside recurrent layers",
    call: (call) => {
      throw call.unsupported("is called outside of a recurrent layer");
    },
  },
};
