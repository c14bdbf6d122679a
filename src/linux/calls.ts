// Every system call there is: the rows of all families. Dispatch, --trace, `cerebro compat` and docs/generated read this.

import * as attributes from "./syscalls/attributes.ts";
import * as attributes32 from "./syscalls/attributes32.ts";
import * as events from "./syscalls/events.ts";
import * as events32 from "./syscalls/events32.ts";
import * as fcntl from "./syscalls/fcntl.ts";
import * as fcntl32 from "./syscalls/fcntl32.ts";
import * as futex from "./syscalls/futex.ts";
import * as identity from "./syscalls/identity.ts";
import * as identity32 from "./syscalls/identity32.ts";
import * as io from "./syscalls/io.ts";
import * as io32 from "./syscalls/io32.ts";
import * as memory from "./syscalls/memory.ts";
import * as memory32 from "./syscalls/memory32.ts";
import * as messages from "./syscalls/messages.ts";
import * as mounts from "./syscalls/mounts.ts";
import * as names from "./syscalls/names.ts";
import * as names32 from "./syscalls/names32.ts";
import * as open from "./syscalls/open.ts";
import * as poll from "./syscalls/poll.ts";
import * as poll32 from "./syscalls/poll32.ts";
import * as process from "./syscalls/process.ts";
import * as process32 from "./syscalls/process32.ts";
import * as processmemory from "./syscalls/processmemory.ts";
import * as scheduling from "./syscalls/scheduling.ts";
import * as signals from "./syscalls/signals.ts";
import * as signals32 from "./syscalls/signals32.ts";
import * as sockets from "./syscalls/sockets.ts";
import * as sockets32 from "./syscalls/sockets32.ts";
import * as stat from "./syscalls/stat.ts";
import * as stat32 from "./syscalls/stat32.ts";
import * as system from "./syscalls/system.ts";
import * as time from "./syscalls/time.ts";
import * as timers from "./syscalls/timers.ts";
import * as transfer from "./syscalls/transfer.ts";
import * as transfer32 from "./syscalls/transfer32.ts";
import * as unsupported from "./syscalls/unsupported.ts";
import type { CallModule, SystemCall, UnsupportedCall } from "./table.ts";

/** The rows among a module's exports. */
function rows(module: object): CallModule {
  const isRow = (value: unknown): value is SystemCall | UnsupportedCall =>
    typeof value === "object" && value !== null && "numbers" in value && "supported" in value;
  return Object.fromEntries(Object.entries(module).filter(([, value]) => isRow(value)));
}

/** The families by name. */
export const families = {
  attributes,
  attributes32,
  events,
  events32,
  fcntl,
  fcntl32,
  futex,
  identity,
  identity32,
  io,
  io32,
  memory,
  memory32,
  messages,
  mounts,
  names,
  names32,
  open,
  poll,
  poll32,
  process,
  process32,
  processmemory,
  scheduling,
  signals,
  signals32,
  sockets,
  sockets32,
  stat,
  stat32,
  system,
  time,
  timers,
  transfer,
  transfer32,
  unsupported,
} as const;

export const systemCalls: readonly CallModule[] = Object.values(families).map(rows);
