// A network's parameters under one name each, whichever library saved them: Transformers' PyTorch names are the measure.
// Flax has "kernel" for "weight" of dense layers (transposed), "scale" of norms and "embedding" of tables.

import { FormatError } from "../../../base/errors.ts";
import { f16Value } from "../../hlo/half.ts";
import { convertTensor, type Tensor, stridesOf, tensor, type TensorType, typeText } from "../../hlo/tensor.ts";
import { lazyTensor, type Weight, type Weights } from "../flax/weights.ts";

/** Collections of Flax variables, and what saving wrapped models leaves in front. */
const collections = /^(params|batch_stats|module|_orig_mod|0\.auto_model|state)\./;
const lastNames: Readonly<Record<string, string>> = {
  kernel: "weight",
  scale: "weight",
  embedding: "weight",
  gamma: "weight",
  beta: "bias",
  mean: "running_mean",
  var: "running_var",
};
/** What checkpoints hold that is no parameter: counters, tables that networks compute, a training's own state. */
const harmless = new RegExp(
  [
    String.raw`(^|\.)(num_batches_tracked|position_ids|token_type_ids|rotary_emb\.inv_freq|step)$`,
    String.raw`(attn|attention)\.(masked_)?bias$`,
    String.raw`^(opt_state|rng)\b`,
    // Sines and cosines, which are computed.
    String.raw`^model\.(encoder|decoder)\.embed_positions\.weight$`,
    // Second names of the output layer's bias and of tied tables.
    String.raw`^(cls\.predictions|lm_head|predictions)\.decoder\.bias$`,
    String.raw`^(model\.)?(encoder|decoder)\.embed_tokens\.weight$`,
  ].join("|"),
);
/** How many names a message lists. */
const shownNames = 20;

interface Entry {
  readonly weight: Weight;
  readonly tensor: Tensor;
  /** Saved by Flax as a kernel: inputs before outputs. */
  readonly kernel: boolean;
}

/** "params/bert/encoder/layer/0/output/dense/kernel/value" -> "bert.encoder.layer.0.output.dense.weight". */
function canonical(name: string): { name: string; kernel: boolean } {
  let dotted = name.replaceAll("/", ".").replace(/\.value$/, "");
  while (collections.test(dotted)) dotted = dotted.replace(collections, "");
  const at = dotted.lastIndexOf(".") + 1;
  const last = dotted.slice(at);
  const renamed = Object.hasOwn(lastNames, last) ? lastNames[last]! : last;
  return { name: dotted.slice(0, at) + renamed, kernel: last === "kernel" };
}

/** A matrix of a linear layer; transposed: outputs before inputs, as PyTorch has it. */
export interface Matrix {
  readonly tensor: Tensor;
  readonly transposed: boolean;
}

/** The parameters of one network, and what of them was asked for. */
export class Parameters {
  private readonly entries = new Map<string, Entry>();
  private readonly used = new Set<string>();
  private readonly missing = new Map<string, string>();
  private readonly views = new Map<string, Tensor>();
  private readonly wide = new Map<Tensor, Tensor>();

  constructor(weights: Weights) {
    for (const weight of weights.list) {
      const { name, kernel } = canonical(weight.name);
      this.entries.set(name, { weight, kernel, tensor: lazyTensor(weight, () => weight.read()) });
    }
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** "bert." when the network's names begin so, otherwise "": a network alone has none. */
  prefix(name: string): string {
    for (const key of this.entries.keys()) if (key.startsWith(`${name}.`)) return `${name}.`;
    return "";
  }

  private entry(name: string, wanted: readonly number[]): Entry | undefined {
    this.used.add(name);
    const entry = this.entries.get(name);
    if (!entry) this.missing.set(name, `[${wanted}]`);
    return entry;
  }

  private check({ weight }: Entry, wanted: readonly number[]): void {
    if (weight.shape.length !== wanted.length || weight.shape.some((extent, i) => extent !== wanted[i])) {
      throw new FormatError(`weights: "${weight.name}" is ${typeText(weight)}, config.json makes it [${wanted}]`);
    }
  }

  /** A parameter of a shape. One that is missing is noted, and a placeholder stands for it until `complete`. */
  tensor(name: string, shape: readonly number[]): Tensor {
    const entry = this.entry(name, shape);
    if (!entry) return placeholder({ dtype: "f32", shape });
    this.check(entry, shape);
    return entry.tensor;
  }

  /** A linear layer's weight. `swapped`: GPT-2's own kind, which both libraries save the other way round. */
  matrix(name: string, inputs: number, outputs: number, swapped = false): Matrix {
    const entry = this.entry(name, [outputs, inputs]);
    const transposed = entry ? entry.kernel === swapped : true;
    const shape = transposed ? [outputs, inputs] : [inputs, outputs];
    if (!entry) return { tensor: placeholder({ dtype: "f32", shape }), transposed };
    this.check(entry, shape);
    return { tensor: entry.tensor, transposed };
  }

  /** A convolution's kernel as [rows, columns, inputs, outputs]; PyTorch has outputs and inputs first. */
  kernel(name: string, size: readonly [number, number], inputs: number, outputs: number): Tensor {
    const shape = [...size, inputs, outputs];
    const entry = this.entry(name, shape);
    if (!entry) return placeholder({ dtype: "f32", shape });
    if (entry.kernel) {
      this.check(entry, shape);
      return entry.tensor;
    }
    this.check(entry, [outputs, inputs, ...size]);
    return this.view(name, { dtype: entry.tensor.dtype, shape }, () => permuted(entry.tensor, [2, 3, 1, 0]));
  }

  /** The tensor as f32; the same one each time. */
  widened(tensor: Tensor): Tensor {
    if (tensor.dtype === "f32") return tensor;
    let wide = this.wide.get(tensor);
    if (!wide) {
      wide = lazyTensor({ dtype: "f32", shape: tensor.shape }, () => widen(tensor));
      this.wide.set(tensor, wide);
    }
    return wide;
  }

  /** Something made from parameters, once. */
  view(key: string, type: TensorType, make: () => Tensor): Tensor {
    const known = this.views.get(key);
    if (known) return known;
    const made = lazyTensor(type, make);
    this.views.set(key, made);
    return made;
  }

  /** Throws FormatError with all names when something that was asked for is missing. */
  complete(): void {
    if (this.missing.size === 0) return;
    const names = [...this.missing].map(([name, shape]) => `${name} ${shape}`);
    const more = names.length > shownNames ? ` and ${names.length - shownNames} more` : "";
    throw new FormatError(`weights: ${names.length} are missing: ${names.slice(0, shownNames).join(", ")}${more}`, {
      hint: `the checkpoint has ${[...this.entries.keys()].slice(0, 3).join(", ")}, … : is config.json the right one?`,
    });
  }

  /** Names in the file that nothing asked for. */
  unused(): string[] {
    return [...this.entries]
      .filter(([name]) => !this.used.has(name) && !harmless.test(name))
      .map(([, { weight }]) => weight.name);
  }
}

function placeholder(type: TensorType): Tensor {
  return lazyTensor(type, () => {
    throw new FormatError("weights: a missing one was read");
  });
}

/** Millions of 16-bit floats as f32: without a detour by doubles. */
function widen(from: Tensor): Tensor {
  if (from.dtype !== "f16" && from.dtype !== "bf16") return convertTensor(from, "f32");
  const result = new Float32Array(from.data.length);
  const bits = from.data as Uint16Array;
  if (from.dtype === "f16") for (let i = 0; i < bits.length; i++) result[i] = f16Value(bits[i]!);
  else {
    const words = new Uint32Array(result.buffer);
    for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  }
  return tensor("f32", from.shape, result);
}

/** The tensor with its dimensions in another order: result dimension i is dimension permutation[i]. */
export function permuted(from: Tensor, permutation: readonly number[]): Tensor {
  const shape = permutation.map((axis) => from.shape[axis]!);
  const strides = stridesOf(from.shape);
  const steps = permutation.map((axis) => strides[axis]!);
  const source = from.data;
  const data = source.slice();
  const index = shape.map(() => 0);
  let at = 0;
  for (let to = 0; to < data.length; to++) {
    data[to] = source[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= steps[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return tensor(from.dtype, shape, data);
}
