// Opening models: every format there is, told apart by content.

import { FormatError } from "../base/errors.ts";
import { weightsOnly } from "./import/flax/format.ts";
import { flaxExport } from "./import/flax/join.ts";
import { layered } from "./import/flax/layers.ts";
import { formats as hloFormats } from "./import/jax/format.ts";
import { hloSupport } from "./import/jax/support.ts";
import { keras, kerasH5 } from "./import/keras/formats.ts";
import { kerasSupport } from "./import/keras/support.ts";
import { tfjsLayers } from "./import/keras/tfjs.ts";
import { graphDef } from "./import/tensorflow/frozen.ts";
import { metaGraph } from "./import/tensorflow/meta.ts";
import { savedModel } from "./import/tensorflow/saved.ts";
import { tensorflowSupport } from "./import/tensorflow/table.ts";
import { tfjsGraph } from "./import/tensorflow/tfjs.ts";
import { tfliteSupport } from "./import/tflite/operators.ts";
import { tflite } from "./import/tflite/tflite.ts";
import { transformer, transformerSupport } from "./import/transformer/format.ts";
import type { Model, ModelFormat, OpSupport, Source } from "./model.ts";

/** Formats in the order they are tried: the ones with the surest marks first. */
export const modelFormats: readonly ModelFormat[] = [
  tflite,
  savedModel,
  kerasH5,
  keras,
  tfjsLayers,
  ...hloFormats,
  transformer,
  layered,
  flaxExport,
  weightsOnly,
  tfjsGraph,
  metaGraph,
  graphDef,
];

/** Support tables by the names that `cerebro compat` knows them by. */
export const modelSupport = {
  hlo: hloSupport,
  tflite: tfliteSupport,
  tensorflow: tensorflowSupport,
  keras: kerasSupport,
  transformer: transformerSupport,
} as const satisfies Record<string, readonly OpSupport[]>;

/** The format of a source; undefined when it is none of ours. */
export function formatOf(source: Source): ModelFormat | undefined {
  return modelFormats.find((format) => format.matches(source));
}

/** Opens a model. Throws FormatError when it is no model, or a broken one. */
export function load(source: Source): Model {
  const format = formatOf(source);
  if (format) return format.open(source);
  throw new FormatError(`${source.name}: is no model of a known format`, {
    hint: `known formats: ${modelFormats.map(({ title }) => title).join(", ")}`,
  });
}
