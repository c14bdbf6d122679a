// The instruction table: every row of every family.

import type { Row } from "../table.ts";
import { arithmeticRows } from "./arithmetic.ts";
import { dataRows } from "./data.ts";

export const rows: readonly Row[] = [...dataRows, ...arithmeticRows];
