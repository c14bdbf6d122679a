// Every row of the floating-point and vector instructions.

import type { Row } from "../table.ts";
import { floatRows } from "./float.ts";
import { integerRows } from "./integer.ts";

export const simdRows: readonly Row[] = [...integerRows, ...floatRows];
