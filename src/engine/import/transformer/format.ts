// Directories with a config.json of a known architecture and its weights: recognised and opened.

import { UnsupportedFormat } from "../../../base/errors.ts";
import type { ModelFiles, ModelFormat, OpSupport, Source } from "../../model.ts";
import { openWeights } from "../flax/open.ts";
import type { Design } from "./architecture.ts";
import { bart, bartTypes } from "./bart.ts";
import { parseObject } from "../../../base/json.ts";
import { Config } from "./config.ts";
import type { TransformerModel } from "./contract.ts";
import { decoder, decoderTypes } from "./decoder.ts";
import { encoder, encoderTypes } from "./encoder.ts";
import { modelOf } from "./model.ts";
import { Parameters } from "./parameters.ts";
import { withPooling } from "./pooling.ts";
import { t5 } from "./t5.ts";
import { resnet, vit } from "./vision.ts";

/** Architectures by "model_type". */
export const designs: Readonly<Record<string, Design>> = {
  ...Object.fromEntries(encoderTypes.map((type) => [type, encoder])),
  ...Object.fromEntries(decoderTypes.map((type) => [type, decoder])),
  ...Object.fromEntries(bartTypes.map((type) => [type, bart])),
  t5,
  mt5: t5,
  vit,
  resnet,
};

/** What each design makes of a checkpoint. */
const tasks = new Map<Design, string>([
  [encoder, "features, sentence embedding, sequence and token classification, question answering, masked words"],
  [decoder, "features, text generation"],
  [t5, "features of the encoder, text to text"],
  [bart, "text to text"],
  [vit, "features, image classification"],
  [resnet, "features, image classification"],
]);

/** What `cerebro compat transformer` prints. */
export const transformerSupport: readonly OpSupport[] = Object.entries(designs).map(([name, design]) => ({
  name,
  supported: true,
  note: tasks.get(design) ?? "",
}));

/** Files that are handed on: tokenizers, and how pictures are prepared. */
const attached = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  "spiece.model",
  "tokenizer.model",
  "sentencepiece.bpe.model",
  "generation_config.json",
  "preprocessor_config.json",
  "sentence_bert_config.json",
  "config_sentence_transformers.json",
];

function configOf(files: ModelFiles | undefined): Config | undefined {
  const bytes = files?.read("config.json");
  if (!bytes) return undefined;
  return new Config(parseObject(bytes, "config.json"));
}

/** Whether a directory has a config.json that names a type of model. Other formats have other config.json files. */
function matches({ files }: Source): boolean {
  const bytes = files?.read("config.json");
  if (!bytes) return false;
  try {
    return typeof parseObject(bytes, "config.json")["model_type"] === "string";
  } catch {
    return false;
  }
}

/** Opens a directory as Transformers (and Sentence Transformers) save it, in PyTorch or Flax. Throws FormatError. */
export function openTransformer(source: Source): TransformerModel {
  const files = source.files!;
  const config = configOf(files)!;
  const type = config.text("model_type");
  const design = Object.hasOwn(designs, type) ? designs[type] : undefined;
  if (!design) {
    throw new UnsupportedFormat(`${source.name}: models of type "${type}" are not built`, {
      hint: `built are ${Object.keys(designs).join(", ")}`,
    });
  }
  const weights = openWeights(source);
  const parameters = new Parameters(weights);
  const generation = files.read("generation_config.json");
  const merged = generation
    ? new Config({ ...config.json, ...withoutNull(parseObject(generation, "generation_config.json")) })
    : config;
  const plain = design(merged, parameters);
  const architecture = withPooling(plain, files, config);
  const attachments = new Map<string, Uint8Array>();
  for (const name of attached) {
    const bytes = files.read(name);
    if (bytes) attachments.set(name, bytes);
  }
  const metadata = new Map([
    ["architecture", type],
    ["task", architecture.task.name],
  ]);
  return {
    ...modelOf({ name: source.name, architecture, parameters, weights, attachments, metadata }),
    format: "transformer",
    task: architecture.task,
    generation: architecture.generation,
    config: config.json,
  };
}

const withoutNull = (json: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));

export const transformer: ModelFormat = {
  name: "transformer",
  title: "Transformers (config.json with weights)",
  matches,
  open: openTransformer,
};
