// A terminal: the line discipline between a program and a screen (termios(3)), its window size, session and foreground group.

import { EAGAIN, EIO } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isOrphaned } from "../kernel/life.ts";
import type { Process } from "../kernel/process.ts";
import {
  Code,
  hasSignal,
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGQUIT,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGWINCH,
} from "../kernel/signal.ts";
import { sendToGroup, sendToProcess } from "../kernel/signals.ts";
import { controllingTerminals, type ControllingTerminal } from "../kernel/terminals.ts";
import { WaitQueue } from "../kernel/wait.ts";
import { defaultTermios, Input, Local, Output, Special, type Termios } from "./termios.ts";

/** The other side: a pseudo-terminal's master, or the host's console. */
export interface Screen {
  /** Room for output, in bytes. */
  room(): number;
  output(bytes: Uint8Array): void;
  /** The reader of input caught up, or fell behind. */
  hungry?(more: boolean): void;
}

const backspace = 8;
const tab = 9;
const newline = 10;
const carriageReturn = 13;
const bell = 7;
/** Bytes of input that are kept for a program that does not read (MAX_INPUT). */
const mostInput = 4096;

/** Input that a read may take: one line in canonical mode. */
interface Chunk {
  readonly bytes: Uint8Array;
  offset: number;
}

export class Terminal implements ControllingTerminal {
  readonly kernel: Kernel;
  readonly device: number;
  /** For /proc and ttyname: "/dev/pts/0". */
  readonly name: string;
  termios: Termios = defaultTermios();
  size = { rows: 24, columns: 80, width: 0, height: 0 };
  /** The session that it controls; 0 when there is none. */
  session = 0;
  foreground = 0;
  /** Told when its side for programs can be read or written. */
  readonly changed = new WaitQueue();
  /** The screen is gone: reads see the end, writes fail. */
  hungUp = false;
  private readonly screen: Screen;
  private line: number[] = [];
  private chunks: Chunk[] = [];
  private waiting = 0;
  private stopped = false;
  private literal = false;
  private column = 0;
  /** Column where the line being edited began. */
  private lineColumn = 0;
  private timedOut = false;
  private cancelTimer: (() => void) | undefined;

  constructor(kernel: Kernel, device: number, name: string, screen: Screen) {
    this.kernel = kernel;
    this.device = device;
    this.name = name;
    this.screen = screen;
  }

  // Input.

  private special(index: number): number {
    const character = this.termios.special[index]!;
    return character === 0 ? -1 : character;
  }

  /** Bytes that were typed. */
  receive(bytes: Uint8Array): void {
    const { input, local } = this.termios;
    const plain = (local & (Local.canonical | Local.echo | Local.signals)) === 0;
    if (plain && (input & (Input.flow | Input.strip | 0o700)) === 0) this.add(bytes.slice());
    else for (const byte of bytes) this.character(byte);
    this.changed.wake();
    if (this.waiting + this.line.length >= mostInput) this.screen.hungry?.(false);
  }

  private character(byte: number): void {
    const { input, local } = this.termios;
    let character = (input & Input.strip) !== 0 ? byte & 0x7f : byte;
    if (this.literal) {
      this.literal = false;
      return this.store(character);
    }
    const extended = (local & Local.extended) !== 0;
    if (extended && character === this.special(Special.literalNext)) {
      this.literal = true;
      if ((local & (Local.echo | Local.echoControl)) === (Local.echo | Local.echoControl)) this.echo([94, backspace]);
      return;
    }
    if ((input & Input.flow) !== 0) {
      if (character === this.special(Special.stop)) {
        this.stopped = true;
        return;
      }
      if (character === this.special(Special.start)) return this.restart();
      if (this.stopped && (input & Input.anyRestarts) !== 0) this.restart();
    }
    if ((local & Local.signals) !== 0 && this.signalCharacter(character)) return;
    if (character === carriageReturn) {
      if ((input & Input.ignoreReturn) !== 0) return;
      if ((input & Input.returnToNewline) !== 0) character = newline;
    } else if (character === newline && (input & Input.newlineToReturn) !== 0) character = carriageReturn;
    if ((local & Local.canonical) !== 0) this.edit(character);
    else this.store(character);
  }

  private restart(): void {
    this.stopped = false;
    this.changed.wake();
  }

  private signalCharacter(character: number): boolean {
    const signo =
      character === this.special(Special.interrupt)
        ? SIGINT
        : character === this.special(Special.quit)
          ? SIGQUIT
          : character === this.special(Special.suspend)
            ? SIGTSTP
            : 0;
    if (signo === 0) return false;
    if ((this.termios.local & Local.noFlush) === 0) this.flushInput();
    this.stopped = false;
    if ((this.termios.local & Local.echo) !== 0) this.echoCharacter(character);
    this.signal(signo);
    return true;
  }

  /** Sends to the foreground process group. */
  signal(signo: number): void {
    if (this.foreground !== 0) sendToGroup(this.kernel, this.foreground, { signo, code: Code.kernel });
  }

  /** A character in canonical mode. */
  private edit(character: number): void {
    const { local } = this.termios;
    const echo = (local & Local.echo) !== 0;
    const extended = (local & Local.extended) !== 0;
    if (character === this.special(Special.erase)) return this.erase("character");
    if (character === this.special(Special.kill)) return this.erase("line");
    if (extended && character === this.special(Special.wordErase)) return this.erase("word");
    if (extended && character === this.special(Special.reprint)) {
      if (!echo) return;
      this.echoCharacter(character);
      this.echo([newline]);
      for (const one of this.line) this.echoCharacter(one);
      return;
    }
    if (character === newline) {
      if (echo || (local & Local.echoNewline) !== 0) this.echo([newline]);
      return this.endLine(newline);
    }
    if (character === this.special(Special.endOfFile)) return this.endLine();
    if (character === this.special(Special.endOfLine) || (extended && character === this.special(Special.endOfLine2))) {
      if (echo) this.echoCharacter(character);
      return this.endLine(character);
    }
    this.store(character);
  }

  private endLine(last?: number): void {
    if (last !== undefined) this.line.push(last);
    const bytes = Uint8Array.from(this.line);
    this.line = [];
    this.add(bytes);
  }

  private add(bytes: Uint8Array): void {
    this.chunks.push({ bytes, offset: 0 });
    this.waiting += bytes.length;
  }

  private store(character: number): void {
    const { local, input } = this.termios;
    if (this.waiting + this.line.length >= mostInput - 1) {
      if ((input & Input.bellWhenFull) !== 0) this.echo([bell]);
      return;
    }
    if ((local & Local.canonical) === 0) {
      this.add(Uint8Array.of(character));
      if ((local & Local.echo) !== 0) this.echoCharacter(character);
      return;
    }
    if (this.line.length === 0) this.lineColumn = this.column;
    this.line.push(character);
    if ((local & Local.echo) !== 0) this.echoCharacter(character);
  }

  private erase(what: "character" | "word" | "line"): void {
    const { local, input, special } = this.termios;
    if (this.line.length === 0) return;
    if (what === "line" && (local & Local.echoKillErase) === 0) {
      this.line = [];
      if ((local & Local.echo) === 0) return;
      this.echoCharacter(special[Special.kill]!);
      if ((local & Local.echoKill) !== 0) this.echo([newline]);
      return;
    }
    const isWord = (byte: number) => byte === 95 || byte >= 0x80 || /[0-9A-Za-z]/.test(String.fromCharCode(byte));
    let inWord = false;
    while (this.line.length > 0) {
      const last = this.line.at(-1)!;
      if (what === "word") {
        if (isWord(last)) inWord = true;
        else if (inWord) break;
      }
      let length = 1;
      // A UTF-8 character goes as a whole.
      if ((input & Input.utf8) !== 0)
        while (length < this.line.length && (this.line.at(-length)! & 0xc0) === 0x80) length++;
      this.line.length -= length;
      if ((local & Local.echo) !== 0) this.echoErased(last);
      if (what === "character") break;
    }
  }

  private echoErased(erased: number): void {
    const { local, special } = this.termios;
    if ((local & Local.echoErase) === 0) return this.echoCharacter(special[Special.erase]!);
    let width = 1;
    if (erased === tab) {
      let column = this.lineColumn;
      for (const byte of this.line) column = this.after(column, byte);
      width = this.column - column;
    } else if (erased < 32 || erased === 127) width = (local & Local.echoControl) !== 0 ? 2 : 0;
    for (let i = 0; i < width; i++) this.echo(erased === tab ? [backspace] : [backspace, 32, backspace]);
  }

  private after(column: number, byte: number): number {
    if (byte === tab) return (column | 7) + 1;
    if (byte < 32 || byte === 127) return (this.termios.local & Local.echoControl) !== 0 ? column + 2 : column;
    return (byte & 0xc0) === 0x80 ? column : column + 1;
  }

  private echoCharacter(character: number): void {
    const control = character < 32 || character === 127;
    const shown = character !== tab && character !== newline;
    if (control && shown && (this.termios.local & Local.echoControl) !== 0) this.echo([94, character ^ 0x40]);
    else this.echo([character]);
  }

  private echo(characters: number[]): void {
    this.screen.output(this.processed(Uint8Array.from(characters), Infinity).bytes);
  }

  // Output.

  /** What `bytes` become on the screen, as many of them as give at most `room`. */
  private processed(bytes: Uint8Array, room: number): { bytes: Uint8Array; taken: number } {
    const { output } = this.termios;
    if ((output & Output.process) === 0) {
      const taken = Math.min(bytes.length, room);
      return { bytes: bytes.slice(0, taken), taken };
    }
    const made: number[] = [];
    let taken = 0;
    for (; taken < bytes.length && made.length + 8 <= Math.max(room, 8); taken++) {
      let byte = bytes[taken]!;
      if (byte === newline) {
        if ((output & Output.newlineToBoth) !== 0) made.push(carriageReturn);
        if ((output & (Output.newlineToBoth | Output.newlineReturns)) !== 0) this.column = 0;
      } else if (byte === carriageReturn) {
        if ((output & Output.noReturnAtStart) !== 0 && this.column === 0) continue;
        if ((output & Output.returnToNewline) !== 0) byte = newline;
        else this.column = 0;
      } else if (byte === tab) {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((output & Output.expandTabs) === Output.expandTabs) {
          for (let i = 0; i < spaces; i++) made.push(32);
          continue;
        }
      } else if (byte === backspace) this.column = Math.max(0, this.column - 1);
      else if (byte >= 32 && (byte & 0xc0) !== 0x80) this.column++;
      made.push(byte);
    }
    return { bytes: Uint8Array.from(made), taken };
  }

  // The program's side.

  /** The process that asks, if it belongs to the session of this terminal but not to its foreground group. */
  private background(): Process | undefined {
    const process = this.kernel.scheduler.current?.process;
    if (!process || process.session !== this.session || this.session === 0) return undefined;
    return process.group === this.foreground ? undefined : process;
  }

  /** Stops a background group that reads, or writes when it may not (tty_check_change of Linux). */
  needForeground(signo: typeof SIGTTIN | typeof SIGTTOU): void {
    const process = this.background();
    if (!process) return;
    const task = this.kernel.scheduler.current!;
    const ignored = process.actions.get(signo).handler === 1 || hasSignal(task.signalMask, signo);
    if (ignored) {
      if (signo === SIGTTOU) return;
      throw EIO;
    }
    if (isOrphaned(this.kernel, process.group)) throw EIO;
    sendToGroup(this.kernel, process.group, { signo, code: Code.kernel });
    // The signal stops or interrupts the call; continued, it is tried again.
    throw EAGAIN;
  }

  /** Reads input. Throws EAGAIN while there is none. */
  read(into: Uint8Array): number {
    if (this.hungUp) return 0;
    this.needForeground(SIGTTIN);
    if (into.length === 0) return 0;
    const count = (this.termios.local & Local.canonical) !== 0 ? this.readLine(into) : this.readRaw(into);
    if (this.waiting + this.line.length < mostInput / 2) this.screen.hungry?.(true);
    return count;
  }

  private takeFrom(chunk: Chunk, into: Uint8Array, at: number): number {
    const part = chunk.bytes.subarray(chunk.offset, chunk.offset + into.length - at);
    into.set(part, at);
    chunk.offset += part.length;
    this.waiting -= part.length;
    if (chunk.offset === chunk.bytes.length) this.chunks.shift();
    return part.length;
  }

  private readLine(into: Uint8Array): number {
    const [first] = this.chunks;
    if (!first) throw EAGAIN;
    return this.takeFrom(first, into, 0);
  }

  private readRaw(into: Uint8Array): number {
    const time = this.termios.special[Special.time]!;
    const minimum = this.termios.special[Special.minimum]!;
    const enough = Math.min(Math.max(minimum, time > 0 || minimum > 0 ? 1 : 0), into.length);
    const done = this.timedOut || this.waiting >= enough;
    if (!done) {
      if (time > 0 && (minimum === 0 || this.waiting > 0)) this.startTimer(time);
      throw EAGAIN;
    }
    this.stopTimer();
    let count = 0;
    while (this.chunks.length > 0 && count < into.length) {
      const [first] = this.chunks;
      if (first!.bytes.length === 0) this.chunks.shift();
      else count += this.takeFrom(first!, into, count);
    }
    return count;
  }

  private startTimer(tenths: number): void {
    if (this.cancelTimer) return;
    this.cancelTimer = this.kernel.timers.at(this.kernel.now() + tenths * 1e8, () => {
      this.cancelTimer = undefined;
      this.timedOut = true;
      this.changed.wake();
    });
  }
  private stopTimer(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.timedOut = false;
  }

  /** Writes output; may be partial. Throws EAGAIN without room. */
  write(from: Uint8Array): number {
    if (this.hungUp) throw EIO;
    if ((this.termios.local & Local.stopBackground) !== 0) this.needForeground(SIGTTOU);
    if (from.length === 0) return 0;
    const room = this.screen.room();
    if (this.stopped || room < 8) throw EAGAIN;
    const { bytes, taken } = this.processed(from.length > 16384 ? from.subarray(0, 16384) : from, room);
    this.screen.output(bytes);
    return taken;
  }

  get readable(): boolean {
    if (this.hungUp) return true;
    if ((this.termios.local & Local.canonical) !== 0) return this.chunks.length > 0;
    const { special } = this.termios;
    return this.waiting >= (special[Special.time] === 0 ? Math.max(1, special[Special.minimum]!) : 1);
  }
  get writable(): boolean {
    return !this.hungUp && !this.stopped && this.screen.room() >= 8;
  }
  /** Bytes that a read would give (FIONREAD). */
  get available(): number {
    const canonical = (this.termios.local & Local.canonical) !== 0;
    return canonical ? (this.chunks[0] ? this.chunks[0].bytes.length - this.chunks[0].offset : 0) : this.waiting;
  }

  flushInput(): void {
    this.line = [];
    this.chunks = [];
    this.waiting = 0;
    this.literal = false;
    this.screen.hungry?.(true);
  }

  /** The settings changed: what was typed of a line is input now when lines no longer count. */
  settingsChanged(): void {
    if ((this.termios.local & Local.canonical) === 0 && this.line.length > 0) this.endLine();
    if ((this.termios.input & Input.flow) === 0) this.stopped = false;
    this.changed.wake();
  }
  /** tcflow(3). */
  flow(stop: boolean): void {
    this.stopped = stop;
    this.changed.wake();
  }

  resize(rows: number, columns: number, width = 0, height = 0): void {
    const { size } = this;
    if (size.rows === rows && size.columns === columns && size.width === width && size.height === height) return;
    this.size = { rows, columns, width, height };
    this.signal(SIGWINCH);
  }

  // Sessions.

  /** Becomes the controlling terminal of the process's session. */
  control(process: Process): void {
    const terminals = controllingTerminals(this.kernel);
    if (this.session !== 0) terminals.delete(this.session);
    this.session = process.session;
    this.foreground = process.group;
    terminals.set(this.session, this);
  }

  /** Controls no session any more; the foreground group hears of it. */
  release(): void {
    if (this.session === 0) return;
    controllingTerminals(this.kernel).delete(this.session);
    this.signal(SIGHUP);
    this.signal(SIGCONT);
    this.session = this.foreground = 0;
  }

  /** The screen went away: the session's leader and the foreground group are told. */
  hangUp(): void {
    if (this.hungUp) return;
    this.hungUp = true;
    const leader = this.kernel.processes.get(this.session);
    if (leader) sendToProcess(leader, { signo: SIGHUP, code: Code.kernel });
    this.release();
    this.changed.wake();
  }
}
