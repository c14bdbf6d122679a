// Sentence Transformers: an encoder's tokens pooled to one vector, perhaps through a dense layer, and normalised.
// Source: the library's modules.json and the configurations of its modules.

import { FormatError, messageOf, UnsupportedFormat } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import type { ModelFiles } from "../../model.ts";
import { weightsOfDirectory } from "../flax/open.ts";
import { type Architecture, floats } from "./architecture.ts";
import { isObject, parseObject } from "../../../base/json.ts";
import { Config } from "./config.ts";
import type { Network } from "./network.ts";
import { Parameters } from "./parameters.ts";

/** What follows the encoder, in order. */
type Step = (net: Network, x: { tokens: Value; mask: Value; sentence: Value | undefined }) => Value;

/** Ways of pooling by their names, with the flags of older configurations; several are joined in this order. */
const flags = {
  cls: "pooling_mode_cls_token",
  max: "pooling_mode_max_tokens",
  mean: "pooling_mode_mean_tokens",
  mean_sqrt_len_tokens: "pooling_mode_mean_sqrt_len_tokens",
  weightedmean: "pooling_mode_weightedmean_tokens",
  lasttoken: "pooling_mode_lasttoken",
} as const;

/** The files of a directory within. */
function below(files: ModelFiles, directory: string): ModelFiles {
  return {
    list: (inner) => files.list(inner === "" ? directory : `${directory}/${inner}`),
    read: (path) => files.read(`${directory}/${path}`),
  };
}

/** The encoder with sentence embeddings as its default signature; itself when the directory says nothing of them. */
export function withPooling(base: Architecture, files: ModelFiles, config: Config): Architecture {
  const bytes = files.read("modules.json");
  const features = base.entries.find(({ signature }) => signature.outputs[0]?.name === "last_hidden_state");
  if (!bytes || !features) return base;
  let modules: unknown;
  try {
    modules = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new FormatError(`modules.json: is not JSON: ${messageOf(error)}`);
  }
  if (!Array.isArray(modules)) throw new FormatError("modules.json: is no list");
  const steps: Step[] = [];
  let size = config.size(["hidden_size", "dim", "d_model", "n_embd"]);
  for (const module of modules.filter(isObject)) {
    const kind = String(module["type"]).split(".").at(-1);
    const path = String(module["path"] ?? "");
    if (kind === "Transformer") continue;
    if (kind === "Normalize") steps.push(normalize);
    else if (kind === "Pooling") {
      const { step, parts } = pooling(configOf(files, path));
      steps.push(step);
      size *= parts;
    } else if (kind === "Dense") {
      const inner = configOf(files, path);
      steps.push(dense(inner, below(files, path)));
      size = inner.size("out_features");
    } else throw new UnsupportedFormat(`modules.json: module "${kind}" is not built`);
  }
  if (steps.length === 0) return base;
  const limit = files.read("sentence_bert_config.json");
  const maximumLength = limit
    ? new Config(parseObject(limit, "sentence_bert_config.json")).size("max_seq_length", base.task.maximumLength)
    : base.task.maximumLength;
  const others = base.entries.map((entry) => ({ ...entry, signature: { ...entry.signature, name: "features" } }));
  return {
    ...base,
    task: { ...base.task, name: "sentence-embedding", maximumLength },
    entries: [
      {
        signature: {
          name: "default",
          inputs: features.signature.inputs,
          outputs: [floats("sentence_embedding", "batch", size)],
        },
        ...(features.limits && { limits: features.limits }),
        write: (net, inputs, states) => {
          const tokens = features.write(net, inputs, states).outputs["last_hidden_state"]!;
          const mask = inputs["attention_mask"]!;
          let sentence: Value | undefined;
          for (const step of steps) sentence = step(net, { tokens, mask, sentence });
          return { outputs: { sentence_embedding: sentence! } };
        },
      },
      ...others,
    ],
  };
}

function configOf(files: ModelFiles, path: string): Config {
  const name = `${path}/config.json`;
  const bytes = files.read(name);
  if (!bytes) throw new FormatError(`modules.json: ${name} is missing`);
  return new Config(parseObject(bytes, name), name);
}

/** The modes of a configuration: a list of names, one name, or a flag each. */
function modesOf(config: Config): readonly string[] {
  const given = config.json["pooling_mode"];
  const modes =
    given === undefined
      ? Object.entries(config.json).flatMap(([flag, on]) =>
          flag.startsWith("pooling_mode_") && on === true ? [flag] : [],
        )
      : Array.isArray(given)
        ? given.map(String)
        : [String(given)];
  const known = new Map<string, string>(
    Object.entries(flags).flatMap(([name, flag]) => [
      [name, name],
      [flag, name],
    ]),
  );
  const names = modes.map((mode) => {
    const name = known.get(mode);
    if (name === undefined) throw new UnsupportedFormat(`1_Pooling/config.json: "${mode}" is not built`);
    return name;
  });
  if (names.length === 0) throw new UnsupportedFormat("1_Pooling/config.json: no pooling mode is on");
  return given === undefined ? Object.keys(flags).filter((name) => names.includes(name)) : names;
}

function pooling(config: Config): { step: Step; parts: number } {
  const modes = modesOf(config);
  const step: Step = (net, { tokens, mask }) => {
    net.origin = "pooling";
    return net.concatenate(
      modes.map((mode) => pool(net, mode, tokens, mask)),
      1,
    );
  };
  return { step, parts: modes.length };
}

/** [batch, sequence, hidden] -> [batch, hidden] over the tokens that the mask keeps. */
function pool(net: Network, mode: string, tokens: Value, mask: Value): Value {
  const [batch, n] = tokens.type.shape as [number, number, number];
  const kept = net.reshape(net.convert(mask, "f32"), [batch, n, 1]);
  const places = net.op("iota", [], { dtype: "f32", shape: [batch, n, 1], dimension: 1 });
  /** The tokens weighed, added up. */
  const sum = (weights: Value) => net.reduce("add", net.multiply(tokens, weights), [1]);
  const total = (weights: Value) =>
    net.plain("maximum", net.reduce("add", weights, [1]), net.full("f32", [batch, 1], 1e-9));
  /** The tokens whose place is the one given for each text. */
  const at = (place: Value) => sum(net.convert(net.compare("EQ", places, place), "f32"));
  switch (mode) {
    case "cls": {
      // The first that is kept: padding may be in front.
      const far = net.full("f32", [batch, n, 1], n);
      return at(
        net.reduce("minimum", net.select(net.compare("GT", kept, net.scalar("f32", 0)), places, far), [1], {
          keep: true,
        }),
      );
    }
    case "lasttoken":
      return at(net.reduce("maximum", net.multiply(places, kept), [1], { keep: true }));
    case "max": {
      const hidden = net.compare("EQ", kept, net.scalar("f32", 0));
      return net.reduce("maximum", net.select(hidden, net.scalar("f32", -1e9), tokens), [1]);
    }
    case "weightedmean": {
      const weights = net.multiply(kept, net.with("add", places, 1));
      return net.divide(sum(weights), total(weights));
    }
    case "mean_sqrt_len_tokens":
      return net.divide(sum(kept), net.plain("sqrt", total(kept)));
    default:
      return net.divide(sum(kept), total(kept));
  }
}

/** A dense layer with weights of its own. */
function dense(config: Config, files: ModelFiles): Step {
  const weights = weightsOfDirectory(files);
  if (!weights) throw new FormatError("modules.json: a dense layer has no weights");
  const parameters = new Parameters(weights);
  const [inputs, outputs] = [config.size("in_features"), config.size("out_features")];
  const name = config.text("activation_function", "torch.nn.modules.linear.Identity").split(".").at(-1)!;
  const activation = name === "Identity" ? "linear" : name.toLowerCase();
  const bias = config.flag("bias", true);
  return (net, { sentence }) => {
    if (!sentence) throw new FormatError("modules.json: a dense layer before the pooling");
    const y = net.product(sentence, parameters.matrix("linear.weight", inputs, outputs));
    const shifted = bias ? net.add(y, net.weight(parameters.tensor("linear.bias", [outputs]))) : y;
    parameters.complete();
    return net.activate(shifted, activation);
  };
}

/** To length 1, as torch.nn.functional.normalize does. */
const normalize: Step = (net, { sentence }) => {
  if (!sentence) throw new FormatError("modules.json: normalised before the pooling");
  net.origin = "normalize";
  const square = net.reduce("add", net.multiply(sentence, sentence), [1], { keep: true });
  const length = net.with("maximum", net.plain("sqrt", square), 1e-12);
  return net.divide(sentence, length);
};
