// Callouts of the integer instruction set.

import type { CpuView } from "../view.ts";

export const integerCallouts = {
  nothing(_cpu: CpuView): void {},
};
