// Keras 3's layers with weights of one byte: activations are quantised as they come, by the largest of each row.

import type { Value } from "../../hlo/graph.ts";
import { type Config, isObject } from "./config.ts";
import { einsum, keptLabels } from "./einsum.ts";
import type { Call } from "./layer.ts";

/** How a layer is quantised: by its policy's mode; undefined when it is not. */
export function quantizationMode(config: Config): string | undefined {
  const policy = config.get("dtype");
  if (typeof policy === "string") return /^(int8|int4|float8|gptq|awq)\b|_from_/.exec(policy)?.[1];
  if (!isObject(policy)) return undefined;
  if (policy["class_name"] === "DTypePolicyMap") return "a map of policies";
  const inner = policy["config"];
  if (!isObject(inner) || !/^Quantized|^GPTQ|^AWQ|^Int4/.test(String(policy["class_name"]))) return undefined;
  return String(inner["mode"] ?? policy["class_name"]);
}

/** The reason why a layer's quantisation is not built. */
export function refuseQuantization(config: Config): string | undefined {
  const mode = quantizationMode(config);
  return mode === undefined || mode === "int8" ? undefined : `quantised weights (${mode})`;
}

export const isQuantized = (config: Config): boolean => quantizationMode(config) === "int8";

/** The quantiser of activations: its bounds; undefined where only weights are quantised. */
function activationBounds(config: Config): readonly [number, number] | undefined {
  const whole = config.get("quantization_config");
  if (!isObject(whole)) return [-127, 127];
  const inner = isObject(whole["config"]) ? whole["config"] : {};
  const quantizer = inner["activation_quantizer"];
  if (!isObject(quantizer)) return undefined;
  const bounds = isObject(quantizer["config"]) ? quantizer["config"]["value_range"] : undefined;
  return Array.isArray(bounds) ? [Number(bounds[0]), Number(bounds[1])] : [-127, 127];
}

/** einsum of a quantised kernel: integers are multiplied, then both scales are divided out. */
export function quantizedEinsum(call: Call, equation: string, x: Value): Value {
  const { b, config } = call;
  const kernel = call.variable("kernel");
  const kernelScale = call.weight("kernel_scale");
  if (kernel?.type.dtype !== "i8") throw call.fail("its kernel is not of bytes");
  const bounds = activationBounds(config);
  if (!bounds) {
    const product = einsum(b, equation, [x, b.convert(kernel, x.type.dtype)], config.what);
    return b.divide(product, kernelScale);
  }
  const labels = keptLabels(equation, x.type.shape.length, config.what);
  const axes = labels.reduced;
  const largest = b.reduce("maximum", b.plain("abs", x), axes, { keep: true });
  const scale = b.divide(b.scalar(x.type.dtype, bounds[1]), b.with("add", largest, 1e-7));
  const rounded = b.plain("roundNearestEven", b.multiply(x, scale));
  const small = b.convert(b.clamp(rounded, bounds[0], bounds[1]), "i8");
  const sums = einsum(b, equation, [small, kernel], config.what, "i32");
  // The inputs' scale over the result's dimensions.
  const flat = b.reshape(
    scale,
    x.type.shape.filter((_, i) => !axes.includes(i)),
  );
  const shape = sums.type.shape.map((extent, i) => (labels.places.includes(i) ? extent : 1));
  const order = labels.places.map((_, i) => i).toSorted((p, q) => labels.places[p]! - labels.places[q]!);
  const spread = b.reshape(b.transpose(flat, order), shape);
  return b.divide(b.convert(sums, call.dtype), b.multiply(spread, kernelScale));
}
