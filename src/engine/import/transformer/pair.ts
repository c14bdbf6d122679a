// An encoder and a decoder that attends to it: the signatures that all such networks have, with caches for generating.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import {
  type Architecture,
  type Entry,
  type Extents,
  floats,
  ids,
  savedClass,
  type StateType,
  type Values,
} from "./architecture.ts";
import type { Config } from "./config.ts";
import { tokensOf } from "./decoder.ts";
import type { Network } from "./network.ts";

/** What a decoder's layer attends to: itself (given its new keys and values), and the encoder. */
export interface Sight {
  own(layer: number, q: Value, k: Value, v: Value): Value;
  encoder(layer: number, q: Value): Value;
}

/** Keys and values [batch, heads, n, width]. */
interface Crossed {
  readonly k: Value;
  readonly v: Value;
}

/** What such networks differ in. */
export interface Pair {
  readonly width: number;
  readonly heads: number;
  readonly keyWidth: number;
  readonly decoderLayers: number;
  readonly vocabulary: number;
  readonly maximumLength: number;
  readonly cacheLength: number;
  encode(net: Network, tokens: Value, mask: Value): Value;
  /** The keys and values that a layer of the decoder sees of the encoder's result. */
  crossed(net: Network, hidden: Value, layer: number): Crossed;
  /** `first` is the position of the first token: 0 when it is absent. */
  decode(net: Network, tokens: Value, first: Value | undefined, sight: Sight): Value;
  logits(net: Network, x: Value): Value;
  /** What is added to the scores of n tokens among themselves; later ones are hidden. */
  bias(net: Network, n: number): Value;
  /** The same for one token at a position, over a cache of this length. */
  stepBias(net: Network, position: Value, length: number): Value;
}

/** The architecture. States: keys and values of the encoder (and its mask), and of the decoder, for each layer. */
export function pairOf(config: Config, pair: Pair): Architecture {
  const { width, heads, keyWidth, decoderLayers, vocabulary, cacheLength, maximumLength } = pair;
  const saved = savedClass(config);
  const text = [ids("input_ids", "batch", "sequence"), ids("attention_mask", "batch", "sequence")];
  const task = { labels: [], problem: undefined, maximumLength: cacheLength, imageSize: undefined };
  const limits = { sequence: maximumLength, target: maximumLength };
  if (/For(?!ConditionalGeneration$)\w+$/.test(saved)) {
    throw new UnsupportedFormat(`config.json: ${saved} is not built`);
  }
  if (saved.endsWith("EncoderModel")) {
    const alone: Entry = {
      signature: {
        name: "default",
        inputs: text,
        outputs: [floats("last_hidden_state", "batch", "sequence", width)],
      },
      limits,
      write: (net, { input_ids: tokens, attention_mask: mask }) => ({
        outputs: { last_hidden_state: pair.encode(net, tokens!, mask!) },
      }),
    };
    return { task: { ...task, name: "features" }, entries: [alone] };
  }

  const whole: Entry = {
    signature: {
      name: "default",
      inputs: [...text, ids("decoder_input_ids", "batch", "target")],
      outputs: [
        floats("logits", "batch", "target", vocabulary),
        floats("encoder_last_hidden_state", "batch", "sequence", width),
      ],
    },
    limits,
    write: (net, { input_ids: tokens, attention_mask: mask, decoder_input_ids: target }) => {
      const hidden = pair.encode(net, tokens!, mask!);
      const [, n] = target!.type.shape as [number, number];
      const bias = pair.bias(net, n);
      const encoderBias = net.maskBias(mask!);
      const x = pair.decode(net, target!, undefined, {
        own: (_, q, k, v) => net.attend(q, k, v, { bias }),
        encoder: (layer, q) => {
          const { k, v } = pair.crossed(net, hidden, layer);
          return net.attend(q, k, v, { bias: encoderBias });
        },
      });
      return { outputs: { logits: pair.logits(net, x), encoder_last_hidden_state: hidden } };
    },
  };

  const layers = Array.from({ length: decoderLayers }, (_, i) => i);
  const caches = (batch: number, ...names: readonly string[]): StateType[] =>
    layers.flatMap((i) =>
      names.map((name): StateType => ({
        name: `${name}.${i}`,
        dtype: "f32",
        shape: [batch, heads, cacheLength, keyWidth],
      })),
    );
  const encoderStates = ({ batch }: Extents): StateType[] => [
    { name: "encoder.mask", dtype: "f32", shape: [batch!, cacheLength] },
    ...caches(batch!, "encoder.key", "encoder.value"),
  ];

  const encode: Entry = {
    signature: { name: "encode", inputs: text, outputs: [floats("last_hidden_state", "batch", "sequence", width)] },
    limits: { sequence: cacheLength },
    states: encoderStates,
    write: (net, { input_ids: tokens, attention_mask: mask }) => {
      const hidden = pair.encode(net, tokens!, mask!);
      const [, n] = tokens!.type.shape as [number, number];
      const rest = cacheLength - n;
      const states: Record<string, Value> = {
        "encoder.mask": net.pad(net.convert(mask!, "f32"), [0, 0], [0, rest]),
      };
      for (const i of layers) {
        const { k, v } = pair.crossed(net, hidden, i);
        states[`encoder.key.${i}`] = net.pad(k, [0, 0, 0, 0], [0, 0, rest, 0]);
        states[`encoder.value.${i}`] = net.pad(v, [0, 0, 0, 0], [0, 0, rest, 0]);
      }
      return { outputs: { last_hidden_state: hidden }, states };
    },
  };

  const decode: Entry = {
    signature: {
      name: "decode",
      inputs: [ids("decoder_input_ids", "batch", 1), ids("position")],
      outputs: [floats("logits", "batch", vocabulary)],
    },
    states: (extents) => [...encoderStates(extents), ...caches(extents["batch"]!, "key", "value")],
    write: (net, { decoder_input_ids: tokens, position }, states: Values) => {
      const updated: Record<string, Value> = {};
      const bias = pair.stepBias(net, position!, cacheLength);
      const encoderBias = net.maskBias(states["encoder.mask"]!);
      const x = pair.decode(net, tokens!, position, {
        own: (layer, q, k, v) => {
          const keys = net.append(states[`key.${layer}`]!, k, position!);
          const values = net.append(states[`value.${layer}`]!, v, position!);
          updated[`key.${layer}`] = keys;
          updated[`value.${layer}`] = values;
          return net.attend(q, keys, values, { bias });
        },
        encoder: (layer, q) =>
          net.attend(q, states[`encoder.key.${layer}`]!, states[`encoder.value.${layer}`]!, { bias: encoderBias }),
      });
      const [batch] = x.type.shape as [number, number, number];
      return { outputs: { logits: pair.logits(net, net.reshape(x, [batch, width])) }, states: updated };
    },
  };

  const start = config.tokens("decoder_start_token_id")[0] ?? config.tokens("pad_token_id")[0];
  return {
    task: { ...task, name: "text-to-text" },
    entries: [whole, encode, decode],
    generation: {
      kind: "encoder-decoder",
      vocabulary,
      maximumLength,
      cacheLength,
      startToken: start,
      ...tokensOf(config),
    },
  };
}
