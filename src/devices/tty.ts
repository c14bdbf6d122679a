// Open terminals: reading, writing and ioctl_tty(2) on the side of programs, and /dev/tty.

import { EINVAL, EIO, ENOTTY, EPERM } from "../kernel/errno.ts";
import { Open, OpenFile, Poll } from "../kernel/file.ts";
import type { Process } from "../kernel/process.ts";
import { SIGTTOU } from "../kernel/signal.ts";
import type { Task } from "../kernel/task.ts";
import { controllingTerminals } from "../kernel/terminals.ts";
import type { Attributes, Path } from "../kernel/vfs/vnode.ts";
import type { WaitQueue } from "../kernel/wait.ts";
import { Terminal } from "./terminal.ts";
import { type Form, readTermios, writeTermios } from "./termios.ts";

export const Request = {
  getSettings: 0x5401,
  setSettings: 0x5402,
  setSettingsWait: 0x5403,
  setSettingsFlush: 0x5404,
  getOld: 0x5405,
  setOld: 0x5406,
  setOldWait: 0x5407,
  setOldFlush: 0x5408,
  sendBreak: 0x5409,
  flow: 0x540a,
  flush: 0x540b,
  exclusive: 0x540c,
  notExclusive: 0x540d,
  becomeControlling: 0x540e,
  getGroup: 0x540f,
  setGroup: 0x5410,
  outputQueue: 0x5411,
  simulateInput: 0x5412,
  getSize: 0x5413,
  setSize: 0x5414,
  available: 0x541b,
  giveUp: 0x5422,
  setDiscipline: 0x5423,
  getDiscipline: 0x5424,
  sendBreakPosix: 0x5425,
  getSession: 0x5429,
  getSettings2: 0x802c542a,
  setSettings2: 0x402c542b,
  setSettings2Wait: 0x402c542c,
  setSettings2Flush: 0x402c542d,
  hangUp: 0x5437,
  getExclusive: 0x80045440,
} as const;

/** Requests that set settings: their form, and whether unread input goes. */
const setters = new Map<number, { form: Form; flush: boolean }>([
  [Request.setSettings, { form: "termios", flush: false }],
  [Request.setSettingsWait, { form: "termios", flush: false }],
  [Request.setSettingsFlush, { form: "termios", flush: true }],
  [Request.setOld, { form: "termio", flush: false }],
  [Request.setOldWait, { form: "termio", flush: false }],
  [Request.setOldFlush, { form: "termio", flush: true }],
  [Request.setSettings2, { form: "termios2", flush: false }],
  [Request.setSettings2Wait, { form: "termios2", flush: false }],
  [Request.setSettings2Flush, { form: "termios2", flush: true }],
]);

/** Requests on a terminal, from its own side or a pseudo-terminal's master. */
export function terminalControl(
  terminal: Terminal,
  task: Task,
  request: number,
  at: number,
  fromMaster = false,
): number {
  const { process } = task;
  const { guest } = process.memory;
  const setter = setters.get(request);
  if (setter) {
    if (!fromMaster) terminal.needForeground(SIGTTOU);
    readTermios(guest, at, terminal.termios, setter.form);
    if (setter.flush) terminal.flushInput();
    terminal.settingsChanged();
    return 0;
  }
  switch (request) {
    case Request.getSettings:
      writeTermios(guest, at, terminal.termios, "termios");
      return 0;
    case Request.getSettings2:
      writeTermios(guest, at, terminal.termios, "termios2");
      return 0;
    case Request.getOld:
      writeTermios(guest, at, terminal.termios, "termio");
      return 0;
    case Request.sendBreak:
    case Request.sendBreakPosix:
    case Request.exclusive:
    case Request.notExclusive:
      return 0;
    case Request.getExclusive:
      guest.writeU32(at, 0);
      return 0;
    case Request.flow:
      // TCOOFF 0, TCOON 1; TCIOFF and TCION would send characters to the screen's side.
      if (at > 3) throw EINVAL;
      if (at < 2) terminal.flow(at === 0);
      return 0;
    case Request.flush:
      if (at > 2) throw EINVAL;
      if (at !== 1) terminal.flushInput();
      return 0;
    case Request.getSize: {
      const { rows, columns, width, height } = terminal.size;
      [rows, columns, width, height].forEach((value, i) => guest.writeU16(at + i * 2, value));
      return 0;
    }
    case Request.setSize:
      terminal.resize(guest.readU16(at), guest.readU16(at + 2), guest.readU16(at + 4), guest.readU16(at + 6));
      return 0;
    case Request.outputQueue:
      guest.writeU32(at, 0);
      return 0;
    case Request.available:
      guest.writeU32(at, terminal.available);
      return 0;
    case Request.getDiscipline:
      guest.writeU32(at, 0);
      return 0;
    case Request.setDiscipline:
      if (guest.readU32(at) !== 0) throw EINVAL;
      return 0;
    case Request.simulateInput:
      if (process.credentials.euid !== 0) throw EPERM;
      terminal.receive(Uint8Array.of(guest.readU8(at)));
      return 0;
    case Request.hangUp:
      if (process.credentials.euid !== 0) throw EPERM;
      terminal.hangUp();
      return 0;
    default:
      return sessionControl(terminal, task, request, at, fromMaster);
  }
}

function sessionControl(terminal: Terminal, task: Task, request: number, at: number, fromMaster: boolean): number {
  const { process } = task;
  const { guest } = process.memory;
  const isMine = terminal.session !== 0 && terminal.session === process.session;
  switch (request) {
    case Request.becomeControlling:
      if (isMine && process.pid === process.session) return 0;
      if (process.pid !== process.session || controllingTerminals(process.kernel).has(process.session)) throw EPERM;
      if (terminal.session !== 0 && !(at === 1 && process.credentials.euid === 0)) throw EPERM;
      terminal.control(process);
      return 0;
    case Request.giveUp:
      if (!isMine) throw ENOTTY;
      if (process.pid === process.session) terminal.release();
      return 0;
    case Request.getGroup:
      if (!isMine && !fromMaster) throw ENOTTY;
      guest.writeU32(at, terminal.foreground);
      return 0;
    case Request.getSession:
      if (!isMine && !fromMaster) throw ENOTTY;
      if (terminal.session === 0) throw ENOTTY;
      guest.writeU32(at, terminal.session);
      return 0;
    case Request.setGroup: {
      if (!isMine) throw ENOTTY;
      terminal.needForeground(SIGTTOU);
      const group = guest.readI32(at);
      if (group < 0) throw EINVAL;
      const { processes } = process.kernel;
      let found = false;
      for (const member of processes.values())
        if (member.group === group && member.session === process.session) found = true;
      if (!found) throw EPERM;
      terminal.foreground = group;
      return 0;
    }
    default:
      throw ENOTTY;
  }
}

/** A terminal opened by a program. */
export class TtyFile extends OpenFile {
  readonly terminal: Terminal;
  override readonly path: Path;
  override readonly changed: WaitQueue;
  private readonly onClose: (() => void) | undefined;

  constructor(terminal: Terminal, flags: number, path: Path, onClose?: () => void) {
    super(flags, path);
    this.terminal = terminal;
    this.path = path;
    this.changed = terminal.changed;
    this.onClose = onClose;
  }

  get description(): string {
    return this.terminal.name;
  }
  attributes(): Attributes {
    return this.path.vnode.attributes();
  }
  override setAttributes(change: Partial<Attributes>): void {
    this.path.vnode.setAttributes(change);
  }
  override get stream(): boolean {
    return true;
  }
  override read(into: Uint8Array): number {
    return this.terminal.read(into);
  }
  override write(from: Uint8Array): number {
    return this.terminal.write(from);
  }
  override poll(): number {
    const { terminal } = this;
    if (terminal.hungUp) return Poll.in | Poll.out | Poll.err | Poll.hup;
    return (terminal.readable ? Poll.in : 0) | (terminal.writable ? Poll.out : 0);
  }
  override ioctl(task: Task, request: number, argument: number): number {
    if (this.terminal.hungUp) throw EIO;
    return terminalControl(this.terminal, task, request, argument);
  }
  protected override closed(): void {
    this.onClose?.();
  }
}

/** Opens a terminal; a session leader without one gets it as its controlling terminal, unless O_NOCTTY. */
export function openTerminal(
  terminal: Terminal,
  flags: number,
  path: Path,
  process: Process,
  onClose?: () => void,
): TtyFile {
  if (terminal.hungUp) throw EIO;
  const leads = process.pid === process.session && !controllingTerminals(process.kernel).has(process.session);
  if (
    leads &&
    terminal.session === 0 &&
    (flags & Open.noControllingTty) === 0 &&
    (flags & Open.accessMask) !== Open.writeOnly
  )
    terminal.control(process);
  return new TtyFile(terminal, flags, path, onClose);
}
