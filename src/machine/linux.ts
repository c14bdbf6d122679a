// What of the Linux personality a machine has: the program types, and the system calls of every family.

import { elf } from "../linux/exec/elf.ts";
import { script } from "../linux/exec/script.ts";

export { systemCalls } from "../linux/calls.ts";

export const handlers = [elf, script];
