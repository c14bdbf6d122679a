// All operations that are built, by TensorFlow's names.

import type { OpSupport } from "../../model.ts";
import type { Importer } from "./call.ts";
import { arrays } from "./ops/arrays.ts";
import { contraction } from "./ops/contraction.ts";
import { control } from "./ops/control.ts";
import { gathers } from "./ops/gathers.ts";
import { gradients } from "./ops/gradients.ts";
import { image } from "./ops/image.ts";
import { lists } from "./ops/lists.ts";
import { math } from "./ops/math.ts";
import { neural } from "./ops/neural.ts";
import { quantised } from "./ops/quantised.ts";
import { random } from "./ops/random.ts";
import { signal } from "./ops/signal.ts";
import { slices } from "./ops/slices.ts";
import { state } from "./ops/state.ts";
import { xla } from "./ops/xla.ts";

const topics = [
  math,
  arrays,
  slices,
  gathers,
  gradients,
  neural,
  contraction,
  image,
  signal,
  random,
  quantised,
  control,
  lists,
  state,
  xla,
];

export const importers: ReadonlyMap<string, Importer> = new Map(topics.flatMap((topic) => Object.entries(topic)));

/** What the tracer takes care of itself. */
const structural = ["Assert", "PrintV2", "NoOp", "Merge", "RefMerge", "Exit", "RefExit", "_Arg"];
export const isKnown = (op: string): boolean => importers.has(op) || structural.includes(op);

/** Why operations are not built. */
const reasons: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^CudnnRNN/, "a kernel of graphics cards"],
  [
    /String|Regex|Unicode|^AsString|^ParseExample|^Decode(Raw|Base64|CSV|Json)|^SubstrV?|^StaticRegex/,
    "string tensors",
  ],
  [/Table|^Lookup/, "lookup tables"],
  [/^Ragged/, "ragged tensors"],
  [/^Sparse/, "sparse tensors"],
  [/^(Decode|Encode)(Jpeg|Png|Gif|Bmp|Image|Wav|AndCrop)/, "files in tensors"],
  [/^(Iterator|.*Dataset)/, "data sets"],
  [/^PyFunc|^EagerPyFunc/, "Python code"],
];
export function reasonFor(op: string): string | undefined {
  return reasons.find(([pattern]) => pattern.test(op))?.[1];
}

const notes: Readonly<Record<string, string>> = {
  Where: "on constants only",
  Unique: "on constants only",
  UniqueV2: "on constants only",
  ListDiff: "on constants only",
  NonMaxSuppression: "as many places as may be picked; those that were not are 0",
  NonMaxSuppressionV3: "as many places as may be picked; those that were not are 0",
  RandomUniformInt: "other numbers than TensorFlow's, in each run",
  TruncatedNormal: "other numbers than TensorFlow's, in each run",
  CombinedNonMaxSuppression: "up to 512 images times classes",
  Merge: "both branches are computed",
  RandomUniform: "other numbers than TensorFlow's, in each run",
  RandomStandardNormal: "other numbers than TensorFlow's, in each run",
  MatrixInverse: "up to 64 rows",
  MatrixSolve: "up to 64 rows",
  MatrixDeterminant: "up to 64 rows",
};
const refused = [
  "CudnnRNN",
  "CudnnRNNV2",
  "CudnnRNNV3",
  "HashTableV2",
  "LookupTableFindV2",
  "StringSplitV2",
  "ParseExample",
];

export const tensorflowSupport: readonly OpSupport[] = [
  ...[...importers.keys(), ...structural.filter((op) => op !== "_Arg")].map((name) => ({
    name,
    supported: true,
    ...(notes[name] !== undefined && { note: notes[name] }),
  })),
  ...refused.map((name) => ({ name, supported: false, note: reasonFor(name) ?? "not built" })),
].sort((a, b) => (a.name < b.name ? -1 : 1));
