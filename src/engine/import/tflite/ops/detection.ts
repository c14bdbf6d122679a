// Choosing boxes: non-maximum suppression, as a loop of as many rounds as there may be results.

import { FormatError } from "../../../../base/errors.ts";
import type { Builder } from "../../../hlo/build.ts";
import type { Value } from "../../../hlo/graph.ts";
import type { Lower, Node } from "../node.ts";

/** One coordinate of all boxes. */
function column(b: Builder, boxes: Value, i: number): Value {
  const [count] = boxes.type.shape as [number];
  return b.reshape(b.slice(boxes, [0, i], [count, i + 1]), [count]);
}

export interface Chosen {
  /** Indices of boxes, i32, padded with zeros. */
  readonly indices: Value;
  readonly scores: Value;
  /** How many there are: i32. */
  readonly count: Value;
}

/**
 * Boxes [count, 4] of two corners (in any order), the best first, without those that overlap a chosen one by more than
 * the threshold. With a deviation, scores fall with the overlap instead (non_max_suppression.h). `inclusive`: scores at
 * the threshold count, overlaps at theirs do not, as the detection operator has it.
 */
export function suppress(
  b: Builder,
  boxes: Value,
  scores: Value,
  limit: number,
  thresholds: { overlap: Value; score: Value; deviation?: Value; inclusive?: boolean },
): Chosen {
  const [count] = boxes.type.shape as [number];
  const corners = [0, 1, 2, 3].map((i) => column(b, boxes, i));
  const [y1, x1, y2, x2] = [
    b.plain("minimum", corners[0]!, corners[2]!),
    b.plain("minimum", corners[1]!, corners[3]!),
    b.plain("maximum", corners[0]!, corners[2]!),
    b.plain("maximum", corners[1]!, corners[3]!),
  ];
  const area = b.multiply(b.subtract(y2, y1), b.subtract(x2, x1));
  const never = b.scalar("f32", -3.4028234663852886e38);
  const { deviation } = thresholds;
  // Half the inverse of the deviation; zero turns the falling scores off.
  const soft = deviation && b.divide(b.scalar("f32", -0.5), deviation);
  const [above, over] = thresholds.inclusive ? (["GE", "GT"] as const) : (["GT", "GE"] as const);
  const starting = b.select(b.compare(above, scores, thresholds.score), scores, never);
  const operands = [
    b.scalar("i32", 0),
    starting,
    b.full("i32", [limit], 0),
    b.full("f32", [limit], 0),
    b.scalar("i32", 0),
  ];
  const types = operands.map(({ type }) => type);
  const condition = b.region(types, (inner, round) => [inner.compare("LT", round!, inner.scalar("i32", limit))]);
  const body = b.region(types, (inner, round, left, indices, chosen, found) => {
    const best = inner.argument("GT", left!, 0);
    const at = (list: Value) => inner.reshape(inner.op("dynamicSlice", [list, best], { sizes: [1] }), []);
    const score = at(left!);
    const good = inner.compare("GT", score, never);
    const span = (low: Value, high: Value) => {
      const lower = inner.binary("maximum", low, at(low));
      const upper = inner.binary("minimum", high, at(high));
      return inner.with("maximum", inner.subtract(upper, lower), 0);
    };
    const shared = inner.multiply(span(y1, y2), span(x1, x2));
    const union = inner.subtract(inner.add(area, at(area)), shared);
    const degenerate = inner.plain(
      "or",
      inner.compare("LE", area, inner.scalar("f32", 0)),
      inner.compare("LE", inner.broadcast(at(area), [count]), inner.scalar("f32", 0)),
    );
    const overlap = inner.select(degenerate, inner.scalar("f32", 0), inner.divide(shared, union));
    let fallen = left!;
    if (soft) {
      const factor = inner.plain("exponential", inner.multiply(soft, inner.multiply(overlap, overlap)));
      const isSoft = inner.compare("GT", deviation, inner.scalar("f32", 0));
      const scaled = inner.select(isSoft, inner.multiply(left!, factor), left!);
      fallen = inner.select(inner.compare("GT", scaled, thresholds.score), scaled, never);
    }
    const gone = inner.plain("or", inner.compare(over, overlap, thresholds.overlap), inner.compare("EQ", left!, never));
    let remaining = inner.select(gone, never, fallen);
    const places = inner.op("iota", [], { dtype: "i32", shape: [count], dimension: 0 });
    remaining = inner.select(inner.compare("EQ", places, best), never, remaining);
    const write = (list: Value, value: Value) => {
      const old = inner.op("dynamicSlice", [list, found!], { sizes: [1] });
      return inner.plain("dynamicUpdateSlice", list, inner.select(good, inner.reshape(value, [1]), old), found!);
    };
    return [
      inner.with("add", round!, 1),
      remaining,
      write(indices!, best),
      write(chosen!, score),
      inner.add(found!, inner.convert(good, "i32")),
    ];
  });
  const results = b.all("while", operands, {}, [condition, body]);
  return { indices: results[2]!, scores: results[3]!, count: results[4]! };
}

/** Inputs: boxes, scores, how many at most, overlap, score, and for V5 the deviation. */
const nonMaxSuppression: Lower = (node: Node) => {
  const { b } = node;
  const limit = node.number(2, "a number of boxes");
  if (!(limit >= 0) || limit > 1 << 20) throw new FormatError(`${b.origin}: ${limit} boxes`);
  const scalar = (i: number) => b.reshape(node.input(i), []);
  const soft = node.operator.name === "NON_MAX_SUPPRESSION_V5";
  const thresholds = { overlap: scalar(3), score: scalar(4), ...(soft && { deviation: scalar(5) }) };
  const { indices, scores, count } = suppress(b, node.input(0), node.input(1), limit, thresholds);
  return soft ? [indices, scores, count] : [indices, count];
};

export const detection: Readonly<Record<string, Lower>> = {
  NON_MAX_SUPPRESSION_V4: nonMaxSuppression,
  NON_MAX_SUPPRESSION_V5: nonMaxSuppression,
};
