// The callouts of the floating-point and vector instructions.

import { cryptoCallouts } from "./crypto.ts";
import { directedCallouts } from "./directed.ts";
import { stringCallouts } from "./strings42.ts";

export const simdCallouts = { ...directedCallouts, ...cryptoCallouts, ...stringCallouts };
