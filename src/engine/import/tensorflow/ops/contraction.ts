// Products of matrices and Einstein sums (tensorflow/core/ops/math_ops.cc, linalg_ops.cc; grammar of tf.einsum).

import type { Builder } from "../../../hlo/build.ts";
import { isComplex } from "../../../hlo/dtype.ts";
import type { Value } from "../../../hlo/graph.ts";
import { FormatError } from "../../../../base/errors.ts";
import type { Call, Importer } from "../call.ts";

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

function adjoint(b: Builder, x: Value): Value {
  if (!isComplex(x.type.dtype)) return x;
  return b.plain("complex", b.plain("real", x), b.plain("negate", b.plain("imag", x)));
}

function batchMatMul(c: Call): Value {
  const [a, z] = [c.x(0), c.x(1)];
  const [adjointA, adjointB] = [c.flag("adj_x"), c.flag("adj_y")];
  const dtype = c.has("Tout") ? c.type("Tout") : undefined;
  return c.b.matmul(adjointA ? adjoint(c.b, a) : a, adjointB ? adjoint(c.b, z) : z, {
    transposeA: adjointA || c.flag("grad_x"),
    transposeB: adjointB || c.flag("grad_y"),
    ...(dtype && { dtype }),
  });
}

/** A tensor with a label for each dimension. */
interface Labelled {
  readonly value: Value;
  readonly labels: readonly string[];
}

/** The sum that an equation says: labels, "..." for further dimensions, labels twice for diagonals, of any operands. */
export function einsum(b: Builder, equation: string, operands: readonly Value[]): Value {
  const [left = "", right] = equation.replaceAll(" ", "").split("->");
  const terms = left.split(",");
  const fail = (problem: string): never => {
    throw new FormatError(`${b.origin ?? "einsum"}: ${equation}: ${problem}`);
  };
  if (terms.length !== operands.length) fail(`${terms.length} terms for ${operands.length} operands`);
  let widest = 0;
  const labelled = operands.map((value, k): Labelled => {
    const rank = value.type.shape.length;
    const [front = "", back] = terms[k]!.split("...");
    const named = front.length + (back?.length ?? 0);
    const further = rank - named;
    if (further < 0 || (back === undefined && further !== 0)) fail(`${terms[k]} does not fit [${value.type.shape}]`);
    widest = Math.max(widest, back === undefined ? 0 : further);
    // Further dimensions are counted from the last one, as they stretch.
    const dots = range(further).map((i) => `.${further - 1 - i}`);
    return { value, labels: [...front, ...dots, ...(back ?? "")] };
  });
  const dots = range(widest).map((i) => `.${widest - 1 - i}`);
  const counted = new Map<string, number>();
  for (const term of terms)
    for (const label of term.replace("...", "")) counted.set(label, (counted.get(label) ?? 0) + 1);
  const implied = [...counted.keys()].filter((label) => counted.get(label) === 1).sort();
  const result =
    right === undefined
      ? [...dots, ...implied]
      : right.includes("...")
        ? [...right.split("...")[0]!, ...dots, ...right.split("...")[1]!]
        : [...right];
  const extents = new Map<string, number>();
  for (const { value, labels } of labelled) {
    labels.forEach((label, i) => {
      const extent = value.type.shape[i]!;
      const before = extents.get(label);
      if (before === undefined || before === 1) extents.set(label, extent);
      else if (extent !== 1 && extent !== before) fail(`${label} is ${before} and ${extent}`);
    });
  }
  const simple = labelled.map((each) => diagonal(b, each));
  const total = simple.reduce((sum, next, i) => {
    const later = new Set([...result, ...simple.slice(i + 1).flatMap(({ labels }) => labels)]);
    return i === 0 ? next : contract(b, sum, next, later);
  });
  const kept = sumAway(b, total, (label) => !result.includes(label));
  const order = result.map((label) => kept.labels.indexOf(label));
  const present = result.filter((label) => kept.labels.includes(label));
  const turned = b.transpose(
    kept.value,
    present.map((label) => kept.labels.indexOf(label)),
  );
  if (order.some((i) => i < 0)) fail("a label of the result is in no operand");
  return b.broadcast(
    turned,
    result.map((label) => extents.get(label)!),
  );
}

/** Keeps of repeated labels the elements where both places agree. */
function diagonal(b: Builder, { value, labels }: Labelled): Labelled {
  const again = labels.findIndex((label, i) => labels.indexOf(label) < i);
  if (again < 0) return { value, labels };
  const first = labels.indexOf(labels[again]!);
  const { shape, dtype } = value.type;
  const iota = (dimension: number) => b.op("iota", [], { dtype: "i32", shape, dimension });
  const same = b.compare("EQ", iota(first), iota(again));
  const masked = b.select(same, value, b.scalar(dtype, 0));
  return diagonal(b, {
    value: b.reduce("add", masked, [again]),
    labels: labels.filter((_, i) => i !== again),
  });
}

function sumAway(b: Builder, { value, labels }: Labelled, away: (label: string) => boolean): Labelled {
  const axes = labels.flatMap((label, i) => (away(label) ? [i] : []));
  if (axes.length === 0) return { value, labels };
  return { value: b.reduce("add", value, axes), labels: labels.filter((label) => !away(label)) };
}

/** The product of two, summed over what neither the result nor a later operand has. */
function contract(b: Builder, left: Labelled, right: Labelled, later: ReadonlySet<string>): Labelled {
  const x = sumAway(b, left, (label) => !later.has(label) && !right.labels.includes(label));
  const y = sumAway(b, right, (label) => !later.has(label) && !left.labels.includes(label));
  const shared = x.labels.filter((label) => y.labels.includes(label));
  // An extent of 1 that stretches is no common dimension: drop it.
  const stretched = (each: Labelled, other: Labelled): Labelled => {
    const drop = each.labels.filter((label, i) => {
      const there = other.labels.indexOf(label);
      return there >= 0 && each.value.type.shape[i] === 1 && other.value.type.shape[there] !== 1;
    });
    return sumAway(b, each, (label) => drop.includes(label));
  };
  const [p, q] = [stretched(x, y), stretched(y, x)];
  const common = shared.filter((label) => p.labels.includes(label) && q.labels.includes(label));
  const batching = common.filter((label) => later.has(label));
  const contracting = common.filter((label) => !later.has(label));
  const places = (each: Labelled, list: readonly string[]) => list.map((label) => each.labels.indexOf(label));
  const free = (each: Labelled) => each.labels.filter((label) => !common.includes(label));
  const value = b.op("dotGeneral", [p.value, q.value], {
    lhsBatching: places(p, batching),
    rhsBatching: places(q, batching),
    lhsContracting: places(p, contracting),
    rhsContracting: places(q, contracting),
  });
  const product: Labelled = { value, labels: [...batching, ...free(p), ...free(q)] };
  return sumAway(b, product, (label) => !later.has(label));
}

export const contraction: Readonly<Record<string, Importer>> = {
  BatchMatMul: batchMatMul,
  BatchMatMulV2: batchMatMul,
  BatchMatMulV3: batchMatMul,
  Einsum: (c) => einsum(c.b, c.text("equation"), c.xs()),
  SparseMatMul: (c) =>
    c.b.matmul(c.x(0), c.x(1), { transposeA: c.flag("transpose_a"), transposeB: c.flag("transpose_b") }),
  XlaEinsum: (c) => einsum(c.b, c.text("equation"), c.xs()),
};
