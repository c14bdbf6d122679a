// Element types as Keras names them, and what a policy computes in.

import type { DType } from "../../hlo/dtype.ts";
import { isObject, type Json } from "./config.ts";

const dtypes: Readonly<Record<string, DType>> = {
  float16: "f16",
  bfloat16: "bf16",
  float32: "f32",
  float64: "f64",
  double: "f64",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
  bool: "i1",
  int: "i32",
};

/** A type by its name in Python; undefined when it is none of ours. */
export const dtypeNamed = (name: string): DType | undefined => dtypes[name.replace(/^<dtype: '(.*)'>$/, "$1")];

/** What a policy computes in: a type, "mixed_float16", or an object with a name. */
export function computeType(policy: Json | undefined): DType {
  const inner = isObject(policy) && isObject(policy["config"]) ? policy["config"] : undefined;
  const name = typeof policy === "string" ? policy : (inner?.["name"] ?? inner?.["source_name"] ?? "float32");
  const base = String(name).replace(/^.*?_from_/, "");
  if (base === "mixed_float16") return "f16";
  if (base === "mixed_bfloat16") return "bf16";
  const dtype = dtypeNamed(base);
  return dtype === "f16" || dtype === "bf16" || dtype === "f64" ? dtype : "f32";
}
