// The model device for programs: requests of ioctl on /dev/cerebro and the structures they take. sidecar/cerebro.h is made
// from this table.

import { array, f32, i32, struct, text, u32, u64 } from "../../base/struct.ts";

/** Numbers of the element types in structures. */
export const elementNumbers = {
  f32: 1,
  f64: 2,
  f16: 3,
  bf16: 4,
  i1: 5,
  i8: 6,
  i16: 7,
  i32: 8,
  i64: 9,
  u8: 10,
  u16: 11,
  u32: 12,
  u64: 13,
  c64: 14,
  c128: 15,
} as const;

export const mostDimensions = 8;
const nameLength = 64;

/** A command in text, as written to the device: LOAD_MODEL path… */
export const Command = struct({ text: u64, length: u32, reserved: u32 });

/** What is loaded. */
export const ModelInfo = struct({
  inputs: u32,
  outputs: u32,
  parameters: u64,
  threads: u32,
  reserved: u32,
  name: text(nameLength),
  format: text(nameLength),
});

/** One input (`output` = 0) or output (1) by index. Extents that the model leaves open are 0. */
export const PortInfo = struct({
  index: u32,
  output: u32,
  element: u32,
  rank: u32,
  shape: array(u64, mostDimensions),
  scale: f32,
  zero_point: i32,
  name: text(nameLength),
});

/** A tensor in the program's memory. For outputs `size` is the room there is; the kernel sets what it was. */
export const TensorInfo = struct({
  data: u64,
  size: u64,
  element: u32,
  rank: u32,
  shape: array(u64, mostDimensions),
  name: text(nameLength),
});

/** Runs the model: addresses of arrays of TensorInfo. */
export const Execution = struct({ inputs: u64, outputs: u64, input_count: u32, output_count: u32, nanoseconds: u64 });

/** The words of the last answer or error: how long they are comes back in `length`. */
export const Message = struct({ text: u64, length: u32, reserved: u32 });

interface Row {
  readonly number: number;
  /** Which way the structure goes: bit 0 to the kernel, bit 1 from it. */
  readonly direction: 1 | 2 | 3;
  readonly structure: string;
  readonly size: number;
  readonly help: string;
}

const structures = {
  cerebro_command: Command,
  cerebro_model_info: ModelInfo,
  cerebro_port_info: PortInfo,
  cerebro_tensor: TensorInfo,
  cerebro_execution: Execution,
  cerebro_message: Message,
} as const;

const row = (number: number, direction: Row["direction"], structure: keyof typeof structures, help: string): Row => ({
  number,
  direction,
  structure,
  size: structures[structure].size,
  help,
});

/** Every request, by its name in C. */
export const requests = {
  CEREBRO_COMMAND: row(1, 1, "cerebro_command", "a command as text; waits for its end"),
  CEREBRO_MODEL_INFO: row(2, 2, "cerebro_model_info", "what is loaded"),
  CEREBRO_PORT_INFO: row(3, 3, "cerebro_port_info", "an input or output of the loaded model"),
  CEREBRO_EXECUTE: row(4, 3, "cerebro_execution", "runs the model on tensors in memory"),
  CEREBRO_MESSAGE: row(5, 3, "cerebro_message", "the words of the last answer or error"),
} as const;

const letter = 0xce;

/** The request's number as ioctl(2) gets it (Linux's _IOC for x86). */
export function requestNumber({ number, direction, size }: Row): number {
  return ((direction << 30) | (size << 16) | (letter << 8) | number) >>> 0;
}

const directionNames = { 1: "_IOW", 2: "_IOR", 3: "_IOWR" } as const;

/** The text of sidecar/cerebro.h. */
export function deviceHeader(): string {
  const elements = Object.entries(elementNumbers).map(
    ([name, number]) => `    CEREBRO_${name.toUpperCase()} = ${number},`,
  );
  const texts = Object.entries(structures).map(([name, structure]) => structure.c(name));
  const defines = Object.entries(requests).map(
    ([name, { direction, number, structure, help }]) =>
      `/* ${help} */\n#define ${name} ${directionNames[direction]}(0x${letter.toString(16)}, ${number}, struct ${structure})`,
  );
  return `/* The model device of Cerebro: ioctl requests on /dev/cerebro. Generated from src/abi/cerebro/device.ts; do not edit. */
#ifndef CEREBRO_H
#define CEREBRO_H

#include <stdint.h>
#include <sys/ioctl.h>

#define CEREBRO_DEVICE "/dev/cerebro"
#define CEREBRO_DIMENSIONS ${mostDimensions}

enum cerebro_element {
${elements.join("\n")}
};

${texts.join("\n\n")}

${defines.join("\n\n")}

#endif
`;
}
