// Every format of models and every table of operations, all at once; `engine/load.ts` gets them as they are needed.

import type { ModelFormat, OpSupport } from "../model.ts";
import { weightsOnly } from "./flax/format.ts";
import { configFormats } from "./flax/formats.ts";
import { flaxExport } from "./flax/join.ts";
import { formats as hloFormats } from "./jax/format.ts";
import { hloSupport } from "./jax/support.ts";
import { kerasFormats } from "./keras/family.ts";
import { kerasSupport } from "./keras/support.ts";
import { tensorflowFormats, vagueFormats } from "./tensorflow/formats.ts";
import { tensorflowSupport } from "./tensorflow/table.ts";
import { tfliteSupport } from "./tflite/operators.ts";
import { tflite } from "./tflite/tflite.ts";
import { transformerSupport } from "./transformer/format.ts";

/** Formats in the order they are tried: the ones with the surest marks first. */
export const modelFormats: readonly ModelFormat[] = [
  tflite,
  ...tensorflowFormats,
  ...kerasFormats,
  ...hloFormats,
  ...configFormats,
  flaxExport,
  weightsOnly,
  ...vagueFormats,
];

/** Support tables by the names that `cerebro compat` knows them by. */
export const modelSupport = {
  hlo: hloSupport,
  tflite: tfliteSupport,
  tensorflow: tensorflowSupport,
  keras: kerasSupport,
  transformer: transformerSupport,
} as const satisfies Record<string, readonly OpSupport[]>;
