// Modules of StableHLO within TensorFlow's graphs, as jax2tf writes them (tensorflow/core/ops/xla_ops.cc).

import { callModule } from "../../jax/called.ts";
import type { Importer } from "../call.ts";

/** The rows of this topic. */
export const xla: Readonly<Record<string, Importer>> = {
  XlaCallModule: (c) => {
    const module = c.attribute("module", "s") ?? c.fail("attribute module is missing");
    const platforms = c.texts("platforms");
    const platform = platforms.findIndex((name) => name.toLowerCase() === "cpu");
    return callModule(c.b, module, c.xs(), { platform: Math.max(platform, 0) });
  },
};
