// Matrix products: dotGeneral of f32, and of small integers with constants, on strided views.

import type { DType } from "../../hlo/dtype.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { Template, TemplateRule } from "../kernel.ts";
import { type Contraction, contractionKernel } from "./contraction.ts";
import type { Source } from "./panels.ts";
import type { Stage } from "./stage.ts";
import { type Dimension, merged, type View, viewOf } from "./view.ts";
import { withWideTail } from "./wide.ts";

/** The arithmetic for operands and sums of these types. */
export function arithmeticFor(x: Value, w: Value, result: Value): "f32" | "i16" | undefined {
  const [a, b, sum] = [x.type.dtype, w.type.dtype, result.type.dtype];
  if (a === "f32" && b === "f32" && sum === "f32") return "f32";
  const small = (dtype: DType) => dtype === "i8" || dtype === "u8";
  return (small(a) || a === "i16") && small(b) && sum === "i32" ? "i16" : undefined;
}

/** What a copy of an operand is made from. */
export const stageFrom = ({ type: { dtype } }: Value): Stage["from"] =>
  dtype === "f32" || dtype === "u8" || dtype === "i16" ? dtype : "i8";

/** Offsets of a walk's elements, the last dimension fastest. */
export function offsetsOf(dimensions: readonly { readonly extent: number; readonly stride: number }[]): number[] {
  let offsets = [0];
  for (const { extent, stride } of dimensions) {
    offsets = offsets.flatMap((offset) => Array.from({ length: extent }, (_, i) => offset + i * stride));
  }
  return offsets;
}

/** Operations seen through that nobody else uses. */
export function passedBy(
  views: readonly View[],
  users: ReadonlyMap<Value, readonly Operation[]>,
  by: Operation,
): Operation[] {
  const covered = new Set<Operation>([by]);
  for (const { through } of views) {
    for (const operation of through) {
      if (users.get(operation.results[0]!)?.some((user) => !covered.has(user))) break;
      covered.add(operation);
    }
  }
  covered.delete(by);
  return [...covered].reverse();
}

export const product: TemplateRule = (operation, users): Template | undefined => {
  if (!is(operation, "dotGeneral")) return undefined;
  const [x, y] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const { lhsBatching, rhsBatching, lhsContracting, rhsContracting, zeroPoints } = operation.attributes;
  const arithmetic = arithmeticFor(x, y, result);
  if (!arithmetic || (arithmetic === "f32" && zeroPoints)) return undefined;
  if (x.type.dtype === "i16" && zeroPoints?.[0]) return undefined;
  if ([...x.type.shape, ...y.type.shape].includes(0)) return undefined;
  const free = (value: Value, used: readonly number[]) =>
    value.type.shape.map((_, i) => i).filter((i) => !used.includes(i));
  const xFree = free(x, [...lhsBatching, ...lhsContracting]);
  const yFree = free(y, [...rhsBatching, ...rhsContracting]);
  const columns = yFree.reduce((count, i) => count * y.type.shape[i]!, 1);
  const [a, b] = [viewOf(x), viewOf(y)];
  const constant = b.base.producer?.op === "constant";

  // Sums: one dimension on A's side; for a strided B on B's side too.
  const contracted = lhsContracting.map((axis, i) => ({
    extent: x.type.shape[axis]!,
    strides: [a.strides[axis]!, b.strides[rhsContracting[i]!]!],
  }));
  const depth = merged(
    constant ? contracted.map(({ extent, strides }) => ({ extent, strides: [strides[0]!] })) : contracted,
  );
  if (depth.length > 1) return undefined;
  const across = merged(yFree.map((axis) => ({ extent: y.type.shape[axis]!, strides: [b.strides[axis]!] })));
  if (!constant && across.length > 1) return undefined;
  if (arithmetic === "i16" && (!constant || (depth[0]?.strides[0] ?? 1) !== 1)) return undefined;
  const { extent, strides } = depth[0] ?? { extent: 1, strides: [1, 1] };

  // Rows: the free dimensions of A, the innermost in `inner`, the rest as batches that share B.
  let row = 1;
  const rows: Dimension[] = xFree.toReversed().map((axis) => {
    const dimension = { extent: x.type.shape[axis]!, strides: [a.strides[axis]!, 0, row] };
    row *= dimension.extent;
    return dimension;
  });
  const shared = merged(rows.reverse());
  const inner = shared.pop() ?? { extent: 1, strides: [0, 0, 1] };
  let step = row;
  let batchIndex = 1;
  const batching: Dimension[] = lhsBatching
    .map((axis, i) => ({ axis, other: rhsBatching[i]! }))
    .reverse()
    .map(({ axis, other }) => {
      const dimension = {
        extent: x.type.shape[axis]!,
        strides: [a.strides[axis]!, constant ? batchIndex : b.strides[other]!, step],
      };
      step *= dimension.extent;
      batchIndex *= dimension.extent;
      return dimension;
    })
    .reverse();
  const batches = [...merged(batching), ...shared].map((dimension) => ({
    extent: dimension.extent,
    a: dimension.strides[0]!,
    b: dimension.strides[1]!,
    row: dimension.strides[2]!,
    column: 0,
  }));
  const walk = (axes: readonly number[]) =>
    axes.map((axis) => ({ extent: y.type.shape[axis]!, stride: b.strides[axis]! }));
  const source: Source = constant
    ? {
        kind: "constant",
        value: b.base,
        key: JSON.stringify([b.offset, walk(rhsBatching), walk(rhsContracting), walk(yFree)]),
        batches: offsetsOf(walk(rhsBatching)).map((offset) => offset + b.offset),
        depth: offsetsOf(walk(rhsContracting)),
        columns: offsetsOf(walk(yFree)),
        zeroPoint: zeroPoints?.[1] ?? 0,
      }
    : {
        kind: "strided",
        value: b.base,
        offset: b.offset,
        depth: { extent, stride: strides[1]! },
        column: across[0]?.strides[0] ?? 1,
      };
  const contraction: Omit<Contraction, "output"> = {
    name: `matmul ${row}x${extent}x${columns}`,
    arithmetic,
    ...(arithmetic === "i16" && {
      stage: {
        from: stageFrom(x),
        elements: extent,
        stride: inner.strides[0]!,
        pitch: extent,
        low: 0,
        zeroPoint: zeroPoints?.[0] ?? 0,
      },
    }),
    a: a.base,
    offset: a.offset,
    b: source,
    batches,
    outer: { extent: 1, a: 0, row: 0 },
    inner: { extent: inner.extent, a: arithmetic === "i16" ? extent : inner.strides[0]!, row: inner.strides[2]! },
    firstRow: 0,
    blocked: "inner",
    columns,
    taps: [],
    depth: { extent, a: strides[0]! },
  };
  const template: Template = {
    covers: [...passedBy([a, b], users, operation), operation],
    result,
    columns: yFree.length === 1 ? columns : undefined,
    build: (epilogue) => contractionKernel([{ ...contraction, output: { columns, result, epilogue } }]),
  };
  return x.type.dtype === "i16" ? withWideTail(template, users) : template;
};
