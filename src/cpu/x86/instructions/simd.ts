// Every row of the floating-point and vector instructions.

import type { Row } from "../table.ts";
import { aesRows } from "./aes.ts";
import { floatRows } from "./float.ts";
import { integerRows } from "./integer.ts";
import { sse3Rows } from "./sse3.ts";
import { sse4Rows } from "./sse4.ts";
import { x87Rows } from "./x87.ts";

export const simdRows: readonly Row[] = [
  ...integerRows,
  ...floatRows,
  ...sse3Rows,
  ...sse4Rows,
  ...aesRows,
  ...x87Rows,
];
