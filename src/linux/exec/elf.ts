// ELF programs: maps an executable and its interpreter into a new address space and starts it (execve(2), elf(5); the
// order of things follows the kernel's load_elf_binary).

import { FormatError } from "../../base/errors.ts";
import {
  type Elf,
  ElfType,
  isElf,
  Machine,
  parseElf,
  type Segment,
  SegmentFlag,
  SegmentType,
} from "../../formats/elf.ts";
import { AddressSpace, placement, roundUp } from "../../kernel/addressspace.ts";
import { E2BIG, EINVAL, ELIBBAD, ENOEXEC, ENOMEM, Errno } from "../../kernel/errno.ts";
import type { OpenFile } from "../../kernel/file.ts";
import { Limit } from "../../kernel/kernel.ts";
import { endProcess } from "../../kernel/life.ts";
import type { Program, ProgramHandler } from "../../kernel/personality.ts";
import type { Process } from "../../kernel/process.ts";
import { openProgram, readAt, replaceImage } from "../../kernel/program.ts";
import { SIGSEGV } from "../../kernel/signal.ts";
import { encodeName } from "../../kernel/vfs/names.ts";
import { walk } from "../../kernel/vfs/walk.ts";
import type { Task } from "../../kernel/task.ts";
import { PageFault } from "../../memory/guest.ts";
import { Access, pageMask, pageSize } from "../../memory/layout.ts";
import { cpu, initializeRegisters, Register } from "../registers.ts";
import { linuxProcess, LinuxProcess, LinuxTask, type Mode } from "../state.ts";
import { connectProcessor } from "../tls.ts";
import { Aux, buildStack } from "./stack.ts";

/** Enough for the headers of any sane program; more is read when they lie further out. */
const headSize = 4096;
/** CPUID leaf 1 EDX as AT_HWCAP shows it: FPU TSC CX8 CMOV MMX FXSR SSE SSE2 and the usual company. */
const hwcap = 0x0783_fbff;
const clockTicks = 100;
const minimumSignalStack = 2048;
/** Address space at the top of the stack that arguments may take: a quarter of it, at most 6 MiB (execve(2)). */
const argumentShare = 4;
const mostArguments = 6 * 2 ** 20;
const longestString = 32 * pageSize;

/** A file being mapped. */
interface Loaded {
  readonly entry: number;
  /** Where address 0 of the file went. */
  readonly bias: number;
  /** End of the last segment. */
  readonly end: number;
  readonly headers: number;
  readonly codeStart: number;
  readonly codeEnd: number;
}

function readElf(file: OpenFile): Elf {
  let head = readAt(file, 0, headSize);
  const fileSize = file.attributes().size;
  for (;;) {
    try {
      const elf = parseElf(head, { fileSize });
      // The path of the interpreter has to be in what was read.
      void elf.interpreter;
      return elf;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (head.length >= fileSize || head.length >= 1 << 20) throw ENOEXEC;
      head = readAt(file, 0, Math.min(fileSize, head.length * 8));
    }
  }
}

function modeOf(elf: Elf): Mode | undefined {
  if (elf.bigEndian || (elf.type !== ElfType.executable && elf.type !== ElfType.shared)) return undefined;
  if (elf.bits === 64 && elf.machine === Machine.x86_64) return "x86_64";
  return elf.bits === 32 && elf.machine === Machine.i386 ? "i386" : undefined;
}

function accessOf(flags: number): number {
  return (
    (flags & SegmentFlag.read ? Access.read : 0) |
    (flags & SegmentFlag.write ? Access.write : 0) |
    (flags & SegmentFlag.execute ? Access.execute : 0)
  );
}

const down = (address: number): number => address - (address % pageSize);

/** Maps the loadable segments; position-independent files go to the first free place from `from` on. */
function load(space: AddressSpace, file: OpenFile, elf: Elf, from: number): Loaded {
  const segments = elf.segments.filter(({ type, memorySize }) => type === SegmentType.load && memorySize > 0);
  if (segments.length === 0) throw ENOEXEC;
  const first = down(segments[0]!.address);
  const end = segments.reduce((most, { address, memorySize }) => Math.max(most, address + memorySize), 0);
  let bias = 0;
  if (elf.type === ElfType.shared) {
    const align = segments.reduce((most, segment) => Math.max(most, segment.align), pageSize);
    const room = space.findFree(roundUp(end - first) + align, from);
    bias = Math.ceil(room / align) * align - first;
  }
  let codeStart = Infinity;
  let codeEnd = 0;
  for (const segment of segments) {
    mapSegment(space, file, segment, bias);
    if ((segment.flags & SegmentFlag.execute) === 0) continue;
    codeStart = Math.min(codeStart, bias + segment.address);
    codeEnd = Math.max(codeEnd, bias + segment.address + segment.fileSize);
  }
  return { entry: elf.entry + bias, bias, end: end + bias, headers: headersAt(elf) + bias, codeStart, codeEnd };
}

/** Address of the program headers: PT_PHDR, or through the segment that holds them. */
function headersAt(elf: Elf): number {
  const own = elf.segments.find(({ type }) => type === SegmentType.phdr);
  return own?.address ?? elf.offsetOf(elf.programHeaderOffset) ?? 0;
}

function mapSegment(space: AddressSpace, file: OpenFile, segment: Segment, bias: number): void {
  const { address, offset, fileSize, memorySize, flags } = segment;
  const within = address & pageMask;
  if (within !== (offset & pageMask)) throw EINVAL;
  const start = bias + address - within;
  const access = accessOf(flags);
  const fileEnd = bias + address + fileSize;
  const mappedEnd = roundUp(fileEnd);
  if (fileSize > 0)
    space.map({ address: start, fixed: "replace", length: mappedEnd - start, access, file, offset: offset - within });
  const end = roundUp(bias + address + memorySize);
  const zeroFrom = fileSize > 0 ? mappedEnd : start;
  if (end > zeroFrom) space.map({ address: zeroFrom, fixed: "replace", length: end - zeroFrom, access });
  // What follows the data on its last page belongs to .bss.
  if (memorySize <= fileSize || fileEnd === mappedEnd || fileSize === 0) return;
  if (access & Access.write) space.guest.bytes(fileEnd, mappedEnd - fileEnd, Access.write).fill(0);
}

/** Where signal handlers of i386 without a restorer return to, as the vDSO has it on a real kernel. */
const returnPlain = [0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80]; // pop eax; mov eax, 119; int 0x80
const returnRealtime = [0xb8, 0xad, 0, 0, 0, 0xcd, 0x80]; // mov eax, 173; int 0x80

function mapSignalReturn(space: AddressSpace, into: LinuxProcess): void {
  const at = space.map({ address: 0, length: pageSize, access: Access.read | Access.write, name: "[sigreturn]" });
  space.guest.write(at, Uint8Array.from(returnPlain));
  space.guest.write(at + 16, Uint8Array.from(returnRealtime));
  space.protect(at, at + pageSize, Access.read | Access.execute);
  into.signalReturn = { plain: at, realtime: at + 16 };
}

interface Built {
  readonly space: AddressSpace;
  readonly mode: Mode;
  readonly entry: number;
  readonly stackPointer: number;
  readonly personal: LinuxProcess;
}

function build(process: Process, program: Program, file: OpenFile, elf: Elf, mode: Mode): Built {
  const space = new AddressSpace(process.contract, process.kernel.memories);
  try {
    const interpreterName = elf.interpreter;
    const gnuStack = elf.segments.find(({ type }) => type === SegmentType.gnuStack);
    space.readImpliesExecute = mode === "i386" && gnuStack === undefined;
    const image = load(space, file, elf, placement.image);
    Object.assign(space.image, { codeStart: image.codeStart, codeEnd: image.codeEnd });

    const wanted = Math.min(process.limits[Limit.stack]![0], 2 ** 28);
    const stackSize = Math.max(roundUp(wanted), 32 * pageSize);
    const stackTop = mapStack(space, stackSize, gnuStack ? accessOf(gnuStack.flags) : undefined, mode);
    space.startHeap(roundUp(image.end));

    let entry = image.entry;
    let base = 0;
    if (interpreterName !== undefined) {
      const loaded = loadInterpreter(process, space, interpreterName, mode);
      entry = loaded.entry;
      base = loaded.bias;
    }
    const personal = new LinuxProcess();
    if (mode === "i386") mapSignalReturn(space, personal);

    const { uid, euid, gid, egid } = process.credentials;
    const random = new Uint8Array(16);
    process.kernel.random(random);
    const limit = Math.min(stackSize / argumentShare, mostArguments);
    const stackPointer = buildStack(space, stackTop, limit, elf.bits, {
      arguments: program.arguments.length > 0 ? program.arguments : [new Uint8Array(0)],
      environment: program.environment,
      name: encodeName(program.name),
      platform: mode === "x86_64" ? "x86_64" : "i686",
      random,
      auxiliary: [
        [Aux.hwcap, hwcap],
        [Aux.pagesz, pageSize],
        [Aux.clktck, clockTicks],
        [Aux.phdr, image.headers],
        [Aux.phent, elf.programHeaderSize],
        [Aux.phnum, elf.segments.length],
        [Aux.base, base],
        [Aux.flags, 0],
        [Aux.entry, image.entry],
        [Aux.uid, uid],
        [Aux.euid, euid],
        [Aux.gid, gid],
        [Aux.egid, egid],
        [Aux.secure, 0],
        [Aux.hwcap2, 0],
        [Aux.minsigstksz, minimumSignalStack],
      ],
    });
    return { space, mode, entry, stackPointer, personal };
  } catch (error) {
    space.release();
    throw error instanceof PageFault ? ENOMEM : error;
  }
}

function mapStack(space: AddressSpace, size: number, flags: number | undefined, mode: Mode): number {
  const usual = placement.stackEnd - size;
  const free = size <= placement.stackSize && space.overlapping(usual, placement.stackEnd).length === 0;
  const access = (flags ?? (mode === "i386" ? Access.execute : 0)) | Access.read | Access.write;
  const at = space.map({ address: free ? usual : 0, length: size, access, name: "[stack]" });
  return at + size;
}

function loadInterpreter(process: Process, space: AddressSpace, name: string, mode: Mode): Loaded {
  const file = openProgram(process, walk(process, process.fs.cwd, name));
  try {
    let elf: Elf;
    try {
      elf = readElf(file);
    } catch (error) {
      throw error instanceof Errno ? ELIBBAD : error;
    }
    if (modeOf(elf) !== mode) throw ELIBBAD;
    return load(space, file, elf, placement.maps);
  } finally {
    file.release();
  }
}

function checkStrings(program: Program): void {
  for (const text of program.arguments) if (text.length >= longestString) throw E2BIG;
  for (const text of program.environment) if (text.length >= longestString) throw E2BIG;
}

/** Sets what execve changes of identity: set-user-id and set-group-id files. */
function applySetId(process: Process, { path }: Program): void {
  const { mode, uid, gid } = path.vnode.attributes();
  const { credentials } = process;
  if (!process.flags.noNewPrivileges) {
    if (mode & 0o4000) credentials.euid = uid;
    if ((mode & 0o2010) === 0o2010) credentials.egid = gid;
  }
  credentials.suid = credentials.fsuid = credentials.euid;
  credentials.sgid = credentials.fsgid = credentials.egid;
}

function start(task: Task, built: Built): void {
  const view = cpu(task);
  initializeRegisters(view, built.mode);
  view.set(Register.rsp, built.stackPointer);
  view.pc = built.entry;
  task.personal = new LinuxTask(built.mode);
  connectProcessor(task);
}

export const elf: ProgramHandler = {
  name: "ELF",
  matches: isElf,
  execute(task: Task, program: Program) {
    const { process } = task;
    checkStrings(program);
    const file = openProgram(process, program.path);
    try {
      const image = readElf(file);
      const mode = modeOf(image);
      if (mode === undefined) throw ENOEXEC;
      applySetId(process, program);
      const built = build(process, program, file, image, mode);
      const { persona } = linuxProcess(process);
      replaceImage(task, { program, memory: built.space, mode });
      built.personal.persona = persona;
      process.personal = built.personal;
      start(task, built);
    } catch (error) {
      if (error instanceof PageFault) return endProcess(process, SIGSEGV);
      throw error;
    } finally {
      file.release();
    }
  },
};
