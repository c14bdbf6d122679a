// What of the Linux personality a machine has: the program types, and the system calls of every family.

import { elf } from "../linux/exec/elf.ts";
import { script } from "../linux/exec/script.ts";
import * as attributes from "../linux/syscalls/attributes.ts";
import * as attributes32 from "../linux/syscalls/attributes32.ts";
import * as fcntl from "../linux/syscalls/fcntl.ts";
import * as fcntl32 from "../linux/syscalls/fcntl32.ts";
import * as io from "../linux/syscalls/io.ts";
import * as io32 from "../linux/syscalls/io32.ts";
import * as names from "../linux/syscalls/names.ts";
import * as names32 from "../linux/syscalls/names32.ts";
import * as open from "../linux/syscalls/open.ts";
import * as stat from "../linux/syscalls/stat.ts";
import * as stat32 from "../linux/syscalls/stat32.ts";
import type { CallModule, SystemCall, UnsupportedCall } from "../linux/table.ts";

export const handlers = [elf, script];

/** The rows among a module's exports. */
function rows(module: object): CallModule {
  const isRow = (value: unknown): value is SystemCall | UnsupportedCall =>
    typeof value === "object" && value !== null && "numbers" in value && "supported" in value;
  return Object.fromEntries(Object.entries(module).filter(([, value]) => isRow(value)));
}

export const systemCalls: readonly CallModule[] = [
  attributes,
  attributes32,
  fcntl,
  fcntl32,
  io,
  io32,
  names,
  names32,
  open,
  stat,
  stat32,
].map(rows);
