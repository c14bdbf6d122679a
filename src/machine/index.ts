// The public API: makes a machine, runs programs in it.

export { CerebroError, type ErrorCode, FormatError } from "../base/errors.ts";
export { type FileInfo, GuestFiles } from "./files.ts";
export { createMachine, Machine } from "./machine.ts";
export type {
  ArchiveEntry,
  LoadOptions,
  PackageHost,
  PackageRequest,
  Progress,
  EngineHost,
  Exit,
  Host,
  HostMount,
  Limits,
  MachineOptions,
  ProcessInfo,
  RunOptions,
  StandardInput,
  Topic,
  TraceEvent,
} from "./options.ts";
export { GuestProcess } from "./process.ts";
export { Input, Output } from "./streams.ts";
