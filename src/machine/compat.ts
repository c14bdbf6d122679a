// What is supported, row by row, from the tables that do the work.

import { rows as instructions } from "../cpu/x86/instructions/index.ts";
import { modelSupport } from "../engine/import/index.ts";
import type { OpSupport } from "../engine/model.ts";
import { systemCalls } from "../linux/calls.ts";

/** System calls, instructions, and the operations of each family of model formats. */
export const areas = ["syscalls", "instructions", "hlo", "tflite", "tensorflow", "keras", "transformer"] as const;
export type Area = (typeof areas)[number];

/** One row: a system call, an encoding of an instruction, or an operation of models. */
export type SupportRow = OpSupport;

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
  if (area === "syscalls") return callRows();
  if (area === "instructions") return instructionRows();
  return [...modelSupport[area]].sort((a, b) => (a.name < b.name ? -1 : 1));
}
