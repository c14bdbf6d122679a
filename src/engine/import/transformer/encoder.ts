// Encoders of text: BERT and those that differ from it in names and details. Sources: the papers, and what
// Transformers' modules compute.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import { type Architecture, type Design, type Entry, ids, labelsOf, savedClass } from "./architecture.ts";
import { type Config, mostLayers } from "./config.ts";
import type { TaskName } from "./contract.ts";
import { dimensionsOf, type Encoded, firstToken, type Head, heads } from "./heads.ts";
import type { Network } from "./network.ts";
import { bucketOf } from "./positions.ts";

/** Where an encoder keeps its parameters, and what it does unlike BERT. */
interface Layout {
  readonly prefix: string;
  /** Names within `embeddings`; norms and tables. */
  readonly types: boolean;
  /** Positions count from padding + 1, over tokens that are not padding. */
  readonly countsPositions?: boolean;
  layer(index: number, config: Config): string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly intermediate: string;
  readonly outer: string;
  readonly outputNorm: string;
  /** A dense layer on the first token's result, with tanh. */
  readonly pooler?: string;
  /** From the embeddings' width to the hidden one. */
  readonly projection?: string;
  readonly relativeBias?: string;
}

const bert: Layout = {
  prefix: "bert",
  types: true,
  layer: (index) => `encoder.layer.${index}.`,
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  output: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  intermediate: "intermediate.dense",
  outer: "output.dense",
  outputNorm: "output.LayerNorm",
  pooler: "pooler.dense",
};

const { pooler: _, ...bertWithoutPooler } = bert;

const layouts: Readonly<Record<string, Layout>> = {
  bert,
  roberta: { ...bert, prefix: "roberta", countsPositions: true },
  electra: { ...bertWithoutPooler, prefix: "electra", projection: "embeddings_project" },
  distilbert: {
    prefix: "distilbert",
    types: false,
    layer: (index) => `transformer.layer.${index}.`,
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    output: "attention.out_lin",
    attentionNorm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    outer: "ffn.lin2",
    outputNorm: "output_layer_norm",
  },
  albert: {
    prefix: "albert",
    types: true,
    layer: (index, config) => {
      const groups = config.size("num_hidden_groups", 1);
      const group = Math.floor(index / (config.size("num_hidden_layers") / groups));
      return `encoder.albert_layer_groups.${group}.albert_layers.0.`;
    },
    query: "attention.query",
    key: "attention.key",
    value: "attention.value",
    output: "attention.dense",
    attentionNorm: "attention.LayerNorm",
    intermediate: "ffn",
    outer: "ffn_output",
    outputNorm: "full_layer_layer_norm",
    pooler: "pooler",
    projection: "encoder.embedding_hidden_mapping_in",
  },
  mpnet: {
    ...bert,
    prefix: "mpnet",
    types: false,
    countsPositions: true,
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    output: "attention.attn.o",
    attentionNorm: "attention.LayerNorm",
    relativeBias: "encoder.relative_attention_bias",
  },
};
const sameAs: Readonly<Record<string, string>> = { "xlm-roberta": "roberta", camembert: "roberta" };

export const encoderTypes: readonly string[] = [...Object.keys(layouts), ...Object.keys(sameAs)];

/** The encoder without a head. */
function encode(net: Network, layout: Layout, config: Config, inputs: Readonly<Record<string, Value>>): Encoded {
  const { hidden, vocabulary, epsilon, activation } = dimensionsOf(config);
  const prefix = net.weights.prefix(layout.prefix);
  const heads = config.size(["num_attention_heads", "n_heads"]);
  const inner = config.size(["intermediate_size", "hidden_dim"]);
  const layers = config.size(["num_hidden_layers", "n_layers"], undefined, mostLayers);
  const width = config.size("embedding_size", hidden);
  if (hidden % heads !== 0) throw new UnsupportedFormat(`config.json: ${heads} heads do not divide ${hidden}`);
  const tokens = inputs["input_ids"]!;
  const mask = inputs["attention_mask"]!;
  const [, n] = tokens.type.shape as [number, number];

  const table = `${prefix}embeddings.word_embeddings`;
  let x = net.embedding(tokens, table, vocabulary, width);
  if (layout.types) {
    const [name, count] = [`${prefix}embeddings.token_type_embeddings`, config.size("type_vocab_size")];
    const types = inputs["token_type_ids"];
    // With one kind of token there is nothing to choose.
    x = net.add(x, types ? net.embedding(types, name, count, width) : net.parameter(`${name}.weight`, [1, width]));
  }
  const places = `${prefix}embeddings.position_embeddings`;
  const length = config.size("max_position_embeddings");
  if (layout.countsPositions) {
    x = net.add(
      x,
      net.embedding(countedPositions(net, tokens, config.number("pad_token_id", 1)), places, length, width),
    );
  } else {
    const all = net.parameter(`${places}.weight`, [length, width]);
    x = net.add(x, net.slice(all, [0, 0], [n, width]));
  }
  x = net.norm(x, `${prefix}embeddings.LayerNorm`, epsilon);
  if (layout.projection && (width !== hidden || net.weights.has(`${prefix}${layout.projection}.weight`))) {
    x = net.linear(x, prefix + layout.projection, hidden);
  }

  let bias = net.maskBias(mask);
  if (layout.relativeBias) {
    bias = net.add(bias, relativeBias(net, `${prefix}${layout.relativeBias}.weight`, n, heads, config));
  }
  const scale = 1 / Math.sqrt(hidden / heads);
  for (let i = 0; i < layers; i++) {
    const at = prefix + layout.layer(i, config);
    const [q, k, v] = [layout.query, layout.key, layout.value].map((name) =>
      net.splitHeads(net.linear(x, at + name, hidden), heads),
    ) as [Value, Value, Value];
    const attended = net.joinHeads(net.attend(q, k, v, { scale, bias }));
    x = net.norm(net.add(net.linear(attended, at + layout.output, hidden), x), at + layout.attentionNorm, epsilon);
    const wide = net.activate(net.linear(x, at + layout.intermediate, inner), activation);
    x = net.norm(net.add(net.linear(wide, at + layout.outer, hidden), x), at + layout.outputNorm, epsilon);
  }

  // Networks saved with a head that does not use the pooler often lack it.
  const pooler = layout.pooler && prefix + layout.pooler;
  const pooled =
    pooler !== undefined && net.weights.has(`${pooler}.weight`)
      ? net.plain("tanh", net.linear(firstToken(net, x), pooler, hidden))
      : undefined;
  return { hidden: x, pooled, mask, words: { name: `${table}.weight`, width, count: vocabulary } };
}

/** padding + 1, padding + 2, … for the tokens that are no padding; padding itself for those that are. */
function countedPositions(net: Network, tokens: Value, padding: number): Value {
  net.origin = "positions";
  const [, n] = tokens.type.shape as [number, number];
  const real = net.convert(net.compare("NE", tokens, net.scalar("i32", padding)), "i32");
  const counts = net.window("add", real, {
    size: [1, n],
    strides: [1, 1],
    padding: [
      [0, 0],
      [n - 1, 0],
    ],
  });
  return net.with("add", net.multiply(counts, real), padding);
}

/** MPNet: a table of buckets of distances for each head, [1, heads, n, n]. */
function relativeBias(net: Network, name: string, n: number, heads: number, config: Config): Value {
  const count = config.size("relative_attention_num_buckets", 32);
  const bucket = (row: number, column: number) => bucketOf(column - row, { bidirectional: true, count, farthest: 128 });
  return net.bucketBias(name, { count, heads }, { rows: n, columns: n, bucket });
}

/** The head by the class that was saved. */
function headOf(type: string, config: Config): { task: TaskName; head: Head | undefined } {
  const saved = savedClass(config);
  const table = heads[type]!;
  const suffixes: readonly (readonly [RegExp, TaskName])[] = [
    [/ForSequenceClassification$/, "sequence-classification"],
    [/ForTokenClassification$/, "token-classification"],
    [/ForQuestionAnswering$/, "question-answering"],
    [/For(MaskedLM|Generator)$/, "masked-lm"],
    [/ForPreTraining$/, type === "electra" ? "replaced-token-detection" : "masked-lm"],
  ];
  const task = suffixes.find(([suffix]) => suffix.test(saved))?.[1];
  if (task) {
    const head = table[task];
    if (!head) throw new UnsupportedFormat(`config.json: ${saved} is not built`);
    return { task, head };
  }
  if (/For\w+$/.test(saved)) throw new UnsupportedFormat(`config.json: ${saved} is not built`);
  return { task: "features", head: undefined };
}

/** BERT and its kin. */
export const encoder: Design = (config, weights): Architecture => {
  const given = config.text("model_type");
  const type = sameAs[given] ?? given;
  const layout = layouts[type]!;
  const kind = config.text("position_embedding_type", "absolute");
  if (kind !== "absolute") throw new UnsupportedFormat(`config.json: position embeddings "${kind}" are not built`);
  const offset = layout.countsPositions ? config.number("pad_token_id", 1) + 1 : 0;
  const maximumLength = config.size("max_position_embeddings") - offset;
  const { task, head } = headOf(type, config);
  const classes = task === "sequence-classification" || task === "token-classification";
  const labels = classes ? labelsOf(config, 2) : [];
  const text = [
    ids("input_ids", "batch", "sequence"),
    ids("attention_mask", "batch", "sequence"),
    ...(layout.types && config.size("type_vocab_size") > 1 ? [ids("token_type_ids", "batch", "sequence")] : []),
  ];
  const limits = { sequence: maximumLength };
  const { hidden } = dimensionsOf(config);
  const pooled = layout.pooler && weights.has(`${weights.prefix(layout.prefix)}${layout.pooler}.weight`);
  const outputs = [
    { name: "last_hidden_state", dtype: "f32" as const, shape: ["batch", "sequence", hidden] },
    ...(pooled ? [{ name: "pooler_output", dtype: "f32" as const, shape: ["batch", hidden] }] : []),
  ];
  const features: Entry = {
    signature: { name: head ? "features" : "default", inputs: text, outputs },
    limits,
    write: (net, inputs) => {
      const encoded = encode(net, layout, config, inputs);
      return {
        outputs: {
          last_hidden_state: encoded.hidden,
          ...(pooled && encoded.pooled && { pooler_output: encoded.pooled }),
        },
      };
    },
  };
  const entries: Entry[] = [features];
  if (head) {
    entries.unshift({
      signature: { name: "default", inputs: text, outputs: head.outputs(config, labels.length) },
      limits,
      write: (net, inputs) => ({
        outputs: head.write(net, encode(net, layout, config, inputs), config, labels.length),
      }),
    });
  }
  return {
    task: {
      name: task,
      labels,
      problem: config.has("problem_type") ? config.text("problem_type") : undefined,
      maximumLength,
      imageSize: undefined,
    },
    entries,
  };
};
