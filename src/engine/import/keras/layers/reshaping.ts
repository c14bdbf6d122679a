// Keras's layers that move elements: reshape, permute, crop, pad, repeat, enlarge.

import { elementCount } from "../../../hlo/tensor.ts";
import type { Value } from "../../../hlo/graph.ts";
import { isList } from "../config.ts";
import type { Call, Row } from "../layer.ts";
import { resize } from "../resize.ts";
import { channelsFirst, spatially } from "./spatial.ts";

/** A shape in which one extent of -1 (or null) is what is left. */
export function completeShape(call: Call, wanted: readonly number[], count: number): number[] {
  const unknown = wanted.filter((extent) => extent < 0).length;
  const known = wanted.reduce((product, extent) => (extent < 0 ? product : product * extent), 1);
  if (unknown > 1 || (unknown === 1 && (known === 0 || count % known !== 0))) {
    throw call.fail(`${count} elements do not fit [${wanted}]`);
  }
  return wanted.map((extent) => (extent < 0 ? count / known : extent));
}

const Flatten: Row = {
  call: (call, inputs) => {
    const { b, config } = call;
    const given = call.one(inputs);
    const rank = given.type.shape.length;
    // Channels that come first go last, so that the weights after it fit both layouts.
    const moves = channelsFirst(config) && rank > 2;
    const x = moves ? b.transpose(given, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]) : given;
    const [batch = 1, ...rest] = x.type.shape;
    return b.reshape(x, [batch, elementCount(rest)]);
  },
};

const Reshape: Row = {
  call: (call, inputs) => {
    const x = call.one(inputs);
    const [batch = 1, ...rest] = x.type.shape;
    const target = call.config.list("target_shape").map((extent) => (extent === null ? -1 : Number(extent)));
    return call.b.reshape(x, [batch, ...completeShape(call, target, elementCount(rest))]);
  },
};

const Permute: Row = {
  call: (call, inputs) => {
    const x = call.one(inputs);
    const dims = call.config.integers("dims");
    if (dims.toSorted((a, b) => a - b).some((dim, i) => dim !== i + 1) || dims.length + 1 !== x.type.shape.length) {
      throw call.fail(`permutes [${dims}] of rank ${x.type.shape.length}`);
    }
    return call.b.transpose(x, [0, ...dims]);
  },
};

const RepeatVector: Row = {
  call: (call, inputs) => {
    const x = call.one(inputs);
    const [batch = 1, features = 1] = x.type.shape;
    const count = call.config.integer("n");
    return call.b.op("broadcastInDim", [x], { shape: [batch, count, features], dimensions: [0, 2] });
  },
};

/** Pairs for each spatial dimension: a number, one a dimension, or one a side. */
function sides(call: Call, key: string, rank: number, otherwise: number): [number, number][] {
  const value = call.config.get(key) ?? otherwise;
  const list = isList(value) ? value : Array.from({ length: rank }, () => value);
  const perSide = rank === 1 && list.length === 2 && list.every((each) => typeof each === "number");
  const pairs = (perSide ? [list] : list).map((each) => (isList(each) ? each : [each, each]));
  if (pairs.length !== rank || pairs.some((pair) => pair.length !== 2 || !pair.every((n) => Number.isSafeInteger(n)))) {
    throw call.fail(`${key} is ${JSON.stringify(value)}`);
  }
  return pairs as [number, number][];
}

/** Pads (or crops, with negative numbers) the spatial dimensions, channels last. */
function padSides(call: Call, x: Value, pairs: readonly (readonly [number, number])[]): Value {
  const none = [0, 0] as const;
  const all = [none, ...pairs, none];
  if (x.type.shape.length !== all.length) throw call.fail(`input has rank ${x.type.shape.length}`);
  return call.b.pad(
    x,
    all.map(([low]) => low),
    all.map(([, high]) => high),
  );
}

const padding = (rank: number): Row => ({
  call: (call, inputs) => spatially(call, call.one(inputs), (x) => padSides(call, x, sides(call, "padding", rank, 1))),
});
const cropping = (rank: number): Row => ({
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (x) =>
      padSides(
        call,
        x,
        sides(call, "cropping", rank, 0).map(([low, high], i) => {
          if (low < 0 || high < 0 || low + high > x.type.shape[i + 1]!) throw call.fail("crops more than there is");
          return [-low, -high] as const;
        }),
      ),
    ),
});

/** Repeats each element along a dimension. */
export function repeat(call: Call, x: Value, axis: number, count: number): Value {
  if (count === 1) return x;
  const { shape } = x.type;
  const wide = [...shape.slice(0, axis + 1), count, ...shape.slice(axis + 1)];
  const stretched = call.b.op("broadcastInDim", [x], {
    shape: wide,
    dimensions: shape.map((_, i) => (i <= axis ? i : i + 1)),
  });
  return call.b.reshape(
    stretched,
    shape.map((extent, i) => (i === axis ? extent * count : extent)),
  );
}

const upSampling = (rank: number): Row => ({
  call: (call, inputs) =>
    spatially(call, call.one(inputs), (given) => {
      const { config } = call;
      const size = config.sizes("size", rank, 2);
      const method = config.text("interpolation", "nearest");
      if (rank === 2 && method !== "nearest") {
        return resize(call, given, [given.type.shape[1]! * size[0]!, given.type.shape[2]! * size[1]!], { method });
      }
      let x = given;
      for (const [i, count] of size.entries()) x = repeat(call, x, i + 1, count);
      return x;
    }),
});

export const reshapingLayers: Readonly<Record<string, Row>> = {
  Flatten,
  Reshape,
  Permute,
  RepeatVector,
  ZeroPadding1D: padding(1),
  ZeroPadding2D: padding(2),
  ZeroPadding3D: padding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
};
