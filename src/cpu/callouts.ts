// The callouts: services that translated code calls because they are rare, long or need the host. One row a callout; its
// operands are the i64s in scratch[0..2] of the CPU state and its result goes to scratch[3]. A callout may throw PageFault
// or Trap, having changed nothing.

import { integerCallouts } from "./x86/callouts.ts";
import { simdCallouts } from "./x86/simd.ts";
import { x87Callouts } from "./x86/x87/callouts.ts";
import type { CpuView } from "./view.ts";

export type Callout = (cpu: CpuView) => void;

const table = { ...integerCallouts, ...simdCallouts } satisfies Record<string, Callout>;

export type CalloutName = keyof typeof table;

/** Every callout, indexed by the number that the IR operation `callout` carries. */
export const callouts: readonly Callout[] = Object.values(table);

const numbers = new Map(Object.keys(table).map((name, i) => [name, i]));

/** The number of a callout in `callouts`. */
export function calloutNumber(name: CalloutName): number {
  return numbers.get(name)!;
}

/** Callouts that leave general and vector registers as they are: translated code need not read them again. */
const keeping = new Set(Object.keys(x87Callouts).map((name) => numbers.get(name)!));

export const keepsRegisters = (number: number): boolean => keeping.has(number);
