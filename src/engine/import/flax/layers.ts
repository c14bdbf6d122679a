// Networks described layer by layer in a config.json of our own (docs/models.md, "config.json"), with weights of Flax.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import { elementCount } from "../../hlo/tensor.ts";
import type { Model, ModelFormat, Source } from "../../model.ts";
import { floats, ids } from "../transformer/architecture.ts";
import { parseObject } from "../../../base/json.ts";
import { Config } from "../transformer/config.ts";
import { modelOf } from "../transformer/model.ts";
import type { Network } from "../transformer/network.ts";
import { Parameters } from "../transformer/parameters.ts";
import { batchNorm } from "../transformer/vision.ts";
import { openWeights } from "./open.ts";

type Padding = readonly (readonly [number, number])[];

/** How a layer is written: x in, x out. `name` is where its weights are. */
type Layer = (net: Network, x: Value, name: string, config: Config) => Value;

/** [rows, columns] or one number for every spatial dimension. */
function spatial(config: Config, name: string, rank: number, otherwise?: number): readonly number[] {
  const value = config.json[name];
  const list = Array.isArray(value)
    ? config.sizes(name)
    : Array.from({ length: rank }, () => config.size(name, otherwise));
  if (list.length !== rank) throw new FormatError(`config.json: "${name}" [${list}] does not fit ${rank} dimensions`);
  return list;
}

/** "SAME" and "VALID" as XLA means them, or [low, high] for each dimension. */
function paddingOf(
  config: Config,
  window: { extents: readonly number[]; size: readonly number[]; strides: readonly number[] },
  otherwise: string,
): Padding {
  const value = config.json["padding"] ?? otherwise;
  if (value === "VALID") return window.size.map(() => [0, 0]);
  if (value === "SAME") {
    return window.size.map((size, i) => {
      const [extent, stride] = [window.extents[i]!, window.strides[i]!];
      const total = Math.max(0, (Math.ceil(extent / stride) - 1) * stride + size - extent);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  }
  const isPair = (pair: unknown): pair is [number, number] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0 && n < 1 << 16);
  if (Array.isArray(value) && value.length === window.size.length && value.every(isPair)) return value;
  throw new FormatError(`config.json: padding ${JSON.stringify(value)} is neither "SAME", "VALID" nor pairs`);
}

function activated(net: Network, x: Value, config: Config): Value {
  return net.activate(x, config.text("activation", "linear"));
}

function convolution(net: Network, x: Value, name: string, config: Config): Value {
  const { shape } = x.type;
  const rank = shape.length - 2;
  if (rank !== 1 && rank !== 2) throw new FormatError(`config.json: convolution of an input [${shape}]`);
  const features = config.size("features");
  const kernel = spatial(config, "kernel", rank);
  const strides = spatial(config, "strides", rank, 1);
  const dilations = spatial(config, "dilation", rank, 1);
  const groups = config.size("groups", 1);
  const inputs = shape.at(-1)!;
  if (inputs % groups !== 0) throw new FormatError(`config.json: ${groups} groups do not divide ${inputs} channels`);
  const reach = kernel.map((size, i) => (size - 1) * dilations[i]! + 1);
  const padding = paddingOf(config, { extents: shape.slice(1, -1), size: reach, strides }, "SAME");
  const weight = net.parameter(`${name}.weight`, [...kernel, inputs / groups, features]);
  const y = net.convolution(x, weight, { strides, padding, dilations, groups });
  return config.flag("bias", true) ? net.add(y, net.parameter(`${name}.bias`, [features])) : y;
}

/** A reduction over windows of the spatial dimensions. Strides are the window's size when they are not given. */
function pooled(net: Network, x: Value, config: Config, kind: "maximum" | "add"): Value {
  const { shape } = x.type;
  const rank = shape.length - 2;
  if (rank < 1) throw new FormatError(`config.json: pooling of an input [${shape}]`);
  const size = spatial(config, "size", rank);
  const strides = config.has("strides") ? spatial(config, "strides", rank) : size;
  const padding = paddingOf(config, { extents: shape.slice(1, -1), size, strides }, "VALID");
  return net.window(kind, x, {
    size: [1, ...size, 1],
    strides: [1, ...strides, 1],
    padding: [[0, 0], ...padding, [0, 0]],
  });
}

const inner = (x: Value) => x.type.shape.slice(1, -1).map((_, i) => i + 1);

/** Layers by "type", and Flax's own name for them where they have weights: "Dense_0" is the first of its kind. */
const layers: Readonly<Record<string, { readonly flax?: string; readonly write: Layer }>> = {
  dense: {
    flax: "Dense",
    write: (net, x, name, config) => net.linear(x, name, config.size("features"), { bias: config.flag("bias", true) }),
  },
  conv: { flax: "Conv", write: convolution },
  embed: {
    flax: "Embed",
    write: (net, x, name, config) => net.embedding(x, name, config.size("count"), config.size("features")),
  },
  batch_norm: {
    flax: "BatchNorm",
    write: (net, x, name, config) =>
      batchNorm(net, x, name, config.number("epsilon", 1e-5), {
        scale: config.flag("scale", true),
        offset: config.flag("bias", true),
      }),
  },
  layer_norm: {
    flax: "LayerNorm",
    write: (net, x, name, config) => {
      const shape = [x.type.shape.at(-1)!];
      const get = (part: string) => net.parameter(`${name}.${part}`, shape);
      return net.layerNorm(
        x,
        config.flag("scale", true) ? get("weight") : undefined,
        config.flag("bias", true) ? get("bias") : undefined,
        config.number("epsilon", 1e-6),
      );
    },
  },
  rms_norm: {
    flax: "RMSNorm",
    write: (net, x, name, config) => net.rmsNorm(x, name, config.number("epsilon", 1e-6)),
  },
  max_pool: { write: (net, x, _, config) => pooled(net, x, config, "maximum") },
  avg_pool: {
    write: (net, x, _, config) => {
      const sums = pooled(net, x, config, "add");
      const size = spatial(config, "size", x.type.shape.length - 2);
      return net.with("divide", sums, elementCount(size));
    },
  },
  global_max_pool: { write: (net, x) => net.reduce("maximum", x, inner(x)) },
  global_avg_pool: { write: (net, x) => net.mean(x, inner(x)) },
  flatten: {
    write: (net, x) => {
      const [batch, ...rest] = x.type.shape as [number, ...number[]];
      return net.reshape(x, [batch, elementCount(rest)]);
    },
  },
  reshape: {
    write: (net, x, _, config) => net.reshape(x, [x.type.shape[0]!, ...config.sizes("shape")]),
  },
  activation: { write: (_, x) => x },
  /** Does nothing when a network is used. */
  dropout: { write: (_, x) => x },
};

interface Step {
  readonly config: Config;
  readonly name: string;
  readonly write: Layer;
}

/** The layers with the names of their weights. */
function stepsOf(config: Config): Step[] {
  const counts = new Map<string, number>();
  return config.objects("layers").map((layer): Step => {
    const type = layer.text("type");
    const known = Object.hasOwn(layers, type) ? layers[type] : undefined;
    if (!known) {
      throw new UnsupportedFormat(`config.json: layer "${type}" is not built`, {
        hint: `built are ${Object.keys(layers).join(", ")}`,
      });
    }
    const { flax = "" } = known;
    const index = counts.get(flax) ?? 0;
    counts.set(flax, index + 1);
    return { config: layer, name: layer.text("name", `${flax}_${index}`), write: known.write };
  });
}

function matches({ files }: Source): boolean {
  const bytes = files?.read("config.json");
  if (!bytes) return false;
  try {
    const json = parseObject(bytes, "config.json");
    return (json["architecture"] === "mlp" || json["architecture"] === "cnn") && Array.isArray(json["layers"]);
  } catch {
    return false;
  }
}

/** Opens a directory with such a config.json and weights. Throws FormatError. */
function open(source: Source): Model {
  const config = new Config(parseObject(source.files!.read("config.json")!, "config.json"));
  const weights = openWeights(source);
  const steps = stepsOf(config);
  const shape = config.sizes("input");
  const whole = steps[0]?.config.text("type") === "embed";
  const write = (net: Network, x: Value): Value =>
    steps.reduce((value, step) => activated(net, step.write(net, value, step.name, step.config), step.config), x);
  const input = config.text("input_name", "x");
  const output = config.text("output_name", "y");
  const port = whole ? ids(input, "batch", ...shape) : floats(input, "batch", ...shape);
  const parameters = new Parameters(weights);
  const entry = (outputs: readonly number[]) => ({
    signature: { name: "default", inputs: [port], outputs: [floats(output, "batch", ...outputs)] },
    write: (net: Network, inputs: Readonly<Record<string, Value>>) => ({
      outputs: { [output]: write(net, inputs[input]!) },
    }),
  });
  const parts = {
    name: source.name,
    parameters,
    weights,
    attachments: new Map<string, Uint8Array>(),
    metadata: new Map([["architecture", config.text("architecture")]]),
  };
  // Written once to learn what comes out.
  const trial = modelOf({ ...parts, architecture: { entries: [entry([])] } });
  const [, ...result] = trial.program().outputs[0]!.type.shape;
  return { ...modelOf({ ...parts, architecture: { entries: [entry(result)] } }), format: "layers" };
}

export const layered: ModelFormat = {
  name: "layers",
  title: "layers in a config.json with Flax weights",
  matches,
  open,
};
