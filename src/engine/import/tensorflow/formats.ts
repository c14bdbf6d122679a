// The formats of TensorFlow.

import type { ModelFormat } from "../../model.ts";
import { graphDef } from "./frozen.ts";
import { metaGraph } from "./meta.ts";
import { savedModel } from "./saved.ts";
import { tfjsGraph } from "./tfjs.ts";

export const tensorflowFormats: readonly ModelFormat[] = [savedModel];
/** Those that other files could be taken for: tried last. */
export const vagueFormats: readonly ModelFormat[] = [tfjsGraph, metaGraph, graphDef];
