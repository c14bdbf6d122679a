// Keras's recurrent layers: the scan over time, both directions, a layer at every step.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { zeros } from "../../../hlo/tensor.ts";
import { type Config, type JsonObject, isObject } from "../config.ts";
import { type Call, isValue, type Item, type Make, mapValues, type Row } from "../layer.ts";
import { type Cell, cellOf } from "./cells.ts";

/** Sequences up to this length are written step by step, longer ones as a loop. */
const unrolled = 16;

interface Scan {
  readonly cell: Cell;
  /** [batch, time, …]. */
  readonly x: Value;
  readonly states: readonly Value[];
  readonly backwards: boolean;
  /** [batch, time]: which steps count. */
  readonly mask: Value | undefined;
  /** Steps that do not count give zeros instead of the output before. */
  readonly zero: boolean;
  readonly sequences: boolean;
}

interface Scanned {
  /** [batch, time, …] in the order of the steps, or the last output. */
  readonly output: Value;
  readonly states: readonly Value[];
}

/** Batch and time change places. */
function swapped(b: Builder, x: Value): Value {
  const { shape } = x.type;
  const [first = 1, second = 1, ...rest] = shape;
  if (first === 1 || second === 1) return b.reshape(x, [second, first, ...rest]);
  return b.transpose(x, [1, 0, ...rest.map((_, i) => i + 2)]);
}

/** What of a step's mask, spread over a value. */
const spread = (b: Builder, mask: Value, like: Value) =>
  b.op("broadcastInDim", [mask], { shape: like.type.shape, dimensions: [0] });

/** One step, with its mask: [output, states]. `before` is the output of the step before. */
function masked(
  b: Builder,
  { cell, zero }: Scan,
  {
    x,
    states,
    mask,
    before,
  }: { x: Value; states: readonly Value[]; mask: Value | undefined; before: Value | undefined },
) {
  const step = cell.step(b, x, states);
  if (!mask) return step;
  const other = !zero && before ? before : b.full(step.output.type.dtype, step.output.type.shape, 0);
  return {
    output: b.select(spread(b, mask, step.output), step.output, other),
    states: step.states.map((state, i) => b.select(spread(b, mask, state), state, states[i]!)),
  };
}

/** Runs a cell over time. */
function scan(b: Builder, options: Scan): Scanned {
  const { cell } = options;
  const time = options.x.type.shape[1] ?? 0;
  if (time === 0) throw new FormatError("recurrent layer: no time steps");
  const all = cell.before(b, swapped(b, options.x));
  const masks = options.mask && swapped(b, options.mask);
  return time <= unrolled ? unroll(b, options, { time, all, masks }) : loop(b, options, { time, all, masks });
}

function unroll(
  b: Builder,
  options: Scan,
  { time, all, masks }: { time: number; all: Value; masks: Value | undefined },
): Scanned {
  const pick = (x: Value, t: number) => {
    const { shape } = x.type;
    const part = b.slice(x, [t, ...shape.slice(1).map(() => 0)], [t + 1, ...shape.slice(1)]);
    return b.reshape(part, shape.slice(1));
  };
  let states = options.states;
  let before: Value | undefined;
  const outputs: Value[] = [];
  for (let i = 0; i < time; i++) {
    const t = options.backwards ? time - 1 - i : i;
    const step = masked(b, options, { x: pick(all, t), states, mask: masks && pick(masks, t), before });
    states = step.states;
    before = step.output;
    outputs.push(step.output);
  }
  if (!options.sequences) return { output: before!, states };
  const rows = outputs.map((output) => {
    const [batch = 1, ...rest] = output.type.shape;
    return b.reshape(output, [batch, 1, ...rest]);
  });
  return { output: b.concatenate(rows, 1), states };
}

function loop(
  b: Builder,
  options: Scan,
  { time, all, masks }: { time: number; all: Value; masks: Value | undefined },
): Scanned {
  const { cell, states, backwards, sequences } = options;
  const batch = all.type.shape[1] ?? 1;
  const step = [batch, ...options.x.type.shape.slice(2)];
  // The output is the first state of every cell but those that are stacked, where it is that of the last.
  const shapes = cell.stateShapes(step);
  const probe = b.region([], (inner) => [
    cell.step(
      inner,
      inner.full(all.type.dtype, all.type.shape.slice(1), 0),
      shapes.map((shape) => inner.full(all.type.dtype, shape, 0)),
    ).output,
  ]);
  const outputType = probe.results[0]!.type;
  const accumulated = sequences ? [time, ...outputType.shape] : outputType.shape;
  const keeps = masks !== undefined && !options.zero && sequences;
  const start = [
    b.scalar("i32", 0),
    b.full(outputType.dtype, accumulated, 0),
    ...(keeps ? [b.full(outputType.dtype, outputType.shape, 0)] : []),
    ...states,
  ];
  const types = start.map(({ type }) => type);
  const condition = b.region(types, (inner, i) => [inner.compare("LT", i!, inner.scalar("i32", time))]);
  const body = b.region(types, (inner, i, sums, ...rest) => {
    const before = keeps ? rest[0] : sequences ? undefined : sums;
    const old = keeps ? rest.slice(1) : rest;
    const t = backwards ? inner.subtract(inner.scalar("i32", time - 1), i!) : i!;
    const pick = (x: Value) => {
      const { shape } = x.type;
      const at = [t, ...shape.slice(1).map(() => inner.scalar("i32", 0))];
      return inner.reshape(inner.op("dynamicSlice", [x, ...at], { sizes: [1, ...shape.slice(1)] }), shape.slice(1));
    };
    const made = masked(inner, options, { x: pick(all), states: old, mask: masks && pick(masks), before });
    const put = () => {
      const row = inner.reshape(made.output, [1, ...outputType.shape]);
      return inner.plain("dynamicUpdateSlice", sums!, row, i!, ...outputType.shape.map(() => inner.scalar("i32", 0)));
    };
    return [inner.with("add", i!, 1), sequences ? put() : made.output, ...(keeps ? [made.output] : []), ...made.states];
  });
  const [, output, ...rest] = b.all("while", start, {}, [condition, body]);
  return { output: sequences ? swapped(b, output!) : output!, states: keeps ? rest.slice(1) : rest };
}

/** The sequence and the first states of a call: states may come in a list with the sequence. */
function sequenceOf(call: Call, inputs: Item, kwargs: { readonly [key: string]: Item }): { x: Value; given: Value[] } {
  const list = Array.isArray(inputs) ? (inputs as readonly Item[]) : [inputs];
  const x = call.one(list[0]);
  const initial = kwargs["initial_state"];
  const extra = initial === undefined || initial === null ? list.slice(1) : [initial];
  return { x, given: extra.flatMap((item) => flatValues(item)) };
}
function flatValues(item: Item): Value[] {
  if (isValue(item)) return [item];
  return Array.isArray(item) ? (item as readonly Item[]).flatMap(flatValues) : [];
}

function recurrent(call: Call, inputs: Item, kwargs: { readonly [key: string]: Item }): Item {
  const { b, config } = call;
  const { x: given, given: initial } = sequenceOf(call, inputs, kwargs);
  const timeMajor = config.flag("time_major", false);
  const x = timeMajor ? swapped(b, given) : given;
  if (x.type.shape.length < 3) throw call.fail(`input has rank ${x.type.shape.length}`);
  const cell = cellOf(call, call.child("cell"));
  const [batch = 1, , ...rest] = x.type.shape;
  const shapes = cell.stateShapes([batch, ...rest]);
  const stateful = config.flag("stateful", false);
  const kept = stateful
    ? shapes.map((shape) => call.run.state(`${call.layer.name}/state`, zeros(call.dtype, shape)))
    : undefined;
  const states = shapes.map((shape, i) => initial[i] ?? kept?.[i]?.value ?? b.full(call.dtype, shape, 0));
  const sequences = config.flag("return_sequences", false);
  const explicit = kwargs["mask"];
  const mask = isValue(explicit) ? explicit : call.maskOf(given);
  const result = scan(b, {
    cell,
    x: b.convert(x, call.dtype),
    states: states.map((state) => call.cast(state)),
    backwards: config.flag("go_backwards", false),
    mask: mask && (timeMajor ? swapped(b, mask) : mask),
    zero: config.flag("zero_output_for_mask", false),
    sequences,
  });
  kept?.forEach((state, i) => state.set(result.states[i]!));
  const output = timeMajor && sequences ? swapped(b, result.output) : result.output;
  if (sequences) call.setMask(output, mask);
  return config.flag("return_state", false) ? [output, ...result.states] : output;
}

/** A layer that is its cell and a scan: LSTM is LSTMCell, and so on. */
const layerOf = (className: string): Row => ({
  children: (config, make) => [
    { attribute: "cell", layer: make({ class_name: className, config: config.json }, "cell") },
  ],
  mask: "own",
  call: recurrent,
});

const RNN: Row = {
  children: (config, make) => {
    const cell = config.get("cell");
    // Old files keep a stack as a list of cells.
    const stack = Array.isArray(cell) ? { class_name: "StackedRNNCells", config: { cells: cell } } : cell;
    return [{ attribute: "cell", layer: make(stack, "cell") }];
  },
  mask: "own",
  call: recurrent,
};

/** A layer's configuration changed in some members. */
function changed(json: JsonObject, members: JsonObject): JsonObject {
  return { ...json, config: { ...(isObject(json["config"]) ? json["config"] : {}), ...members } };
}

const Bidirectional: Row = {
  children: (config: Config, make: Make) => {
    const forward = config.object("layer");
    const inner = isObject(forward["config"]) ? forward["config"] : {};
    const sequences = inner["return_sequences"] === true;
    const name = String(inner["name"] ?? "layer").replace(/^forward_/, "");
    const zero = { zero_output_for_mask: sequences };
    const other = config.get("backward_layer");
    const backward = isObject(other)
      ? changed(other, zero)
      : changed(forward, { ...zero, go_backwards: inner["go_backwards"] !== true, name: `backward_${name}` });
    return [
      {
        attribute: "forward_layer",
        layer: make(changed(forward, { ...zero, name: `forward_${name}` }), "forward_layer"),
      },
      { attribute: "backward_layer", layer: make(backward, "backward_layer") },
    ];
  },
  mask: "own",
  call: (call, inputs, kwargs) => {
    const { b, config } = call;
    const { x, given } = sequenceOf(call, inputs, kwargs);
    const half = given.length / 2;
    const run = (attribute: string, states: readonly Value[]) => {
      const more = states.length > 0 ? { ...kwargs, initial_state: states } : kwargs;
      const result = call.invoke(call.child(attribute), x, more);
      const list = Array.isArray(result) ? (result as readonly Item[]) : [result];
      return { output: call.one(list[0]), states: list.slice(1) };
    };
    const forward = run("forward_layer", given.slice(0, half));
    const backward = run("backward_layer", given.slice(half));
    const sequences = call.child("forward_layer").config.flag("return_sequences", false);
    const mask = call.maskOf(x);
    const [y, reversed] = [forward.output, backward.output];
    const back = sequences ? b.op("reverse", [reversed], { dimensions: [1] }) : reversed;
    const mode = config.get("merge_mode") ?? null;
    const states = [...forward.states, ...backward.states];
    if (mode === null && Object.hasOwn(config.json, "merge_mode")) return [y, back, ...states];
    const output = merged(call, mode === null ? "concat" : mode, y, back);
    if (sequences) call.setMask(output, mask);
    return states.length > 0 ? [output, ...states] : output;
  },
};

function merged(call: Call, mode: unknown, y: Value, back: Value): Value {
  const { b } = call;
  switch (mode) {
    case "concat":
      return b.concatenate([y, back], y.type.shape.length - 1);
    case "sum":
      return b.add(y, back);
    case "mul":
      return b.multiply(y, back);
    case "ave":
      return b.with("multiply", b.add(y, back), 0.5);
    default:
      throw call.fail(`merge_mode is ${JSON.stringify(mode)}`);
  }
}

const TimeDistributed: Row = {
  children: (config, make) => [{ attribute: "layer", layer: make(config.get("layer"), "layer") }],
  mask: "keep",
  call: (call, inputs, kwargs) => {
    const { b } = call;
    const x = call.one(inputs);
    const [batch = 1, time = 1] = x.type.shape;
    const flat = b.reshape(x, [batch * time, ...x.type.shape.slice(2)]);
    const { mask: _, ...rest } = kwargs;
    return mapValues(call.invoke(call.child("layer"), flat, rest), (value) =>
      b.reshape(value, [batch, time, ...value.type.shape.slice(1)]),
    );
  },
};

export const recurrentLayers: Readonly<Record<string, Row>> = {
  SimpleRNN: layerOf("SimpleRNNCell"),
  LSTM: layerOf("LSTMCell"),
  GRU: layerOf("GRUCell"),
  ConvLSTM1D: layerOf("ConvLSTMCell"),
  ConvLSTM2D: layerOf("ConvLSTMCell"),
  ConvLSTM3D: layerOf("ConvLSTMCell"),
  RNN,
  Bidirectional,
  TimeDistributed,
};
