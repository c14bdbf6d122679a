// The instruction table: every row of every family.

import type { Row } from "../table.ts";
import { arithmeticRows } from "./arithmetic.ts";
import { atomicRows } from "./atomic.ts";
import { bitRows } from "./bits.ts";
import { controlRows } from "./control.ts";
import { dataRows } from "./data.ts";
import { multiplyRows } from "./multiply.ts";
import { shiftRows } from "./shifts.ts";
import { simdRows } from "./simd.ts";
import { stringRows } from "./strings.ts";
import { systemRows } from "./system.ts";

export const rows: readonly Row[] = [
  ...dataRows,
  ...arithmeticRows,
  ...shiftRows,
  ...bitRows,
  ...multiplyRows,
  ...atomicRows,
  ...stringRows,
  ...controlRows,
  ...systemRows,
  ...simdRows,
];
