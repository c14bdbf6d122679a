// The formats of Keras.

import type { ModelFormat } from "../../model.ts";
import { keras, kerasH5 } from "./formats.ts";
import { tfjsLayers } from "./tfjs.ts";

export const kerasFormats: readonly ModelFormat[] = [kerasH5, keras, tfjsLayers];
