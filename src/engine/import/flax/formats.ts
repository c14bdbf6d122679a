// The formats that a config.json makes models of weights.

import type { ModelFormat } from "../../model.ts";
import { transformer } from "../transformer/format.ts";
import { layered } from "./layers.ts";

export const configFormats: readonly ModelFormat[] = [transformer, layered];
