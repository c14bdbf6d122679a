// Networks for images: ViT and ResNet. Sources: the papers, and what Transformers' modules compute.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import { type Tensor, zeros } from "../../hlo/tensor.ts";
import { type Architecture, type Design, type Entry, floats, labelsOf, savedClass } from "./architecture.ts";
import { type Config, mostLayers } from "./config.ts";
import type { Network } from "./network.ts";

type Pair = readonly [number, number];

function pairOf(config: Config, name: string, otherwise: number): Pair {
  const value = config.json[name];
  if (!Array.isArray(value)) return [config.size(name, otherwise), config.size(name, otherwise)];
  const [rows, columns] = config.sizes(name);
  return [rows!, columns ?? rows!];
}

/** Transformers' pictures have channels first; here they are last. */
function channelsLast(net: Network, x: Value): Value {
  net.origin = "pixel_values";
  return net.transpose(x, [0, 2, 3, 1]);
}

function taskOf(config: Config, size: Pair | undefined): { classes: string[]; task: Architecture["task"] } {
  const saved = savedClass(config);
  const classify = saved.endsWith("ForImageClassification");
  if (!classify && /For\w+$/.test(saved)) throw new UnsupportedFormat(`config.json: ${saved} is not built`);
  const classes = classify ? labelsOf(config, 2) : [];
  return {
    classes,
    task: {
      name: classify ? "image-classification" : "image-features",
      labels: classes,
      problem: undefined,
      maximumLength: undefined,
      imageSize: size,
    },
  };
}

export const vit: Design = (config, weights) => {
  const width = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const inner = config.size("intermediate_size");
  const layers = config.size("num_hidden_layers", undefined, mostLayers);
  const channels = config.size("num_channels", 3);
  const image = pairOf(config, "image_size", 224);
  const patch = pairOf(config, "patch_size", 16);
  const epsilon = config.number("layer_norm_eps", 1e-12);
  const activation = config.text("hidden_act", "gelu");
  const bias = config.flag("qkv_bias", true);
  const { classes, task } = taskOf(config, image);
  const prefix = weights.prefix("vit");
  const pooler = `${prefix}pooler.dense`;
  const pooled = weights.has(`${pooler}.weight`);

  const encode = (net: Network, pixels: Value): Value => {
    const [batch] = pixels.type.shape as [number];
    const name = `${prefix}embeddings.patch_embeddings.projection`;
    const kernel = net.weights.kernel(`${name}.weight`, patch, channels, width);
    const patches = net.add(
      net.convolution(channelsLast(net, pixels), net.weight(kernel), {
        strides: patch,
        padding: [
          [0, 0],
          [0, 0],
        ],
      }),
      net.parameter(`${name}.bias`, [width]),
    );
    const [, rows, columns] = patches.type.shape as [number, number, number];
    const count = rows * columns;
    const first = net.broadcast(net.parameter(`${prefix}embeddings.cls_token`, [1, 1, width]), [batch, 1, width]);
    let x = net.concatenate([first, net.reshape(patches, [batch, count, width])], 1);
    x = net.add(x, net.parameter(`${prefix}embeddings.position_embeddings`, [1, count + 1, width]));
    const scale = 1 / Math.sqrt(width / heads);
    for (let i = 0; i < layers; i++) {
      const at = `${prefix}encoder.layer.${i}.`;
      const normal = net.norm(x, `${at}layernorm_before`, epsilon);
      const [q, k, v] = ["query", "key", "value"].map((part) =>
        net.splitHeads(net.linear(normal, `${at}attention.attention.${part}`, width, { bias }), heads),
      ) as [Value, Value, Value];
      const attended = net.joinHeads(net.attend(q, k, v, { scale }));
      x = net.add(net.linear(attended, `${at}attention.output.dense`, width), x);
      const second = net.norm(x, `${at}layernorm_after`, epsilon);
      const wide = net.activate(net.linear(second, `${at}intermediate.dense`, inner), activation);
      x = net.add(net.linear(wide, `${at}output.dense`, width), x);
    }
    return net.norm(x, `${prefix}layernorm`, epsilon);
  };
  const inputs = [floats("pixel_values", "batch", channels, ...image)];
  const token = (net: Network, x: Value) => {
    const [batch] = x.type.shape as [number];
    return net.reshape(net.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
  };
  const patches = Math.floor(image[0] / patch[0]) * Math.floor(image[1] / patch[1]);
  const features: Entry = {
    signature: {
      name: classes.length > 0 ? "features" : "default",
      inputs,
      outputs: [
        floats("last_hidden_state", "batch", patches + 1, width),
        ...(pooled ? [floats("pooler_output", "batch", width)] : []),
      ],
    },
    write: (net, { pixel_values: pixels }) => {
      const x = encode(net, pixels!);
      if (!pooled) return { outputs: { last_hidden_state: x } };
      const summary = net.plain("tanh", net.linear(token(net, x), pooler, width));
      return { outputs: { last_hidden_state: x, pooler_output: summary } };
    },
  };
  const classify: Entry = {
    signature: { name: "default", inputs, outputs: [floats("logits", "batch", classes.length)] },
    write: (net, { pixel_values: pixels }) => ({
      outputs: { logits: net.linear(token(net, encode(net, pixels!)), "classifier", classes.length) },
    }),
  };
  return { task, entries: classes.length > 0 ? [classify, features] : [features] };
};

/** PyTorch's epsilon of batch normalisation, which ResNet's configuration does not name. */
const normEpsilon = 1e-5;

/** A convolution without bias, padded by half its size, and its normalisation as a scale and an offset. */
function convolve(
  net: Network,
  x: Value,
  name: string,
  options: { outputs: number; size: number; stride: number; activation: string },
): Value {
  const { outputs, size, stride } = options;
  const side = Math.floor(size / 2);
  const padding = [side, side] as const;
  net.layers.set("Conv2d", (net.layers.get("Conv2d") ?? 0) + 1);
  net.origin = `Conv2d "${name}"`;
  const kernel = net.weights.kernel(`${name}.convolution.weight`, [size, size], x.type.shape[3]!, outputs);
  const y = net.convolution(x, net.weight(kernel), { strides: [stride, stride], padding: [padding, padding] });
  return net.activate(batchNorm(net, y, `${name}.normalization`, normEpsilon), options.activation);
}

/** (x - mean) / sqrt(variance + epsilon) * weight + bias with everything known: one product and one sum. */
export function batchNorm(
  net: Network,
  x: Value,
  name: string,
  epsilon: number,
  has: { scale?: boolean; offset?: boolean } = {},
): Value {
  const count = x.type.shape.at(-1)!;
  const get = (part: string): Tensor => net.weights.widened(net.weights.tensor(`${name}.${part}`, [count]));
  const mean = get("running_mean");
  const variance = get("running_var");
  const weight = has.scale === false ? undefined : get("weight");
  const bias = has.offset === false ? undefined : get("bias");
  const factor = (i: number) => (weight ? Number(weight.data[i]) : 1) / Math.sqrt(Number(variance.data[i]) + epsilon);
  const make = (value: (i: number) => number): Tensor => {
    const result = zeros("f32", [count]);
    for (let i = 0; i < count; i++) result.data[i] = value(i);
    return result;
  };
  const type = { dtype: "f32", shape: [count] } as const;
  const scale = net.weights.view(`${name}.factor`, type, () => make(factor));
  const offset = net.weights.view(`${name}.offset`, type, () =>
    make((i) => (bias ? Number(bias.data[i]) : 0) - Number(mean.data[i]) * factor(i)),
  );
  return net.add(net.multiply(x, net.weight(scale)), net.weight(offset));
}

export const resnet: Design = (config, weights) => {
  const channels = config.size("num_channels", 3);
  const embedding = config.size("embedding_size", 64);
  const widths = config.sizes("hidden_sizes");
  const depths = config.sizes("depths", undefined, mostLayers);
  const activation = config.text("hidden_act", "relu");
  const bottleneck = config.text("layer_type", "bottleneck") === "bottleneck";
  const early = config.flag("downsample_in_first_stage", false);
  const narrow = config.flag("downsample_in_bottleneck", false);
  const { classes, task } = taskOf(config, undefined);
  const prefix = weights.prefix("resnet");

  const layer = (net: Network, x: Value, at: string, outputs: number, stride: number): Value => {
    const inputs = x.type.shape[3]!;
    const shortcut =
      inputs === outputs && stride === 1
        ? x
        : convolve(net, x, `${at}.shortcut`, { outputs, size: 1, stride, activation: "linear" });
    let y = x;
    if (bottleneck) {
      const reduced = Math.floor(outputs / 4);
      const [one, two] = narrow ? [stride, 1] : [1, stride];
      y = convolve(net, y, `${at}.layer.0`, { outputs: reduced, size: 1, stride: one, activation });
      y = convolve(net, y, `${at}.layer.1`, { outputs: reduced, size: 3, stride: two, activation });
      y = convolve(net, y, `${at}.layer.2`, { outputs, size: 1, stride: 1, activation: "linear" });
    } else {
      y = convolve(net, y, `${at}.layer.0`, { outputs, size: 3, stride, activation });
      y = convolve(net, y, `${at}.layer.1`, { outputs, size: 3, stride: 1, activation: "linear" });
    }
    return net.activate(net.add(y, shortcut), activation);
  };
  const encode = (net: Network, pixels: Value): Value => {
    let x = convolve(net, channelsLast(net, pixels), `${prefix}embedder.embedder`, {
      outputs: embedding,
      size: 7,
      stride: 2,
      activation,
    });
    net.origin = "pooling";
    x = net.window("maximum", x, {
      size: [1, 3, 3, 1],
      strides: [1, 2, 2, 1],
      padding: [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
    });
    depths.forEach((depth, stage) => {
      for (let i = 0; i < depth; i++) {
        const stride = i === 0 && (stage > 0 || early) ? 2 : 1;
        x = layer(net, x, `${prefix}encoder.stages.${stage}.layers.${i}`, widths[stage]!, stride);
      }
    });
    return x;
  };
  const last = widths.at(-1)!;
  const inputs = [floats("pixel_values", "batch", channels, "height", "width")];
  const limits = { height: 4096, width: 4096 };
  const features: Entry = {
    signature: {
      name: classes.length > 0 ? "features" : "default",
      inputs,
      outputs: [
        floats("last_hidden_state", "batch", last, "rows", "columns"),
        floats("pooler_output", "batch", last, 1, 1),
      ],
    },
    limits,
    write: (net, { pixel_values: pixels }) => {
      const x = encode(net, pixels!);
      const [batch] = x.type.shape as [number];
      return {
        outputs: {
          last_hidden_state: net.transpose(x, [0, 3, 1, 2]),
          pooler_output: net.reshape(net.mean(x, [1, 2]), [batch, last, 1, 1]),
        },
      };
    },
  };
  const classify: Entry = {
    signature: { name: "default", inputs, outputs: [floats("logits", "batch", classes.length)] },
    limits,
    write: (net, { pixel_values: pixels }) => ({
      outputs: { logits: net.linear(net.mean(encode(net, pixels!), [1, 2]), "classifier.1", classes.length) },
    }),
  };
  return { task, entries: classes.length > 0 ? [classify, features] : [features] };
};
