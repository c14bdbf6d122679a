// The table of Keras's layers: class names as Keras 1, 2 and 3 register them.

import type { Row } from "./layer.ts";
import { attentionLayers } from "./layers/attention.ts";
import { cellLayers } from "./layers/cells.ts";
import { coreLayers } from "./layers/core.ts";
import { convolutionLayers } from "./layers/convolution.ts";
import { knownLayers } from "./layers/known.ts";
import { mergingLayers } from "./layers/merging.ts";
import { normalizationLayers } from "./layers/normalization.ts";
import { poolingLayers } from "./layers/pooling.ts";
import { preprocessingLayers } from "./layers/preprocessing.ts";
import { recurrentLayers } from "./layers/recurrent.ts";
import { reshapingLayers } from "./layers/reshaping.ts";
import { operationLayers } from "./operations.ts";
import { Functional, Sequential } from "./graph.ts";

const InputLayer: Row = {
  mask: "own",
  call: (call) => {
    throw call.fail("is called");
  },
};

export const layers: Readonly<Record<string, Row>> = {
  InputLayer,
  Sequential,
  Functional,
  Model: Functional,
  ...coreLayers,
  ...convolutionLayers,
  ...poolingLayers,
  ...normalizationLayers,
  ...reshapingLayers,
  ...mergingLayers,
  ...recurrentLayers,
  ...cellLayers,
  ...attentionLayers,
  ...preprocessingLayers,
  ...operationLayers,
  ...knownLayers,
};
