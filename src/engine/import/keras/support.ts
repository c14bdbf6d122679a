// What of Keras is built, for `cerebro compat keras`: layers, activations, functions in graphs.

import type { OpSupport } from "../../model.ts";
import { activations } from "./activation.ts";
import { functions } from "./functions.ts";
import { layers } from "./layers.ts";

/** Layers of Keras that have no row at all, and why. */
const absent: Readonly<Record<string, string>> = {
  AutoContrast: "changes pictures at inference too",
  CuDNNGRU: "weights of another layout",
  CuDNNLSTM: "weights of another layout",
  Equalization: "changes pictures at inference too",
  FeatureSpace: "several tables in one",
  FlaxLayer: "Python code",
  JaxLayer: "Python code",
  LocallyConnected1D: "",
  LocallyConnected2D: "",
  MaxNumBoundingBoxes: "bounding boxes",
  MelSpectrogram: "",
  Solarization: "changes pictures at inference too",
  STFTSpectrogram: "",
  TFSMLayer: "a SavedModel within",
  TorchModuleWrapper: "Python code",
};

const row = (name: string, note: string | undefined, supported: boolean): OpSupport => ({
  name,
  supported,
  ...(note && { note }),
});

/** Layers first, then activations and functions by what they are called in graphs. */
export const kerasSupport: readonly OpSupport[] = [
  ...Object.entries(layers).map(([name, { note }]) => row(name, note, !note?.startsWith("refused"))),
  ...Object.entries(absent).map(([name, note]) => row(name, note, false)),
]
  .toSorted((p, q) => (p.name < q.name ? -1 : 1))
  .concat(
    Object.keys(activations)
      .toSorted()
      .map((name) => row(`activations.${name}`, undefined, true)),
    Object.keys(functions)
      .toSorted()
      .map((name) => row(`ops.${name}`, undefined, true)),
  );
