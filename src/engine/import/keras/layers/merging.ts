// Keras's layers that join several tensors.

import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import { axisOf } from "../config.ts";
import type { Call, Item, Row } from "../layer.ts";

/** All inputs with as many dimensions: those with fewer get ones after the batch. */
function level(call: Call, inputs: Item): Value[] {
  const list = call.many(inputs);
  const rank = Math.max(...list.map(({ type }) => type.shape.length));
  return list.map((x) => {
    const [batch, ...rest] = x.type.shape;
    if (batch === undefined) return x;
    return call.b.reshape(x, [batch, ...Array.from({ length: rank - 1 - rest.length }, () => 1), ...rest]);
  });
}

/** The mask of a joined tensor: only when every input has one; Keras 3 takes any of them, Keras 2 all. */
function joinedMask(call: Call, inputs: Item): Value | undefined {
  const masks = call.many(inputs).map((x) => call.maskOf(x));
  if (masks.some((mask) => mask === undefined)) return undefined;
  return (masks as Value[]).reduce((left, right) =>
    left === right ? left : call.b.binary(call.layer.keras === 2 ? "and" : "or", left, right),
  );
}

const merging = (join: (b: Builder, list: readonly Value[]) => Value): Row => ({
  mask: "own",
  call: (call, inputs) => call.setMask(join(call.b, level(call, inputs)), joinedMask(call, inputs)),
});
const folded = (name: "add" | "multiply" | "maximum" | "minimum") =>
  merging((b, list) => list.reduce((left, right) => b.binary(name, left, right)));

const Concatenate: Row = {
  mask: "own",
  call: (call, inputs) => {
    const { b, config } = call;
    const list = call.many(inputs);
    const axis = axisOf(config.integer("axis", -1), list[0]?.type.shape.length ?? 0, config.what);
    const result = b.concatenate(list, axis);
    const masks = list.map((x) => call.maskOf(x));
    if (masks.every((mask) => mask === undefined)) return result;
    const wide = masks.map((mask, i) => {
      const { shape } = list[i]!.type;
      if (!mask) return b.full("i1", shape, 1);
      const padded = [...mask.type.shape, ...Array.from({ length: shape.length - mask.type.shape.length }, () => 1)];
      return b.broadcast(b.reshape(mask, padded), shape);
    });
    const joined = b.concatenate(wide, axis);
    const last = joined.type.shape.length - 1;
    return call.setMask(result, b.reduce(call.layer.keras === 2 ? "and" : "or", joined, [last]));
  },
};

const Dot: Row = {
  call: (call, inputs) => {
    const { b, config } = call;
    const [x, y] = call.many(inputs) as [Value, Value];
    if (!x || !y) throw call.fail("needs two inputs");
    const given = config.integers("axes");
    const ranks = [x.type.shape.length, y.type.shape.length] as const;
    const left = axisOf(given[0]!, ranks[0], config.what);
    const right = axisOf(given.at(-1)!, ranks[1], config.what);
    const normal = (value: Value, axis: number) => {
      if (!config.flag("normalize", false)) return value;
      const power = b.reduce("add", b.multiply(value, value), [axis], { keep: true });
      return b.multiply(value, b.plain("rsqrt", b.with("maximum", power, 1e-12)));
    };
    const product = b.op("dotGeneral", [normal(x, left), normal(y, right)], {
      lhsBatching: [0],
      rhsBatching: [0],
      lhsContracting: [left],
      rhsContracting: [right],
    });
    return product.type.shape.length === 1 ? b.reshape(product, [...product.type.shape, 1]) : product;
  },
};

const Subtract = merging((b, list) => {
  const [x, y] = list as [Value, Value];
  return b.subtract(x, y);
});

export const mergingLayers: Readonly<Record<string, Row>> = {
  Add: folded("add"),
  Multiply: folded("multiply"),
  Maximum: folded("maximum"),
  Minimum: folded("minimum"),
  Average: merging((b, list) =>
    b.with(
      "divide",
      list.reduce((left, right) => b.add(left, right)),
      list.length,
    ),
  ),
  Subtract,
  Concatenate,
  Dot,
};
