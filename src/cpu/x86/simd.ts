// The callouts of the floating-point and vector instructions.

import { directedCallouts } from "./directed.ts";

export const simdCallouts = { ...directedCallouts };
