// BART and its kin: mBART, Marian and Pegasus, which differ in where norms stand and how positions are made. Sources: the
// papers, and what Transformers' modules compute.

import { FormatError } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import type { Design } from "./architecture.ts";
import { type Config, mostLayers } from "./config.ts";
import { longestCache } from "./decoder.ts";
import type { Network } from "./network.ts";
import { type Pair, pairOf, type Sight } from "./pair.ts";
import type { Parameters } from "./parameters.ts";
import { sinusoids } from "./positions.ts";

interface Kind {
  /** Norms before each part instead of after it, and one at the end. */
  readonly normFirst: boolean;
  /** A norm of the embeddings. */
  readonly normEmbeddings: boolean;
  /** Positions are sines; learned ones begin with two that nothing uses. */
  readonly sines: boolean;
}

const kinds: Readonly<Record<string, Kind>> = {
  bart: { normFirst: false, normEmbeddings: true, sines: false },
  mbart: { normFirst: true, normEmbeddings: true, sines: false },
  marian: { normFirst: false, normEmbeddings: false, sines: true },
  pegasus: { normFirst: true, normEmbeddings: false, sines: true },
};

export const bartTypes: readonly string[] = Object.keys(kinds);

const unusedPositions = 2;
/** PyTorch's own epsilon of layer norms, which the configurations do not name. */
const epsilon = 1e-5;

/** One of the two stacks. */
interface Stack {
  readonly at: string;
  readonly layers: number;
  readonly heads: number;
  readonly inner: number;
}

class Bart {
  readonly kind: Kind;
  readonly width: number;
  readonly vocabulary: number;
  readonly maximumLength: number;
  readonly encoder: Stack;
  readonly decoder: Stack;
  private readonly prefix: string;
  private readonly activation: string;
  private readonly scale: number;
  private readonly table: Tensor | undefined;
  /** Rows of a learned table of positions, without the unused ones. */
  private readonly positions: number;

  constructor(config: Config, weights: Parameters) {
    this.kind = kinds[config.text("model_type")]!;
    this.prefix = weights.prefix("model");
    this.width = config.size("d_model");
    this.vocabulary = config.size("vocab_size");
    this.maximumLength = Math.min(config.size("max_position_embeddings", 1024), longestCache);
    this.activation = config.text("activation_function", "gelu");
    this.scale = config.flag("scale_embedding", false) ? Math.sqrt(this.width) : 1;
    const stack = (name: "encoder" | "decoder"): Stack => ({
      at: `${this.prefix}${name}.`,
      layers: config.size(`${name}_layers`, undefined, mostLayers),
      heads: config.size(`${name}_attention_heads`),
      inner: config.size(`${name}_ffn_dim`),
    });
    this.encoder = stack("encoder");
    this.decoder = stack("decoder");
    for (const { heads } of [this.encoder, this.decoder]) {
      if (this.width % heads !== 0) throw new FormatError(`config.json: ${heads} heads do not divide ${this.width}`);
    }
    this.positions = config.size("max_position_embeddings", 1024);
    this.table = this.kind.sines ? sinusoids(this.maximumLength, this.width) : undefined;
  }

  private embed(net: Network, tokens: Value, { at }: Stack, first: Value | undefined): Value {
    const [, n] = tokens.type.shape as [number, number];
    const words = net.embedding(tokens, `${this.prefix}shared`, this.vocabulary, this.width);
    const scaled = this.scale === 1 ? words : net.with("multiply", words, this.scale);
    const skipped = this.table ? 0 : unusedPositions;
    const table = this.table
      ? net.constant(this.table)
      : net.parameter(`${at}embed_positions.weight`, [this.positions + unusedPositions, this.width]);
    let places: Value;
    if (first) {
      const row = net.with("add", first, skipped);
      places = net.op("dynamicSlice", [table, row, net.scalar("i32", 0)], { sizes: [n, this.width] });
    } else places = net.slice(table, [skipped, 0], [skipped + n, this.width]);
    const x = net.add(scaled, places);
    return this.kind.normEmbeddings ? net.norm(x, `${at}layernorm_embedding`, epsilon) : x;
  }

  private project(net: Network, x: Value, name: string, heads: number): Value {
    return net.splitHeads(net.linear(x, name, this.width), heads);
  }

  /** Queries are scaled before the products. */
  private queries(net: Network, x: Value, name: string, heads: number): Value {
    return net.with("multiply", this.project(net, x, name, heads), 1 / Math.sqrt(this.width / heads));
  }

  /** A part of a layer with its norm and its shortcut. */
  private part(net: Network, x: Value, norm: string, inside: (x: Value) => Value): Value {
    if (this.kind.normFirst) return net.add(x, inside(net.norm(x, norm, epsilon)));
    return net.norm(net.add(x, inside(x)), norm, epsilon);
  }

  private feed(net: Network, x: Value, at: string, inner: number): Value {
    return this.part(net, x, `${at}final_layer_norm`, (y) =>
      net.linear(net.activate(net.linear(y, `${at}fc1`, inner), this.activation), `${at}fc2`, this.width),
    );
  }

  private finish(net: Network, x: Value, { at }: Stack): Value {
    return this.kind.normFirst ? net.norm(x, `${at}layer_norm`, epsilon) : x;
  }

  encode(net: Network, tokens: Value, mask: Value): Value {
    const { encoder: stack } = this;
    let x = this.embed(net, tokens, stack, undefined);
    const bias = net.maskBias(mask);
    for (let i = 0; i < stack.layers; i++) {
      const at = `${stack.at}layers.${i}.`;
      x = this.part(net, x, `${at}self_attn_layer_norm`, (y) => {
        const q = this.queries(net, y, `${at}self_attn.q_proj`, stack.heads);
        const k = this.project(net, y, `${at}self_attn.k_proj`, stack.heads);
        const v = this.project(net, y, `${at}self_attn.v_proj`, stack.heads);
        return net.linear(net.joinHeads(net.attend(q, k, v, { bias })), `${at}self_attn.out_proj`, this.width);
      });
      x = this.feed(net, x, at, stack.inner);
    }
    return this.finish(net, x, stack);
  }

  crossed(net: Network, hidden: Value, layer: number): { k: Value; v: Value } {
    const at = `${this.decoder.at}layers.${layer}.encoder_attn.`;
    const { heads } = this.decoder;
    return {
      k: this.project(net, hidden, `${at}k_proj`, heads),
      v: this.project(net, hidden, `${at}v_proj`, heads),
    };
  }

  decode(net: Network, tokens: Value, first: Value | undefined, sight: Sight): Value {
    const { decoder: stack } = this;
    let x = this.embed(net, tokens, stack, first);
    for (let i = 0; i < stack.layers; i++) {
      const at = `${stack.at}layers.${i}.`;
      x = this.part(net, x, `${at}self_attn_layer_norm`, (y) => {
        const q = this.queries(net, y, `${at}self_attn.q_proj`, stack.heads);
        const k = this.project(net, y, `${at}self_attn.k_proj`, stack.heads);
        const v = this.project(net, y, `${at}self_attn.v_proj`, stack.heads);
        return net.linear(net.joinHeads(sight.own(i, q, k, v)), `${at}self_attn.out_proj`, this.width);
      });
      x = this.part(net, x, `${at}encoder_attn_layer_norm`, (y) => {
        const q = this.queries(net, y, `${at}encoder_attn.q_proj`, stack.heads);
        return net.linear(net.joinHeads(sight.encoder(i, q)), `${at}encoder_attn.out_proj`, this.width);
      });
      x = this.feed(net, x, at, stack.inner);
    }
    return this.finish(net, x, stack);
  }

  logits(net: Network, x: Value): Value {
    const { vocabulary, width } = this;
    const own = net.weights.has("lm_head.weight");
    const matrix = own
      ? net.weights.matrix("lm_head.weight", width, vocabulary)
      : { tensor: net.weights.tensor(`${this.prefix}shared.weight`, [vocabulary, width]), transposed: true };
    const product = net.product(x, matrix);
    if (!net.weights.has("final_logits_bias")) return product;
    return net.add(product, net.reshape(net.parameter("final_logits_bias", [1, vocabulary]), [vocabulary]));
  }
}

export const bart: Design = (config, weights) => {
  const network = new Bart(config, weights);
  const { heads, layers } = network.decoder;
  const style: Pair = {
    width: network.width,
    heads,
    keyWidth: network.width / heads,
    decoderLayers: layers,
    vocabulary: network.vocabulary,
    maximumLength: network.maximumLength,
    cacheLength: network.maximumLength,
    encode: (net, tokens, mask) => network.encode(net, tokens, mask),
    crossed: (net, hidden, layer) => network.crossed(net, hidden, layer),
    decode: (net, tokens, first, sight) => network.decode(net, tokens, first, sight),
    logits: (net, x) => network.logits(net, x),
    bias: (net, n) => net.causalBias(n, n),
    stepBias: (net, position, length) => net.causalBias(1, length, position),
  };
  return pairOf(config, style);
};
