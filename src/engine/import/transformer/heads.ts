// Heads of encoders: what is computed from their results, by task.

import type { Value } from "../../hlo/graph.ts";
import type { ModelPort } from "../../model.ts";
import { floats, type Values } from "./architecture.ts";
import type { Config } from "./config.ts";
import type { TaskName } from "./contract.ts";
import type { Network } from "./network.ts";

/** What an encoder computed, for the heads. */
export interface Encoded {
  /** [batch, sequence, hidden] */
  readonly hidden: Value;
  /** [batch, hidden]; undefined when the network has no pooler. */
  readonly pooled: Value | undefined;
  readonly mask: Value;
  /** The word embeddings: the output layer of masked language models. */
  readonly words: { readonly name: string; readonly width: number; readonly count: number };
}

/** Numbers that every encoder's configuration has. */
export interface Dimensions {
  readonly hidden: number;
  readonly vocabulary: number;
  readonly epsilon: number;
  readonly activation: string;
}

export function dimensionsOf(config: Config): Dimensions {
  return {
    hidden: config.size(["hidden_size", "dim"]),
    vocabulary: config.size("vocab_size"),
    epsilon: config.number("layer_norm_eps", 1e-12),
    activation: config.text(["hidden_act", "activation"], "gelu"),
  };
}

/** [batch, sequence, hidden] -> [batch, hidden] of the first token. */
export function firstToken(net: Network, x: Value): Value {
  const [batch, , width] = x.type.shape as [number, number, number];
  return net.reshape(net.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
}

export interface Head {
  outputs(config: Config, classes: number): readonly ModelPort[];
  write(net: Network, encoded: Encoded, config: Config, classes: number): Values;
}

type Chain = (net: Network, encoded: Encoded, config: Config) => Value;

/** A chain of layers to the vector that is classified, then a dense layer. */
function classifier(name: string, before: Chain): Head {
  return {
    outputs: (_, classes) => [floats("logits", "batch", classes)],
    write: (net, encoded, config, classes) => ({ logits: net.linear(before(net, encoded, config), name, classes) }),
  };
}

const pooled: Chain = (net, { pooled: done, hidden }, config) =>
  // Without a pooler in the checkpoint its weights are asked for, so that the message names them.
  done ?? net.linear(firstToken(net, hidden), "pooler.dense", dimensionsOf(config).hidden);

const denseFirst =
  (name: string, activation: string): Chain =>
  (net, { hidden }, config) =>
    net.activate(net.linear(firstToken(net, hidden), name, dimensionsOf(config).hidden), activation);

const tokens: Head = {
  outputs: (_, classes) => [floats("logits", "batch", "sequence", classes)],
  write: (net, { hidden }, _, classes) => ({ logits: net.linear(hidden, "classifier", classes) }),
};

const answers: Head = {
  outputs: () => [floats("start_logits", "batch", "sequence"), floats("end_logits", "batch", "sequence")],
  write: (net, { hidden }) => {
    const both = net.linear(hidden, "qa_outputs", 2);
    const [batch, n] = both.type.shape as [number, number];
    const part = (i: number) => net.reshape(net.slice(both, [0, 0, i], [batch, n, i + 1]), [batch, n]);
    return { start_logits: part(0), end_logits: part(1) };
  },
};

/** Names of a masked language model's layers. The output matrix is that of the word embeddings. */
function masked(names: {
  dense: string;
  norm: string;
  bias: string;
  decoder: string;
  activation?: string;
  width?: boolean;
}): Head {
  return {
    outputs: (config) => [floats("logits", "batch", "sequence", config.size("vocab_size"))],
    write: (net, { hidden, words }, config) => {
      const { activation, epsilon, hidden: size } = dimensionsOf(config);
      const width = names.width ? words.width : size;
      const dense = net.activate(net.linear(hidden, names.dense, width), names.activation ?? activation);
      const normal = net.norm(dense, names.norm, epsilon);
      // Untied output layers are saved on their own.
      const own = net.weights.has(`${names.decoder}.weight`);
      const matrix = own
        ? net.weights.matrix(`${names.decoder}.weight`, width, words.count)
        : { tensor: net.weights.tensor(words.name, [words.count, words.width]), transposed: true };
      return { logits: net.add(net.product(normal, matrix), net.parameter(names.bias, [words.count])) };
    },
  };
}

type Heads = Readonly<Partial<Record<TaskName, Head>>>;

const common: Heads = { "token-classification": tokens, "question-answering": answers };

export const heads: Readonly<Record<string, Heads>> = {
  bert: {
    ...common,
    "sequence-classification": classifier("classifier", pooled),
    "masked-lm": masked({
      dense: "cls.predictions.transform.dense",
      norm: "cls.predictions.transform.LayerNorm",
      bias: "cls.predictions.bias",
      decoder: "cls.predictions.decoder",
    }),
  },
  roberta: {
    ...common,
    "sequence-classification": classifier("classifier.out_proj", denseFirst("classifier.dense", "tanh")),
    "masked-lm": masked({
      dense: "lm_head.dense",
      norm: "lm_head.layer_norm",
      bias: "lm_head.bias",
      decoder: "lm_head.decoder",
      activation: "gelu",
    }),
  },
  mpnet: {
    ...common,
    "sequence-classification": classifier("classifier.out_proj", denseFirst("classifier.dense", "tanh")),
    "masked-lm": masked({
      dense: "lm_head.dense",
      norm: "lm_head.layer_norm",
      bias: "lm_head.bias",
      decoder: "lm_head.decoder",
      activation: "gelu",
    }),
  },
  distilbert: {
    ...common,
    "sequence-classification": classifier("classifier", denseFirst("pre_classifier", "relu")),
    "masked-lm": masked({
      dense: "vocab_transform",
      norm: "vocab_layer_norm",
      bias: "vocab_projector.bias",
      decoder: "vocab_projector",
    }),
  },
  electra: {
    ...common,
    "sequence-classification": classifier("classifier.out_proj", denseFirst("classifier.dense", "gelu")),
    "masked-lm": masked({
      dense: "generator_predictions.dense",
      norm: "generator_predictions.LayerNorm",
      bias: "generator_lm_head.bias",
      decoder: "generator_lm_head",
      activation: "gelu",
      width: true,
    }),
    "replaced-token-detection": {
      outputs: () => [floats("logits", "batch", "sequence")],
      write: (net, { hidden }, config) => {
        const { activation, hidden: size } = dimensionsOf(config);
        const dense = net.activate(net.linear(hidden, "discriminator_predictions.dense", size), activation);
        const scores = net.linear(dense, "discriminator_predictions.dense_prediction", 1);
        return { logits: net.reshape(scores, scores.type.shape.slice(0, 2)) };
      },
    },
  },
  albert: {
    ...common,
    "sequence-classification": classifier("classifier", pooled),
    "masked-lm": masked({
      dense: "predictions.dense",
      norm: "predictions.LayerNorm",
      bias: "predictions.bias",
      decoder: "predictions.decoder",
      width: true,
    }),
  },
};
