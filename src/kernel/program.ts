// Starting programs: finds who can run a file (ELF, script, later PE and DEX) and replaces the image of a process.

import type { AddressSpace } from "./addressspace.ts";
import { EACCES, EISDIR, ELOOP, ENOEXEC } from "./errno.ts";
import { Open, type OpenFile } from "./file.ts";
import { leaveMemory, removeTask } from "./life.ts";
import type { Program } from "./personality.ts";
import type { Process } from "./process.ts";
import type { Task } from "./task.ts";
import { permits, Want } from "./vfs/permission.ts";
import { type Path, Type } from "./vfs/vnode.ts";

const headSize = 256;
/** Scripts that name scripts: the kernel follows so many (execve(2)). */
const deepest = 4;

/** Opens a file to be run or to be a program interpreter. Throws EACCES. The caller releases it. */
export function openProgram(process: Process, path: Path): OpenFile {
  const attributes = path.vnode.attributes();
  if ((attributes.mode & Type.mask) === Type.directory) throw EACCES;
  if ((attributes.mode & Type.mask) !== Type.regular) throw EACCES;
  if (!permits(process.credentials, attributes, Want.execute)) throw EACCES;
  return path.vnode.open(Open.readOnly, path, process);
}

/** Reads up to `length` bytes from a position; less at the end of the file. */
export function readAt(file: OpenFile, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = file.read(bytes.subarray(at), position + at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

/** Runs a program in place of the task's process image (execve(2)). Throws an Errno when it can't. */
export function execute(task: Task, program: Program): void {
  const { process } = task;
  const { kernel } = process;
  if (program.depth > deepest) throw ELOOP;
  const file = openProgram(process, program.path);
  let head: Uint8Array;
  try {
    head = readAt(file, 0, headSize);
  } catch (error) {
    throw error === EISDIR ? EACCES : error;
  } finally {
    file.release();
  }
  const handler = kernel.handlers.find((candidate) => candidate.matches(head));
  if (!handler) throw ENOEXEC;
  if (kernel.trace.wants("exec")) {
    const text = `${handler.name} ${program.name}`;
    kernel.trace.emit({ topic: "exec", time: kernel.now(), pid: process.pid, tid: task.tid, text });
  }
  handler.execute(task, program);
}

/** What a new image brings. */
export interface Image {
  readonly program: Program;
  readonly memory: AddressSpace;
  readonly mode: string;
}

/**
 * The point of no return of execve: other tasks end, the new address space takes the place of the old, signal handlers go,
 * descriptors close. The caller then sets the task's registers (`task.context` is new and zero).
 */
export function replaceImage(task: Task, image: Image): void {
  const { process } = task;
  const { kernel } = process;
  for (const other of Array.from(process.tasks)) if (other !== task) removeTask(other);
  process.personality.taskEnded(task);
  if (task.tid !== process.pid) {
    kernel.tasks.delete(task.tid);
    task.tid = process.pid;
    kernel.tasks.set(task.tid, task);
  }
  if (process.memory.resident === task.context) process.memory.resident = undefined;
  process.memory.executor?.release(task);
  leaveMemory(process);
  process.memory = image.memory;
  image.memory.executor = kernel.executors.create(image.memory.guest, image.mode);
  task.context = kernel.executors.context(image.memory.guest);

  if (process.files.shared) {
    const own = process.files.clone();
    process.files.release(process);
    process.files = own;
  }
  process.files.closeForExec(process);
  process.actions = process.actions.clone();
  process.actions.reset();
  task.signalStack = { base: 0, size: 0, flags: 2 };
  task.clearChildTid = 0;
  task.robustList = 0;
  process.executed = true;
  const { program } = image;
  process.executable = program.path;
  process.arguments = program.arguments;
  process.environment = program.environment;
  process.name = commandName(program.name);
  task.name = process.name;
}

/** The last component of a path, as /proc/self/comm keeps it: 15 bytes. */
function commandName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).slice(0, 15);
}
