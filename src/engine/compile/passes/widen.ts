// Products, convolutions and windows of f16 and bf16 are done in f32: sums are as exact as the types' definitions ask,
// and there are kernels for them.

import type { DType } from "../../hlo/dtype.ts";
import { is, type Operation, type Value } from "../../hlo/graph.ts";
import type { Rule } from "./rewrite.ts";

const isHalf = (dtype: DType): boolean => dtype === "f16" || dtype === "bf16";
const fits = (value: Value): boolean => isHalf(value.type.dtype) || value.type.dtype === "f32";

/** A product on halves becomes one on f32 between conversions. */
export const widen: Rule = (operation: Operation, { to }) => {
  if (!is(operation, "dotGeneral") && !is(operation, "convolution")) return undefined;
  const result = operation.results[0]!;
  const values = [...operation.operands, result];
  if (!values.every(fits) || !values.some((value) => isHalf(value.type.dtype))) return undefined;
  const operands = operation.operands.map((value) => to.convert(value, "f32"));
  const made = is(operation, "dotGeneral")
    ? to.op("dotGeneral", operands, { ...operation.attributes, dtype: "f32" })
    : to.op("convolution", operands, { ...operation.attributes, dtype: "f32" });
  return [to.convert(made, result.type.dtype)];
};
