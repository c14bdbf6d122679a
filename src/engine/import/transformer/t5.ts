// T5: an encoder and a decoder with relative positions; with a cache for generating. Sources: the paper (Raffel et al.
// 2020), and what Transformers' module computes.

import type { Value } from "../../hlo/graph.ts";
import type { Design } from "./architecture.ts";
import { type Config, mostLayers } from "./config.ts";
import { longestCache } from "./decoder.ts";
import type { Network } from "./network.ts";
import { type Pair, pairOf, type Sight } from "./pair.ts";
import { bucketOf } from "./positions.ts";

interface Sizes {
  readonly width: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly inner: number;
  readonly layers: number;
  readonly decoderLayers: number;
  readonly vocabulary: number;
  readonly epsilon: number;
  readonly buckets: number;
  readonly farthest: number;
  readonly activation: string;
  readonly gated: boolean;
  readonly tied: boolean;
}

function sizesOf(config: Config): Sizes {
  const layers = config.size("num_layers", undefined, mostLayers);
  const feed = config.text("feed_forward_proj", "relu");
  const gated = feed.startsWith("gated-");
  const activation = feed.replace(/^gated-/, "");
  return {
    width: config.size("d_model"),
    heads: config.size("num_heads"),
    headWidth: config.size("d_kv"),
    inner: config.size("d_ff"),
    layers,
    decoderLayers: config.size("num_decoder_layers", layers, mostLayers),
    vocabulary: config.size("vocab_size"),
    epsilon: config.number("layer_norm_epsilon", 1e-6),
    buckets: config.size("relative_attention_num_buckets", 32),
    farthest: config.size("relative_attention_max_distance", 128),
    // The published networks say "gated-gelu" and mean the approximation.
    activation: gated && activation === "gelu" ? "gelu_new" : activation,
    gated,
    tied: config.flag("tie_word_embeddings", true),
  };
}

/** Queries, keys or values of an attention: [batch, heads, n, width]. */
function project(net: Network, x: Value, name: string, { heads, headWidth }: Sizes): Value {
  return net.splitHeads(net.linear(x, name, heads * headWidth, { bias: false }), heads);
}

function joined(net: Network, x: Value, at: string, { width }: Sizes): Value {
  return net.linear(net.joinHeads(x), `${at}.o`, width, { bias: false });
}

/** The feed-forward part of a block. */
function feed(net: Network, x: Value, at: string, { inner, width, epsilon, gated, activation }: Sizes): Value {
  const normal = net.rmsNorm(x, `${at}layer_norm`, epsilon);
  const dense = (name: string) => net.linear(normal, `${at}DenseReluDense.${name}`, inner, { bias: false });
  const wide = gated
    ? net.multiply(net.activate(dense("wi_0"), activation), dense("wi_1"))
    : net.activate(dense("wi"), activation);
  return net.add(x, net.linear(wide, `${at}DenseReluDense.wo`, width, { bias: false }));
}

/** A bias for each head by the distances key - query, listed as a matrix: [1, heads, rows, columns]. */
function distanceBias(
  net: Network,
  stack: "encoder" | "decoder",
  distances: { rows: number; columns: number; at: (row: number, column: number) => number },
  { buckets: count, farthest, heads }: Sizes,
): Value {
  const bidirectional = stack === "encoder";
  const known = new Map<number, number>();
  const bucket = (row: number, column: number): number => {
    const distance = distances.at(row, column);
    let found = known.get(distance);
    if (found === undefined) {
      found = bucketOf(distance, { bidirectional, count, farthest });
      known.set(distance, found);
    }
    return found;
  };
  const name = `${stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;
  return net.bucketBias(name, { count, heads }, { rows: distances.rows, columns: distances.columns, bucket });
}

function embed(net: Network, tokens: Value, { vocabulary, width }: Sizes): Value {
  return net.embedding(tokens, "shared", vocabulary, width);
}

function encode(net: Network, tokens: Value, mask: Value, sizes: Sizes): Value {
  const [, n] = tokens.type.shape as [number, number];
  let x = embed(net, tokens, sizes);
  const places = distanceBias(net, "encoder", { rows: n, columns: n, at: (row, column) => column - row }, sizes);
  const bias = net.add(places, net.maskBias(mask));
  for (let i = 0; i < sizes.layers; i++) {
    const at = `encoder.block.${i}.layer.`;
    const normal = net.rmsNorm(x, `${at}0.layer_norm`, sizes.epsilon);
    const [q, k, v] = ["q", "k", "v"].map((name) => project(net, normal, `${at}0.SelfAttention.${name}`, sizes)) as [
      Value,
      Value,
      Value,
    ];
    x = net.add(x, joined(net, net.attend(q, k, v, { bias }), `${at}0.SelfAttention`, sizes));
    x = feed(net, x, `${at}1.`, sizes);
  }
  return net.rmsNorm(x, "encoder.final_layer_norm", sizes.epsilon);
}

function decode(net: Network, tokens: Value, sight: Sight, sizes: Sizes): Value {
  let x = embed(net, tokens, sizes);
  for (let i = 0; i < sizes.decoderLayers; i++) {
    const at = `decoder.block.${i}.layer.`;
    const normal = net.rmsNorm(x, `${at}0.layer_norm`, sizes.epsilon);
    const [q, k, v] = ["q", "k", "v"].map((name) => project(net, normal, `${at}0.SelfAttention.${name}`, sizes)) as [
      Value,
      Value,
      Value,
    ];
    x = net.add(x, joined(net, sight.own(i, q, k, v), `${at}0.SelfAttention`, sizes));
    const second = net.rmsNorm(x, `${at}1.layer_norm`, sizes.epsilon);
    const asked = project(net, second, `${at}1.EncDecAttention.q`, sizes);
    x = net.add(x, joined(net, sight.encoder(i, asked), `${at}1.EncDecAttention`, sizes));
    x = feed(net, x, `${at}2.`, sizes);
  }
  return net.rmsNorm(x, "decoder.final_layer_norm", sizes.epsilon);
}

function logits(net: Network, x: Value, { width, vocabulary, tied }: Sizes): Value {
  if (!tied) return net.product(x, net.weights.matrix("lm_head.weight", width, vocabulary));
  // Tied networks scale what goes into the shared matrix.
  const scaled = net.with("multiply", x, width ** -0.5);
  return net.product(scaled, { tensor: net.weights.tensor("shared.weight", [vocabulary, width]), transposed: true });
}

/** The keys and values that the decoder's layers see of the encoder. */
function crossed(net: Network, hidden: Value, layer: number, sizes: Sizes): { k: Value; v: Value } {
  const at = `decoder.block.${layer}.layer.1.EncDecAttention.`;
  return { k: project(net, hidden, `${at}k`, sizes), v: project(net, hidden, `${at}v`, sizes) };
}

/** Biases of one query at `position` to every entry of the cache: a window of those of all distances. */
function windowBias(net: Network, position: Value, length: number, sizes: Sizes): Value {
  const all = distanceBias(
    net,
    "decoder",
    { rows: 1, columns: 2 * length - 1, at: (_, column) => column - (length - 1) },
    sizes,
  );
  const zero = net.scalar("i32", 0);
  const start = net.subtract(net.scalar("i32", length - 1), position);
  return net.op("dynamicSlice", [all, zero, zero, zero, start], { sizes: [1, sizes.heads, 1, length] });
}

export const t5: Design = (config) => {
  const sizes = sizesOf(config);
  const style: Pair = {
    ...sizes,
    keyWidth: sizes.headWidth,
    maximumLength: longestCache,
    cacheLength: Math.min(config.size("n_positions", 512), longestCache),
    encode: (net, tokens, mask) => encode(net, tokens, mask, sizes),
    crossed: (net, hidden, layer) => crossed(net, hidden, layer, sizes),
    decode: (net, tokens, _, sight) => decode(net, tokens, sight, sizes),
    logits: (net, x) => logits(net, x, sizes),
    bias: (net, n) =>
      net.add(
        distanceBias(net, "decoder", { rows: n, columns: n, at: (row, column) => column - row }, sizes),
        net.causalBias(n, n),
      ),
    stepBias: (net, position, length) =>
      net.add(windowBias(net, position, length, sizes), net.causalBias(1, length, position)),
  };
  return pairOf(config, style);
};
