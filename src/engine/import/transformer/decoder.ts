// Decoders of text that generate: GPT-2, GPT-NeoX and Llama with its kin, with and without a cache of what was read.
// Sources: the papers, and what Transformers' modules compute.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import type { ModelPort } from "../../model.ts";
import {
  type Design,
  type Entry,
  type Extents,
  floats,
  ids,
  savedClass,
  type StateType,
  type Values,
} from "./architecture.ts";
import { type Config, mostLayers } from "./config.ts";
import type { CausalGeneration } from "./contract.ts";
import type { Network } from "./network.ts";
import type { Parameters } from "./parameters.ts";
import { rotaryTables } from "./positions.ts";

/** Most tokens that caches are made for: they are allocated whole. */
export const longestCache = 1024;
/** Most positions that tables of rotary angles are made for. */
const longestText = 8192;

/** Attention of one layer over what it may see: queries, keys and values [batch, heads, tokens, width]. */
type Attend = (layer: number, q: Value, k: Value, v: Value) => Value;

/** Where the tokens stand: as a vector [tokens] of i32, and how many there are. */
interface Places {
  readonly count: number;
  readonly indices: Value;
}

/** An architecture of decoders. */
interface Style {
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headWidth: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly maximumLength: number;
  /** The last layer's normalised result. */
  run(net: Network, tokens: Value, places: Places, attend: Attend): Value;
  logits(net: Network, x: Value): Value;
}

/** The matrix of the word embeddings, used as output layer when the network has none of its own. */
function output(
  net: Network,
  x: Value,
  style: { own: string; tied: string; width: number; vocabulary: number },
): Value {
  const { own, tied, width, vocabulary } = style;
  if (net.weights.has(own)) return net.product(x, net.weights.matrix(own, width, vocabulary));
  return net.product(x, { tensor: net.weights.tensor(tied, [vocabulary, width]), transposed: true });
}

function part(net: Network, x: Value, from: number, to: number): Value {
  const { shape } = x.type;
  const last = shape.length - 1;
  return net.slice(
    x,
    shape.map((_, i) => (i === last ? from : 0)),
    shape.map((extent, i) => (i === last ? to : extent)),
  );
}

function gpt2(config: Config, weights: Parameters): Style {
  const prefix = weights.prefix("transformer");
  const width = config.size(["n_embd", "hidden_size"]);
  const heads = config.size(["n_head", "num_attention_heads"]);
  const layers = config.size(["n_layer", "num_hidden_layers"], undefined, mostLayers);
  const vocabulary = config.size("vocab_size");
  const maximumLength = config.size(["n_positions", "max_position_embeddings", "n_ctx"]);
  const inner = config.size("n_inner", 4 * width);
  const epsilon = config.number("layer_norm_epsilon", 1e-5);
  const activation = config.text("activation_function", "gelu_new");
  for (const name of ["scale_attn_by_inverse_layer_idx", "add_cross_attention"]) {
    if (config.flag(name, false)) throw new UnsupportedFormat(`config.json: "${name}" is not built`);
  }
  const headWidth = width / heads;
  const scale = config.flag("scale_attn_weights", true) ? 1 / Math.sqrt(headWidth) : undefined;
  return {
    layers,
    heads,
    keyHeads: heads,
    headWidth,
    width,
    vocabulary,
    maximumLength,
    run: (net, tokens, { indices }, attend) => {
      const places = net.embedding(indices, `${prefix}wpe`, maximumLength, width);
      let x = net.add(net.embedding(tokens, `${prefix}wte`, vocabulary, width), places);
      for (let i = 0; i < layers; i++) {
        const at = `${prefix}h.${i}.`;
        const three = net.linear(net.norm(x, `${at}ln_1`, epsilon), `${at}attn.c_attn`, 3 * width, { swapped: true });
        const [q, k, v] = [0, 1, 2].map((n) => net.splitHeads(part(net, three, n * width, (n + 1) * width), heads)) as [
          Value,
          Value,
          Value,
        ];
        const scaled = scale === undefined ? q : net.with("multiply", q, scale);
        const attended = net.joinHeads(attend(i, scaled, k, v));
        x = net.add(x, net.linear(attended, `${at}attn.c_proj`, width, { swapped: true }));
        const wide = net.linear(net.norm(x, `${at}ln_2`, epsilon), `${at}mlp.c_fc`, inner, { swapped: true });
        x = net.add(x, net.linear(net.activate(wide, activation), `${at}mlp.c_proj`, width, { swapped: true }));
      }
      return net.norm(x, `${prefix}ln_f`, epsilon);
    },
    logits: (net, x) => output(net, x, { own: "lm_head.weight", tied: `${prefix}wte.weight`, width, vocabulary }),
  };
}

/** Rotary positions: the first `turned` numbers of each head turn by an angle that grows with the position. */
function rotary(config: Config, turned: number, maximumLength: number) {
  if (turned < 2 || turned % 2 !== 0) {
    throw new UnsupportedFormat(`config.json: rotary positions on ${turned} numbers of a head`);
  }
  const { cosine, sine } = rotaryTables(config, turned, maximumLength);
  return (net: Network, { indices, count }: Places) => {
    net.origin = "rotary positions";
    const shape = [1, 1, count, turned / 2];
    const [c, s] = [cosine, sine].map((table) => net.reshape(net.rows(net.constant(table), indices), shape)) as [
      Value,
      Value,
    ];
    return (x: Value): Value => {
      const size = x.type.shape[3]!;
      const [a, b] = [part(net, x, 0, turned / 2), part(net, x, turned / 2, turned)];
      const parts = [
        net.subtract(net.multiply(a, c), net.multiply(b, s)),
        net.add(net.multiply(b, c), net.multiply(a, s)),
      ];
      if (turned < size) parts.push(part(net, x, turned, size));
      return net.concatenate(parts, 3);
    };
  };
}

function neox(config: Config, weights: Parameters): Style {
  const prefix = weights.prefix("gpt_neox");
  const width = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const layers = config.size("num_hidden_layers", undefined, mostLayers);
  const vocabulary = config.size("vocab_size");
  const maximumLength = Math.min(config.size("max_position_embeddings"), longestText);
  const inner = config.size("intermediate_size");
  const epsilon = config.number("layer_norm_eps", 1e-5);
  const activation = config.text("hidden_act", "gelu");
  const parallel = config.flag("use_parallel_residual", true);
  const bias = config.flag("attention_bias", true);
  const headWidth = width / heads;
  const turned = Math.trunc(headWidth * config.number("rotary_pct", 0.25));
  const turn = rotary(config, turned, maximumLength);
  const scale = 1 / Math.sqrt(headWidth);
  return {
    layers,
    heads,
    keyHeads: heads,
    headWidth,
    width,
    vocabulary,
    maximumLength,
    run: (net, tokens, places, attend) => {
      const rotate = turn(net, places);
      let x = net.embedding(tokens, `${prefix}embed_in`, vocabulary, width);
      for (let i = 0; i < layers; i++) {
        const at = `${prefix}layers.${i}.`;
        const normal = net.norm(x, `${at}input_layernorm`, epsilon);
        // Queries, keys and values of each head lie together.
        const three = net.splitHeads(net.linear(normal, `${at}attention.query_key_value`, 3 * width, { bias }), heads);
        const [q, k, v] = [0, 1, 2].map((n) => part(net, three, n * headWidth, (n + 1) * headWidth)) as [
          Value,
          Value,
          Value,
        ];
        const joined = net.joinHeads(attend(i, net.with("multiply", rotate(q), scale), rotate(k), v));
        const attended = net.linear(joined, `${at}attention.dense`, width, { bias });
        const before = parallel ? x : net.add(x, attended);
        const second = net.norm(before, `${at}post_attention_layernorm`, epsilon);
        const wide = net.activate(net.linear(second, `${at}mlp.dense_h_to_4h`, inner), activation);
        const fed = net.linear(wide, `${at}mlp.dense_4h_to_h`, width);
        x = parallel ? net.add(net.add(fed, attended), x) : net.add(fed, before);
      }
      return net.norm(x, `${prefix}final_layer_norm`, epsilon);
    },
    logits: (net, x) =>
      output(net, x, { own: "embed_out.weight", tied: `${prefix}embed_in.weight`, width, vocabulary }),
  };
}

function llama(config: Config, weights: Parameters): Style {
  const prefix = weights.prefix("model");
  const width = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const keyHeads = config.size("num_key_value_heads", heads);
  const layers = config.size("num_hidden_layers", undefined, mostLayers);
  const vocabulary = config.size("vocab_size");
  // Within the window that each token sees, sliding makes no difference.
  const window = config.text("model_type") === "mistral" ? config.size("sliding_window", longestText) : longestText;
  const maximumLength = Math.min(config.size("max_position_embeddings"), window, longestText);
  const inner = config.size("intermediate_size");
  const epsilon = config.number("rms_norm_eps", 1e-6);
  const activation = config.text("hidden_act", "silu");
  const headWidth = config.size("head_dim", width / heads);
  const qkvBias = config.flag("attention_bias", config.text("model_type") === "qwen2");
  const outBias = config.flag("attention_bias", false);
  const feedBias = config.flag("mlp_bias", false);
  if (heads % keyHeads !== 0) throw new FormatError(`config.json: ${keyHeads} key heads do not divide ${heads}`);
  if (config.flag("use_sliding_window", false)) {
    throw new UnsupportedFormat("config.json: sliding windows are not built");
  }
  const turn = rotary(config, headWidth, maximumLength);
  const scale = 1 / Math.sqrt(headWidth);
  return {
    layers,
    heads,
    keyHeads,
    headWidth,
    width,
    vocabulary,
    maximumLength,
    run: (net, tokens, places, attend) => {
      const rotate = turn(net, places);
      let x = net.embedding(tokens, `${prefix}embed_tokens`, vocabulary, width);
      for (let i = 0; i < layers; i++) {
        const at = `${prefix}layers.${i}.`;
        const normal = net.rmsNorm(x, `${at}input_layernorm`, epsilon);
        const project = (name: string, count: number) =>
          net.splitHeads(
            net.linear(normal, `${at}self_attn.${name}_proj`, count * headWidth, { bias: qkvBias }),
            count,
          );
        const [q, k, v] = [project("q", heads), project("k", keyHeads), project("v", keyHeads)];
        const joined = net.joinHeads(attend(i, net.with("multiply", rotate(q), scale), rotate(k), v));
        x = net.add(x, net.linear(joined, `${at}self_attn.o_proj`, width, { bias: outBias }));
        const second = net.rmsNorm(x, `${at}post_attention_layernorm`, epsilon);
        const gate = net.activate(net.linear(second, `${at}mlp.gate_proj`, inner, { bias: feedBias }), activation);
        const up = net.linear(second, `${at}mlp.up_proj`, inner, { bias: feedBias });
        x = net.add(x, net.linear(net.multiply(gate, up), `${at}mlp.down_proj`, width, { bias: feedBias }));
      }
      return net.rmsNorm(x, `${prefix}norm`, epsilon);
    },
    logits: (net, x) =>
      output(net, x, { own: "lm_head.weight", tied: `${prefix}embed_tokens.weight`, width, vocabulary }),
  };
}

const styles: Readonly<Record<string, (config: Config, weights: Parameters) => Style>> = {
  gpt2,
  gpt_neox: neox,
  llama,
  mistral: llama,
  qwen2: llama,
};

export const decoderTypes: readonly string[] = Object.keys(styles);

/** Row `index` of [batch, tokens, width]: [batch, width]. */
function row(net: Network, x: Value, index: Value): Value {
  const [batch, , width] = x.type.shape as [number, number, number];
  const zero = net.scalar("i32", 0);
  return net.reshape(net.op("dynamicSlice", [x, zero, index, zero], { sizes: [batch, 1, width] }), [batch, width]);
}

/** Tokens' ids from the configuration that generation needs. */
export function tokensOf(
  config: Config,
): Pick<CausalGeneration, "endTokens" | "padToken" | "forcedFirst" | "forcedLast"> {
  const first = (name: string) => config.tokens(name)[0];
  return {
    endTokens: config.tokens("eos_token_id"),
    padToken: first("pad_token_id"),
    forcedFirst: first("forced_bos_token_id"),
    forcedLast: first("forced_eos_token_id"),
  };
}

/** GPT-2 and its kin. */
export const decoder: Design = (config, weights) => {
  const saved = savedClass(config);
  if (saved !== "" && !/(LMHeadModel|ForCausalLM)$|Model$/.test(saved)) {
    throw new UnsupportedFormat(`config.json: ${saved} is not built`);
  }
  const style = styles[config.text("model_type")]!(config, weights);
  const { layers, heads, keyHeads, headWidth, vocabulary, maximumLength } = style;
  const headless = /[^d]Model$/.test(saved) && !saved.endsWith("LMHeadModel");
  if (style.width % heads !== 0) throw new FormatError(`config.json: ${heads} heads do not divide ${style.width}`);
  const cacheLength = Math.min(maximumLength, longestCache);
  const iota = (net: Network, count: number) => net.op("iota", [], { dtype: "i32", shape: [count], dimension: 0 });

  /** Each token sees itself and those before it, among the tokens given. */
  const among = (net: Network, n: number): Attend => {
    const bias = net.causalBias(n, n);
    return (_, q, k, v) => net.attend(q, k, v, { bias });
  };
  const names = Array.from({ length: layers }, (_, i) => [`key.${i}`, `value.${i}`] as const);
  const states = ({ batch }: Extents): StateType[] =>
    names.flat().map((name) => ({ name, dtype: "f32", shape: [batch!, keyHeads, cacheLength, headWidth] }));
  const lastLogits: ModelPort[] = [floats("logits", "batch", vocabulary)];

  const whole: Entry = {
    signature: {
      name: "default",
      inputs: [ids("input_ids", "batch", "sequence")],
      outputs: headless
        ? [floats("last_hidden_state", "batch", "sequence", style.width)]
        : [floats("logits", "batch", "sequence", vocabulary)],
    },
    limits: { sequence: maximumLength },
    write: (net, { input_ids: tokens }) => {
      const [, n] = tokens!.type.shape as [number, number];
      const x = style.run(net, tokens!, { count: n, indices: iota(net, n) }, among(net, n));
      return { outputs: headless ? { last_hidden_state: x } : { logits: style.logits(net, x) } };
    },
  };
  const prefill: Entry = {
    signature: { name: "prefill", inputs: [ids("input_ids", "batch", "sequence"), ids("length")], outputs: lastLogits },
    limits: { sequence: cacheLength },
    states,
    write: (net, { input_ids: tokens, length }, caches) => {
      const [, n] = tokens!.type.shape as [number, number];
      const updated: Record<string, Value> = {};
      const attend = among(net, n);
      const x = style.run(net, tokens!, { count: n, indices: iota(net, n) }, (layer, q, k, v) => {
        const [key, value] = names[layer]!;
        const start = net.scalar("i32", 0);
        updated[key] = net.append(caches[key]!, k, start);
        updated[value] = net.append(caches[value]!, v, start);
        return attend(layer, q, k, v);
      });
      const last = row(net, x, net.with("subtract", length!, 1));
      return { outputs: { logits: style.logits(net, last) }, states: updated };
    },
  };
  const decode: Entry = {
    signature: { name: "decode", inputs: [ids("input_ids", "batch", "tokens"), ids("position")], outputs: lastLogits },
    limits: { tokens: cacheLength },
    states,
    write: (net, { input_ids: tokens, position }, caches: Values) => {
      const [batch, n] = tokens!.type.shape as [number, number];
      const updated: Record<string, Value> = {};
      const bias = net.causalBias(n, cacheLength, position);
      const places = { count: n, indices: net.add(iota(net, n), position!) };
      const x = style.run(net, tokens!, places, (layer, q, k, v) => {
        const [key, value] = names[layer]!;
        updated[key] = net.append(caches[key]!, k, position!);
        updated[value] = net.append(caches[value]!, v, position!);
        return net.attend(q, updated[key], updated[value], { bias });
      });
      const last = net.reshape(net.slice(x, [0, n - 1, 0], [batch, n, style.width]), [batch, style.width]);
      return { outputs: { logits: style.logits(net, last) }, states: updated };
    },
  };
  return {
    task: {
      name: headless ? "features" : "text-generation",
      labels: [],
      problem: undefined,
      maximumLength,
      imageSize: undefined,
    },
    entries: headless ? [whole] : [whole, prefill, decode],
    ...(!headless && {
      generation: {
        kind: "causal",
        vocabulary,
        maximumLength,
        cacheLength,
        startToken: config.tokens("bos_token_id")[0],
        ...tokensOf(config),
      },
    }),
  };
};
