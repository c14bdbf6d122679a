// The argument kinds of system calls: how a register becomes a value and a trace shows it.

import { EBADF, EFAULT, ENAMETOOLONG } from "../kernel/errno.ts";
import type { OpenFile } from "../kernel/file.ts";
import type { Task } from "../kernel/task.ts";
import { decodeName } from "../kernel/vfs/names.ts";
import { PageFault } from "../memory/guest.ts";
import type { Kind } from "./table.ts";

const wide = 0x1_0000_0000;
const hex = (value: number) => `0x${value.toString(16)}`;

/** A C int. */
export const int: Kind<number> = { decode: (_, low) => low | 0, show: (_, low) => String(low | 0) };
/** A C unsigned int, flags shown in hexadecimal. */
export const uint: Kind<number> = { decode: (_, low) => low >>> 0, show: (_, low) => hex(low >>> 0) };
/** Permission bits. */
export const mode: Kind<number> = { decode: (_, low) => low >>> 0, show: (_, low) => `0${(low >>> 0).toString(8)}` };
/** A C size_t: exact below 2^53. */
export const size: Kind<number> = {
  decode: (_, low, high) => (low >>> 0) + (high >>> 0) * wide,
  show: (_, low, high) => String((low >>> 0) + (high >>> 0) * wide),
};
/** A C long or off_t; in 32-bit mode 32 bits. */
export const long: Kind<number> = {
  decode: (_, low, high) => (low >>> 0) + (high | 0) * wide,
  show: (_, low, high) => String((low >>> 0) + (high | 0) * wide),
};
/** `long` in 32-bit mode, where the gate puts it in the place of `long`. */
export const long32: Kind<number> = int;
/** A guest address; may be 0. Addresses beyond 4 GiB decode as they are and fault on use. */
export const address: Kind<number> = {
  decode: (_, low, high) => (low >>> 0) + (high >>> 0) * wide,
  show: (_, low, high) => (low === 0 && high === 0 ? "NULL" : hex((low >>> 0) + (high >>> 0) * wide)),
};

const pathLimit = 4096;

function text(task: Task, at: number): string {
  let bytes: Uint8Array;
  try {
    bytes = task.process.memory.guest.readCString(at, pathLimit);
  } catch (error) {
    if (error instanceof PageFault) throw EFAULT;
    if (error instanceof RangeError) throw ENAMETOOLONG;
    throw error;
  }
  return decodeName(bytes);
}

/** A path name: a NUL-terminated string in guest memory of less than 4096 bytes. */
export const path: Kind<string> = {
  decode: (task, low, high) => text(task, (low >>> 0) + (high >>> 0) * wide),
  show: (task, low, high) => {
    try {
      return JSON.stringify(text(task, (low >>> 0) + (high >>> 0) * wide));
    } catch {
      return hex((low >>> 0) + (high >>> 0) * wide);
    }
  },
};

/** An open descriptor. Throws EBADF. */
export const file: Kind<OpenFile> = {
  decode: (task, low) => {
    const found = task.process.files.get(low | 0);
    if (!found) throw EBADF;
    return found;
  },
  show: (_, low) => String(low | 0),
};

const atCurrentDirectory = -100;

/** A directory descriptor or AT_FDCWD, resolved by `baseOf` (at.ts) once the path is known. */
export const directory: Kind<number> = {
  decode: (_, low) => low | 0,
  show: (_, low) => ((low | 0) === atCurrentDirectory ? "AT_FDCWD" : String(low | 0)),
};
