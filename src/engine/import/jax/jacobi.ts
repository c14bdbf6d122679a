// Singular values, and eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations. Vectors have signs of
// their own: another library's may be the opposite.

import type { Builder } from "../../hlo/build.ts";
import { isComplex } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { letter, loop } from "./lapack.ts";
import type { Lowered, Site } from "./site.ts";

/** Rounds over all pairs of columns; convergence is quadratic, six to ten are needed. */
const rounds = 14;
/** Largest matrices: each round costs n^3. */
const largest = 256;

/** A loop over all pairs p < q, `rounds` times; the body is given p and q. */
function overPairs(
  build: Builder,
  n: number,
  initial: Value,
  body: (build: Builder, p: Value, q: Value, x: Value) => Value,
): Value {
  const pairs: [number, number][] = [];
  for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) pairs.push([p, q]);
  if (pairs.length === 0) return initial;
  const [first, second] = [0, 1].map((side) =>
    build.numbers(
      "i32",
      [pairs.length],
      pairs.map((pair) => pair[side]!),
    ),
  ) as [Value, Value];
  return loop(build, rounds * pairs.length, [initial], (inner, turn, [x]) => {
    const at = inner.plain("remainder", turn, inner.scalar("i32", pairs.length));
    const one = (table: Value) => inner.reshape(inner.op("dynamicSlice", [table, at], { sizes: [1] }), []);
    return [body(inner, one(first), one(second), x!)];
  })[0]!;
}

/** Cosine and sine that make the pair [a, g; g, b] diagonal; no rotation where g is nothing beside a and b. */
function rotation(build: Builder, a: Value, b: Value, g: Value, tiny: Value): { cosine: Value; sine: Value } {
  const { dtype } = a.type;
  const [zero, one] = [build.scalar(dtype, 0), build.scalar(dtype, 1)];
  const none = build.compare("LE", build.plain("abs", g), tiny);
  const divisor = build.select(none, one, build.with("multiply", g, 2));
  const zeta = build.divide(build.subtract(b, a), divisor);
  const root = build.plain("sqrt", build.with("add", build.multiply(zeta, zeta), 1));
  const size = build.divide(one, build.add(build.plain("abs", zeta), root));
  const tangent = build.select(build.compare("LT", zeta, zero), build.plain("negate", size), size);
  const cosine = build.divide(one, build.plain("sqrt", build.with("add", build.multiply(tangent, tangent), 1)));
  return { cosine: build.select(none, one, cosine), sine: build.select(none, zero, build.multiply(cosine, tangent)) };
}

/** Rows or columns p and q turned into each other. */
function turned(
  build: Builder,
  x: Value,
  axis: number,
  places: readonly [p: Value, q: Value],
  angle: { cosine: Value; sine: Value },
): Value {
  const zero = build.scalar("i32", 0);
  const index = (place: Value) => x.type.shape.map((_, i) => (i === axis ? place : zero));
  const sizes = x.type.shape.map((n, i) => (i === axis ? 1 : n));
  const [a, b] = places.map((place) => build.op("dynamicSlice", [x, ...index(place)], { sizes })) as [Value, Value];
  const { cosine, sine } = angle;
  const lower = build.subtract(build.multiply(cosine, a), build.multiply(sine, b));
  const upper = build.add(build.multiply(sine, a), build.multiply(cosine, b));
  const once = build.op("dynamicUpdateSlice", [x, lower, ...index(places[0])], {});
  return build.op("dynamicUpdateSlice", [once, upper, ...index(places[1])], {});
}

function sorted(build: Builder, x: Value, direction: "LT" | "GT"): Value {
  const element = { dtype: x.type.dtype, shape: [] };
  const region = build.region([element, element], (inner, a, b) => [inner.compare(direction, a!, b!)]);
  return build.op("sort", [x], { dimension: x.type.shape.length - 1, stable: true }, [region]);
}

const epsilonOf = (x: Value) => (x.type.dtype === "f64" ? 2 ** -52 : 2 ** -23);

function checked(site: Site): Value {
  const x = site.operand(0);
  const size = Math.max(...x.type.shape.slice(-2));
  if (isComplex(x.type.dtype)) return site.fail("of complex matrices");
  return size > largest ? site.fail(`of matrices larger than ${largest}`) : x;
}

/** Results that were not asked for, as declared. */
const zeros = (site: Site, index: number): Lowered => site.build.full(site.dtype(index), site.shape(index), 0);

/** Singular values: gesdd without vectors. Results: the matrix overwritten, values, two of vectors, info. */
export function gesdd(site: Site): readonly Lowered[] {
  if (letter(site, "mode") !== "N") return site.fail("singular vectors");
  const x = checked(site);
  const { build } = site;
  const rank = x.type.shape.length;
  const [rows, columns] = x.type.shape.slice(-2) as [number, number];
  const swap = Array.from({ length: rank }, (_, i) => (i === rank - 2 ? rank - 1 : i === rank - 1 ? rank - 2 : i));
  const tall = rows >= columns ? x : build.transpose(x, swap);
  const result = overPairs(build, Math.min(rows, columns), tall, (inner, p, q, a) => {
    const zero = inner.scalar("i32", 0);
    const column = (k: Value) =>
      inner.op("dynamicSlice", [a, ...a.type.shape.map((_, i) => (i === rank - 1 ? k : zero))], {
        sizes: a.type.shape.map((n, i) => (i === rank - 1 ? 1 : n)),
      });
    const [u, v] = [column(p), column(q)];
    const dot = (y: Value, z: Value) => inner.reduce("add", inner.multiply(y, z), [rank - 2], { keep: true });
    const [uu, vv, uv] = [dot(u, u), dot(v, v), dot(u, v)];
    const tiny = inner.with("multiply", inner.plain("sqrt", inner.multiply(uu, vv)), epsilonOf(a) / 8);
    return turned(inner, a, rank - 1, [p, q], rotation(inner, uu, vv, uv, tiny));
  });
  const norms = build.plain("sqrt", build.reduce("add", build.multiply(result, result), [rank - 2]));
  return [x, sorted(build, norms, "GT"), zeros(site, 2), zeros(site, 3), zeros(site, 4)];
}

/**
 * Eigenvalues and eigenvectors of symmetric matrices: syevd. Results: the vectors, values, info. JAX asks for vectors even
 * where it only wants values.
 */
export function syevd(site: Site): readonly Lowered[] {
  const x = checked(site);
  const { build } = site;
  const { dtype, shape } = x.type;
  const rank = shape.length;
  const n = shape.at(-1)!;
  const lower = letter(site, "uplo") === "L";
  const [row, column] = [0, 1].map((dimension) => build.op("iota", [], { dtype: "i32", shape: [n, n], dimension })) as [
    Value,
    Value,
  ];
  const swap = shape.map((_, i) => (i === rank - 2 ? rank - 1 : i === rank - 1 ? rank - 2 : i));
  // Only one triangle counts.
  const given = build.compare(lower ? "GE" : "LE", row, column);
  const symmetric = build.select(given, x, build.transpose(x, swap));
  const identity = build.broadcast(build.convert(build.compare("EQ", row, column), dtype), shape);
  // The rotations of the columns, all together, are what stands below.
  const both = build.concatenate([symmetric, identity], rank - 2);
  const result = overPairs(build, n, both, (inner, p, q, a) => {
    const zero = inner.scalar("i32", 0);
    const sizes = a.type.shape.map((extent, i) => (i < rank - 2 ? extent : 1));
    const entry = (i: Value, j: Value) =>
      inner.op("dynamicSlice", [a, ...shape.slice(0, -2).map(() => zero), i, j], { sizes });
    const [pp, qq, pq] = [entry(p, p), entry(q, q), entry(p, q)];
    const size = inner.add(inner.plain("abs", pp), inner.plain("abs", qq));
    const angle = rotation(inner, pp, qq, pq, inner.with("multiply", size, epsilonOf(a) / 64));
    return turned(inner, turned(inner, a, rank - 1, [p, q], angle), rank - 2, [p, q], angle);
  });
  const part = (from: number) =>
    build.slice(
      result,
      shape.map((_, i) => (i === rank - 2 ? from : 0)),
      shape.map((extent, i) => (i === rank - 2 ? from + n : extent)),
    );
  const diagonal = build.select(build.compare("EQ", row, column), part(0), build.scalar(dtype, 0));
  const values = build.broadcast(build.reduce("add", diagonal, [rank - 2], { keep: true }), shape);
  const element = { dtype, shape: [] };
  const region = build.region([element, element, element, element], (inner, a, b) => [inner.compare("LT", a!, b!)]);
  const [ordered, vectors] = build.all("sort", [values, part(n)], { dimension: rank - 1, stable: true }, [region]);
  const first = build.slice(
    ordered!,
    shape.map(() => 0),
    shape.map((extent, i) => (i === rank - 2 ? 1 : extent)),
  );
  return [vectors, build.reshape(first, [...shape.slice(0, -2), n]), zeros(site, 2)];
}
