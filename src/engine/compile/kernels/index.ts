// The templates: operations that have kernels of their own.

import type { TemplateRule } from "../kernel.ts";
import { convolution } from "./convolution.ts";
import { depthwise } from "./depthwise.ts";
import { pooling } from "./pooling.ts";
import { product } from "./product.ts";

export const templates: readonly TemplateRule[] = [product, depthwise, convolution, pooling];
