// The callouts of the floating-point and vector instructions.

import { cryptoCallouts } from "./crypto.ts";
import { directedCallouts } from "./directed.ts";
import { stringCallouts } from "./strings42.ts";
import { x87Callouts } from "./x87/callouts.ts";
import { environmentCallouts } from "./x87/environment.ts";

export const simdCallouts = {
  ...directedCallouts,
  ...cryptoCallouts,
  ...stringCallouts,
  ...x87Callouts,
  ...environmentCallouts,
};
