// The formats of weights that something else says what to do with.

import type { ModelFormat } from "../../model.ts";
import { transformer } from "../transformer/format.ts";
import { weightsOnly } from "./format.ts";
import { flaxExport } from "./join.ts";
import { layered } from "./layers.ts";

export const flaxFormats: readonly ModelFormat[] = [transformer, layered, flaxExport, weightsOnly];
