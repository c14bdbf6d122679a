// Calls of functions in Keras graphs: `keras.ops` of Keras 3, TensorFlow's functions in graphs of tf_keras.

import type { Row } from "./layer.ts";
import { isObject, type Json } from "./config.ts";

export function isOperation(json: Json): boolean {
  return isObject(json) && typeof json["module"] === "string" && /^keras\.(?:src\.)?ops\b/.test(json["module"]);
}
export function operationRow(_json: Json): Row | undefined {
  return undefined;
}
