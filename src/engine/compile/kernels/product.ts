// Matrix products: dotGeneral of f32, and of small integers with constants, on strided views.

import type { DType } from "../../hlo/dtype.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import { elementCount } from "../../hlo/tensor.ts";
import type { Template, TemplateRule } from "../kernel.ts";
import { type Batch, type Contraction, contractionKernel } from "./contraction.ts";
import { type Half, halfOf } from "./half.ts";
import type { Source } from "./panels.ts";
import type { Stage } from "./stage.ts";
import { type Dimension, merged, plainView, type View, viewOf } from "./view.ts";
import { productOf } from "./schedule.ts";
import { fitsWords, withWideTail } from "./wide.ts";

/** The arithmetic for operands and sums of these types; sums of 64 bits are made in 32 where they fit. */
export function arithmeticFor(x: Value, w: Value, result: Value): "f32" | "i16" | undefined {
  const [a, b, sum] = [x.type.dtype, w.type.dtype, result.type.dtype];
  if (a === "f32" && b === "f32" && sum === "f32") return "f32";
  const small = (dtype: DType) => dtype === "i8" || dtype === "u8";
  if (a === "i16") return small(b) && (sum === "i32" || sum === "i64") ? "i16" : undefined;
  return small(a) && small(b) && sum === "i32" ? "i16" : undefined;
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

/** A matrix product on its operands seen in some way; undefined when that is none for tiles. */
function contractionOn(
  operation: Operation<"dotGeneral">,
  arithmetic: "f32" | "i16",
  a: View,
  b: View,
): Omit<Contraction, "output"> | undefined {
  const [x, y] = operation.operands as [Value, Value];
  const { lhsBatching, rhsBatching, lhsContracting, rhsContracting, zeroPoints } = operation.attributes;
  const { xFree, yFree } = freeOf(operation);
  const constant = b.base.producer?.op === "constant";
  const walk = (value: Value, view: View, axes: readonly number[]): Dimension[] =>
    axes.map((axis) => ({ extent: value.type.shape[axis]!, strides: [view.strides[axis]!] }));

  // What is summed: the last of A's dimensions is the depth, those before are taps. A strided B has to have one.
  const summed = merged(walk(x, a, lhsContracting));
  const depth = summed.pop() ?? { extent: 1, strides: [1] };
  const [below, ...more] = merged(walk(y, b, rhsContracting));
  const across = merged(walk(y, b, yFree));
  const last = across.pop() ?? { extent: 1, strides: [1] };
  if (!constant && more.length > 0) return undefined;
  if (arithmetic === "i16" && (!constant || depth.strides[0] !== 1 || summed.length > 0)) return undefined;

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
  let index = 1;
  const batching: Dimension[] = lhsBatching
    .map((axis, i) => ({ axis, other: rhsBatching[i]! }))
    .reverse()
    .map(({ axis, other }) => {
      const dimension = {
        extent: x.type.shape[axis]!,
        strides: [a.strides[axis]!, constant ? index : b.strides[other]!, step],
      };
      step *= dimension.extent;
      index *= dimension.extent;
      return dimension;
    })
    .reverse();
  const batches: Batch[] = [...merged(batching), ...shared].map(({ extent, strides }) => ({
    extent,
    a: strides[0]!,
    b: strides[1]!,
    row: strides[2]!,
    column: 0,
  }));
  const offsets = (axes: readonly number[]) =>
    offsetsOf(axes.map((axis) => ({ extent: y.type.shape[axis]!, stride: b.strides[axis]! })));
  let columns = last.extent;
  let source: Source;
  if (constant) {
    columns = productOf(yFree.map((axis) => y.type.shape[axis]!));
    const [outer, inside, beside] = [offsets(rhsBatching), offsets(rhsContracting), offsets(yFree)];
    source = {
      kind: "constant",
      value: b.base,
      key: JSON.stringify([b.offset, [rhsBatching, rhsContracting, yFree].map((axes) => walk(y, b, axes))]),
      batches: outer.map((offset) => offset + b.offset),
      depth: inside,
      columns: beside,
      zeroPoint: zeroPoints?.[1] ?? 0,
    };
  } else {
    // Columns that are not side by side are batches that share A.
    for (const { extent, strides } of across.toReversed()) {
      batches.push({ extent, a: 0, b: strides[0]!, row: 0, column: columns });
      columns *= extent;
    }
    columns = last.extent;
    source = {
      kind: "strided",
      value: b.base,
      offset: b.offset,
      depth: { extent: below?.extent ?? 1, stride: below?.strides[0] ?? 1 },
      column: last.strides[0]!,
    };
  }
  const { extent } = depth;
  const total = productOf(yFree.map((axis) => y.type.shape[axis]!));
  return {
    name: `matmul ${row}x${extent * productOf(summed.map((tap) => tap.extent))}x${total}`,
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
    taps: summed.map((tap) => ({ count: tap.extent, a: tap.strides[0]! })),
    depth: { extent, a: depth.strides[0]! },
  };
}

/** The dimensions of the operands that are neither batches nor summed. */
function freeOf({ operands: [x, y], attributes }: Operation<"dotGeneral">): { xFree: number[]; yFree: number[] } {
  const rest = (value: Value, used: readonly number[]) =>
    value.type.shape.map((_, i) => i).filter((i) => !used.includes(i));
  const { lhsBatching, rhsBatching, lhsContracting, rhsContracting } = attributes;
  return {
    xFree: rest(x!, [...lhsBatching, ...lhsContracting]),
    yFree: rest(y!, [...rhsBatching, ...rhsContracting]),
  };
}

/** The views of a value: through what makes it, and as it is. */
function viewsOf(value: Value): View[] {
  const seen = viewOf(value);
  return seen.through.length === 0 ? [seen] : [seen, plainView(value)];
}

/** The type of 16 bits that the weights of a constant are held as without losing any bit; undefined for few. */
function heldAs({ producer, type }: Value): Half | undefined {
  if (!is(producer, "constant") || elementCount(type.shape) < enoughWeights) return undefined;
  return halfOf(producer.attributes.value);
}

/** A product whose weights are held as 16 bits if they can be. */
function narrowed<C extends Omit<Contraction, "output">>(contraction: C): C {
  const { arithmetic, b, name } = contraction;
  const half = arithmetic === "f32" && b.kind === "constant" ? heldAs(b.value) : undefined;
  return half ? { ...contraction, name: `${name} ${half}`, b: { ...b, half } } : contraction;
}

/** The view of weights that are too many to be widened when compiling, as they were before. */
function beforeWidening(view: View): View {
  const { producer } = view.base;
  if (!is(producer, "convert") || producer.attributes.dtype !== "f32") return view;
  const [weights] = producer.operands as [Value];
  return heldAs(weights) ? { ...view, base: weights, through: [...view.through, producer as Operation] } : view;
}

/** Weights that are worth holding as 16 bits: fewer are in the cache from the last time, where f32 is read faster. */
const enoughWeights = 2 ** 19;

/** Rows side by side from which on a view is not worth a transposition. */
const enoughRows = 8;

export const product: TemplateRule = (operation, users): Template | undefined => {
  if (!is(operation, "dotGeneral")) return undefined;
  const [x, y] = operation.operands as [Value, Value];
  const result = operation.results[0]!;
  const { zeroPoints } = operation.attributes;
  const arithmetic = arithmeticFor(x, y, result);
  if (!arithmetic || (arithmetic === "f32" && zeroPoints)) return undefined;
  if (x.type.dtype === "i16" && zeroPoints?.[0]) return undefined;
  if ([...x.type.shape, ...y.type.shape].includes(0)) return undefined;

  // Through transposes and reshapes if tiles can walk like that, else on the operands as they are.
  const views = viewsOf(x).flatMap((a) => viewsOf(y).map((b) => ({ a, b: beforeWidening(b) })));
  const found = views.flatMap(({ a, b }) => {
    const contraction = contractionOn(operation, arithmetic, a, b);
    return contraction ? [{ a, b, contraction }] : [];
  });
  const rowsOf = ({ contraction: { inner } }: (typeof found)[number]) => Math.min(inner.extent, enoughRows);
  const most = Math.max(...found.map(rowsOf));
  const best = found.find((candidate) => rowsOf(candidate) === most);
  if (!best) return undefined;
  const { a, b } = best;
  const contraction = narrowed(best.contraction);
  if (result.type.dtype === "i64" && !(contraction.b.kind === "constant" && fitsWords(contraction.b))) return undefined;
  const { yFree } = freeOf(operation);
  const columns = productOf(yFree.map((axis) => y.type.shape[axis]!));
  const template: Template = {
    covers: [...passedBy([a, b], users, operation), operation],
    result,
    columns: yFree.length === 1 ? columns : undefined,
    build: (epilogue) => contractionKernel([{ ...contraction, output: { columns, result, epilogue } }]),
  };
  return x.type.dtype === "i16" ? withWideTail(template, users) : template;
};
