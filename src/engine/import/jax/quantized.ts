// Quantised types (StableHLO specification, "Quantization"): operations on them compute on what they stand for.

import type { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Quantization, Value } from "../../hlo/graph.ts";
import { fromNumbers } from "../../hlo/tensor.ts";
import { dtypeOf, type QuantizedType, type Type } from "./mlir/module.ts";

/** The quantised element type of a tensor type. */
export function quantizedElement(type: Type): QuantizedType | undefined {
  return type.kind === "tensor" && type.element.kind === "quantized" ? type.element : undefined;
}

/** The type that a quantised one stands for; any other type itself. */
export function expressed(type: Type): Type {
  const element = quantizedElement(type);
  return element && type.kind === "tensor" ? { ...type, element: element.expressed } : type;
}

/** Scale and zero point when there is one of each. */
export function quantizationOf(type: Type): Quantization | undefined {
  const element = quantizedElement(type);
  if (!element || element.dimension !== undefined) return undefined;
  return { scale: element.scales[0]!, zeroPoint: Number(element.zeroPoints[0]!) };
}

function parameters(build: Builder, shape: readonly number[], type: QuantizedType): { scale: Value; zero: Value } {
  const dtype: DType = dtypeOf(type.expressed) ?? "f32";
  const place = (numbers: readonly number[]) =>
    type.dimension === undefined
      ? build.full(dtype, shape, numbers[0]!)
      : build.along(build.constant(fromNumbers(dtype, [numbers.length], numbers)), shape, type.dimension);
  return { scale: place(type.scales), zero: place(type.zeroPoints.map(Number)) };
}

/** (stored - zero point) * scale. */
export function dequantize(build: Builder, x: Value, type: QuantizedType): Value {
  const { scale, zero } = parameters(build, x.type.shape, type);
  const stored = build.convert(x, scale.type.dtype);
  return build.plain("multiply", build.plain("subtract", stored, zero), scale);
}

/** round(clamp(x / scale + zero point)). */
export function quantize(build: Builder, x: Value, type: QuantizedType): Value {
  const { scale, zero } = parameters(build, x.type.shape, type);
  const moved = build.plain("add", build.plain("divide", build.convert(x, scale.type.dtype), scale), zero);
  const clamped = build.clamp(moved, Number(type.min), Number(type.max));
  return build.convert(build.plain("roundNearestEven", clamped), dtypeOf(type.storage) ?? "i8");
}
