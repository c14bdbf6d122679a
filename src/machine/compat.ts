// What is supported, row by row, from the tables that do the work.

import { rows as instructions } from "../cpu/x86/instructions/index.ts";
import { systemCalls } from "../linux/calls.ts";

export const areas = ["syscalls", "instructions"] as const;
export type Area = (typeof areas)[number];

/** One row: a system call or an encoding of an instruction. */
export interface SupportRow {
  readonly name: string;
  readonly supported: boolean;
  /** Its numbers, or why it is not supported. */
  readonly note?: string;
}

function callRows(): SupportRow[] {
  const found = systemCalls.flatMap((module) =>
    Object.entries(module).map(([name, call]) => {
      const { x86_64, i386 } = call.numbers;
      const numbers = [x86_64 === undefined ? "" : `x86-64 ${x86_64}`, i386 === undefined ? "" : `i386 ${i386}`];
      const note = numbers.filter(Boolean).join(", ");
      return { name, supported: call.supported, note: call.supported ? note : `${note}: ${call.why}` };
    }),
  );
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function instructionRows(): SupportRow[] {
  return instructions
    .map(({ name, notation, kinds, mode }) => ({
      name: `${notation.padEnd(22)} ${name} ${kinds.map(({ text }) => text).join(", ")}`.trimEnd(),
      supported: true,
      ...(mode !== undefined && { note: `${mode}-bit mode only` }),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The rows of an area, sorted. */
export function areaRows(area: Area): readonly SupportRow[] {
  return area === "syscalls" ? callRows() : instructionRows();
}
