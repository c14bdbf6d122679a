// All operators that are built, by the schema's names; custom ones by their own.

import type { OpSupport } from "../../model.ts";
import { builtinNames } from "./builtins.ts";
import type { Lower } from "./node.ts";
import { activations } from "./ops/activations.ts";
import { control } from "./ops/control.ts";
import { convolutions } from "./ops/convolution.ts";
import { dense } from "./ops/dense.ts";
import { elementwise } from "./ops/elementwise.ts";
import { picks } from "./ops/pick.ts";
import { recurrent } from "./ops/recurrent.ts";
import { customs } from "./ops/custom.ts";
import { detection } from "./ops/detection.ts";
import { reductions } from "./ops/reduce.ts";
import { resizes } from "./ops/resize.ts";
import { signals } from "./ops/signal.ts";
import { stablehlo } from "./ops/stablehlo.ts";
import { shapes } from "./ops/shape.ts";

export const operators: ReadonlyMap<string, Lower> = new Map(
  [
    elementwise,
    activations,
    dense,
    convolutions,
    shapes,
    picks,
    reductions,
    resizes,
    control,
    recurrent,
    detection,
    stablehlo,
  ].flatMap((table) => Object.entries(table)),
);

export const customOperators: ReadonlyMap<string, Lower> = new Map(Object.entries({ ...customs, ...signals }));

/** Limits of what is built. */
const notes: Readonly<Record<string, string>> = {
  DIV: "floats and plain integers",
  WHERE: "of constants",
  UNIQUE: "of constants",
  SEGMENT_SUM: "with constant segments",
  TRANSPOSE_CONV: "the output's shape has to be known",
  IF: "branches give the same shapes",
  WHILE: "values keep their shapes",
  REDUCE_PROD: "floats and plain integers",
};

/** Built only to say what they would call. */
const refused = new Set(["STABLEHLO_CUSTOM_CALL"]);
const unwritten = new Set(["CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"]);

/** Every builtin operator and custom ones, with whether they are built. */
export const tfliteSupport: readonly OpSupport[] = [
  ...builtinNames.filter((name) => !unwritten.has(name)),
  ...[...customOperators.keys()].map((name) => `custom:${name}`),
].map((name) => ({
  name,
  supported: (operators.has(name) && !refused.has(name)) || name.startsWith("custom:"),
  ...(notes[name] !== undefined && { note: notes[name] }),
}));
