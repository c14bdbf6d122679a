// Which taps of a window lie within the input.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { minimum, scaled } from "./emit.ts";

/** Tap t of window w is at w * stride + t * dilation - low; it is there when that is from 0 to below `extent`. */
export interface Bounds {
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly extent: number;
}

/** Sets the local `first` to the first tap of the window in local `y` that is there, and `count` to how many are. */
export function emitBounds(code: Code, bounds: Bounds, taps: number, y: number, first: number, count: number): void {
  const { stride, dilation, low, extent } = bounds;
  const local = code.local(type.i32);
  /** Steps of the dilation to `distance`, at least none, at most all taps. */
  const stepsTo = (distance: number, to: number) => {
    code.i32(distance);
    scaled(code, y, stride);
    code.op(op["i32.sub"]).tee(local).i32(0).get(local).i32(0).op(op["i32.gt_s"]).op(op.select);
    if (dilation > 1)
      code
        .i32(dilation - 1)
        .op(op["i32.add"])
        .i32(dilation)
        .op(op["i32.div_u"]);
    code.set(local);
    minimum(code, { local }, taps);
    code.set(to);
  };
  stepsTo(low, first);
  stepsTo(low + extent, count);
  code.get(count).get(first).op(op["i32.sub"]).set(count);
}

/** The taps of one window that are there: from the first to below the last. */
export function tapsWithin({ stride, dilation, low, extent }: Bounds, taps: number, window: number): [number, number] {
  const steps = (distance: number) => Math.min(taps, Math.max(0, Math.ceil(distance / dilation)));
  return [steps(low - window * stride), steps(low + extent - window * stride)];
}
