// The user's console as the guest sees it: a terminal where the host has one, plain streams where it has not.

import { type Console, HostError } from "../host/host.ts";
import { EPIPE, errnoFromName } from "../kernel/errno.ts";
import { Open, type OpenFile } from "../kernel/file.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { deviceNumber, devicesOf } from "../kernel/vfs/devices.ts";
import type { Path } from "../kernel/vfs/vnode.ts";
import { InputStream, OutputStream } from "./stream.ts";
import { Terminal, type Screen } from "./terminal.ts";
import { Input } from "./termios.ts";
import { openTerminal, TtyFile } from "./tty.ts";

/** What openConsole gives. */
export interface OpenedConsole {
  /** Files for descriptors 0, 1 and 2; each one reference, for the root process's table. */
  readonly files: readonly [OpenFile, OpenFile, OpenFile];
  /** The terminal, when one of the host's streams is one. */
  readonly terminal: Terminal | undefined;
  /** Makes the console the controlling terminal of the root process's session. Call it once the process is there. */
  control(process: Process): void;
  /** Ends reading, and raw mode. */
  close(): void;
}

const roomWhenReady = 65536;

/** The terminal's screen: the host's stdout. */
class ConsoleScreen implements Screen {
  private full = false;
  private readonly console: Console;
  private readonly stream: 1 | 2;
  terminal: Terminal | undefined;

  constructor(console: Console, stream: 1 | 2) {
    this.console = console;
    this.stream = stream;
  }
  room(): number {
    return this.full ? 0 : roomWhenReady;
  }
  output(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    try {
      const ready = this.console.write(this.stream, bytes, () => {
        this.full = false;
        this.terminal?.changed.wake();
      });
      if (!ready) this.full = true;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      // The window is gone.
      this.terminal?.hangUp();
    }
  }
  hungry(more: boolean): void {
    this.console.pause(!more);
  }
}

/**
 * Opens the host's console for a root process. `devicePath` is the path of /dev/console in its name space, which the terminal's
 * files get. Reading of the host's input begins with the first read of the guest, or at once for a terminal.
 */
export function openConsole(kernel: Kernel, console: Console, devicePath: Path): OpenedConsole {
  const [inIsTerminal, outIsTerminal, errIsTerminal] = console.terminal;
  const ends: (() => void)[] = [];
  let terminal: Terminal | undefined;
  if (inIsTerminal || outIsTerminal || errIsTerminal) {
    const screen = new ConsoleScreen(console, outIsTerminal || !errIsTerminal ? 1 : 2);
    const made = new Terminal(kernel, deviceNumber(5, 1), "/dev/console", screen);
    screen.terminal = terminal = made;
    // The host's terminals speak UTF-8: erasing takes whole characters.
    made.termios.input |= Input.utf8;
    const { rows, columns } = console.size();
    made.size = { rows, columns, width: 0, height: 0 };
    ends.push(
      console.events((event) => {
        if (event !== "resize") return;
        const now = console.size();
        made.resize(now.rows, now.columns);
      }),
    );
    devicesOf(kernel).register("character", 5, 1, (flags, path, process) => openTerminal(made, flags, path, process));
    if (inIsTerminal) {
      console.raw(true);
      ends.push(() => console.raw(false));
      ends.push(console.input((bytes) => (bytes === undefined ? made.hangUp() : made.receive(bytes))));
    }
  }
  const stdin = inIsTerminal ? new TtyFile(terminal!, Open.readWrite, devicePath) : inputStream(console, ends);
  const output = (isTerminal: boolean, stream: 1 | 2) =>
    isTerminal
      ? new TtyFile(terminal!, Open.readWrite, devicePath)
      : new OutputStream((bytes, drained) => writeTo(console, stream, bytes, drained));
  return {
    files: [stdin, output(outIsTerminal, 1), output(errIsTerminal, 2)],
    terminal,
    control: (process) => terminal?.control(process),
    close: () => {
      for (const end of ends.splice(0)) end();
    },
  };
}

/** Writes to the host; its reader being gone is the guest's EPIPE. */
function writeTo(console: Console, stream: 1 | 2, bytes: Uint8Array, drained: () => void): boolean {
  try {
    return console.write(stream, bytes, drained);
  } catch (error) {
    throw error instanceof HostError ? (errnoFromName(error.code) ?? EPIPE) : error;
  }
}

function inputStream(console: Console, ends: (() => void)[]): InputStream {
  const input: InputStream = new InputStream({
    pause: (paused) => console.pause(paused),
    start: () => ends.push(console.input((bytes) => input.push(bytes))),
  });
  return input;
}
