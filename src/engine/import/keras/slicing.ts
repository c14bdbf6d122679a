// Python's subscripts: x[:, 1:3], x[..., None], x[-1].

import type { Invocation } from "./invocation.ts";
import { isValue, type Item } from "./layer.ts";
import { axisOf } from "./config.ts";

interface Range {
  readonly start: number | null;
  readonly stop: number | null;
  readonly step: number | null;
}

/** slice(a, b, c) as Keras 3 or TensorFlow's layers write it; undefined when it is something else. */
function rangeOf(f: Invocation, item: Item): Range | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item) || isValue(item)) return undefined;
  const outer = item as { [key: string]: Item };
  const inner = (outer["config"] ?? outer) as { [key: string]: Item };
  if (!("start" in inner) && !("stop" in inner)) return undefined;
  const part = (key: string): number | null => {
    const value = inner[key] ?? null;
    if (value === null || (typeof value === "number" && Number.isSafeInteger(value))) return value;
    throw f.unsupported(`slices to a ${key} that is computed`);
  };
  return { start: part("start"), stop: part("stop"), step: part("step") };
}

const isEllipsis = (item: Item) =>
  item === "Ellipsis" ||
  (typeof item === "object" &&
    item !== null &&
    !isValue(item) &&
    (item as { [key: string]: Item })["class_name"] === "__ellipsis__");

/** Bounds of a range over an extent, as Python's slice.indices gives them. */
function bounds({ start, stop, step: given }: Range, extent: number, f: Invocation) {
  const step = given ?? 1;
  if (step === 0) throw f.fail("slices with a step of 0");
  const inside = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + extent : at, low), high);
  if (step > 0) {
    const from = start === null ? 0 : inside(start, 0, extent);
    const to = Math.max(from, stop === null ? extent : inside(stop, 0, extent));
    return { from, to, step, backwards: false };
  }
  // Backwards: the same elements forwards, then reversed.
  const last = start === null ? extent - 1 : inside(start, -1, extent - 1);
  const end = stop === null ? -1 : inside(stop, -1, extent - 1);
  const count = Math.max(0, Math.ceil((last - end) / -step));
  const from = count === 0 ? 0 : last - (count - 1) * -step;
  return { from, to: count === 0 ? 0 : last + 1, step: -step, backwards: true };
}

/** A tensor's elements by a subscript. */
export function sliced(f: Invocation, x: Item, key: Item): Item {
  const parts: readonly Item[] = Array.isArray(key) ? key : [key];
  const value = f.value(x);
  const { b } = f;
  const { shape } = value.type;
  const used = parts.filter((part) => part !== null && !isEllipsis(part)).length;
  const ellipsis = parts.findIndex(isEllipsis);
  const whole: Range = { start: null, stop: null, step: null };
  const fill = Array.from({ length: shape.length - used }, (): Item => ({ ...whole }));
  if (used > shape.length) throw f.fail(`takes ${used} subscripts of rank ${shape.length}`);
  const list =
    ellipsis < 0 ? [...parts, ...fill] : [...parts.slice(0, ellipsis), ...fill, ...parts.slice(ellipsis + 1)];
  const start: number[] = [];
  const limit: number[] = [];
  const strides: number[] = [];
  const reversed: number[] = [];
  const result: number[] = [];
  let axis = 0;
  for (const part of list) {
    if (part === null) {
      result.push(1);
      continue;
    }
    const extent = shape[axis]!;
    if (typeof part === "number") {
      const at = axisOf(part, extent, `${f.call.layer.what}: subscript`);
      start.push(at);
      limit.push(at + 1);
      strides.push(1);
    } else {
      const range = rangeOf(f, part);
      if (!range)
        throw f.unsupported(isValue(part) ? "subscripts that are computed" : `subscript ${JSON.stringify(part)}`);
      const { from, to, step, backwards } = bounds(range, extent, f);
      start.push(from);
      limit.push(to);
      strides.push(step);
      if (backwards) reversed.push(axis);
      result.push(Math.ceil((to - from) / step));
    }
    axis++;
  }
  const taken = b.slice(value, start, limit, strides);
  const turned = reversed.length > 0 ? b.op("reverse", [taken], { dimensions: reversed }) : taken;
  return b.reshape(turned, result);
}
