// The user's console on Node: standard streams, raw mode, size and signals. Standard input is not touched before someone
// asks for it, so that a program that reads nothing leaves it to others.

import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import { type Console, HostError } from "../../host/host.ts";

/** Bytes that may wait for a slow reader before the guest is held up. */
const backlog = 1 << 18;
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGCONT"] as const;

/**
 * One output stream. Terminals and files are written at once; a pipe, whose reader may be slow, through the thread pool, so
 * that Ctrl-C is still heard.
 */
class Output {
  private readonly fd: number;
  private readonly direct: boolean;
  private queue: Uint8Array[] = [];
  private waiting = 0;
  private writing = false;
  private failed: HostError | undefined;
  private readonly drained = new Set<() => void>();

  constructor(fd: number) {
    this.fd = fd;
    this.direct = isatty(fd) || this.isFile();
  }

  private isFile(): boolean {
    try {
      return fs.fstatSync(this.fd).isFile();
    } catch {
      return true;
    }
  }

  write(bytes: Uint8Array, drained: () => void): boolean {
    if (this.failed) throw this.failed;
    if (this.direct) {
      this.writeNow(bytes);
      return true;
    }
    if (bytes.length > 0) this.queue.push(bytes.slice());
    this.waiting += bytes.length;
    if (!this.writing) this.next();
    if (this.waiting <= backlog) return true;
    this.drained.add(drained);
    return false;
  }

  private writeNow(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      try {
        at += fs.writeSync(this.fd, bytes, at);
      } catch (error) {
        if ((error as { code?: string }).code === "EAGAIN") continue;
        this.fail(error);
      }
    }
  }

  private fail(error: unknown): never {
    const code = (error as { code?: string }).code ?? "EIO";
    throw (this.failed = new HostError(code, `cannot write to ${this.fd === 1 ? "stdout" : "stderr"}: ${code}`));
  }

  private next(): void {
    const bytes = this.queue.length === 1 ? this.queue[0]! : joined(this.queue);
    this.queue = [];
    if (bytes.length === 0) {
      this.writing = false;
      return;
    }
    this.writing = true;
    fs.write(this.fd, bytes, (error, written) => {
      if (error && (error as { code?: string }).code !== "EAGAIN") {
        this.queue = [];
        this.waiting = 0;
        this.writing = false;
        try {
          this.fail(error);
        } catch {
          // Kept in `failed`: the next write tells the guest.
        }
      } else {
        this.waiting -= written ?? 0;
        if ((written ?? 0) < bytes.length) this.queue.unshift(bytes.subarray(written ?? 0));
        this.next();
      }
      if (this.waiting <= backlog / 2) this.tellDrained();
    });
  }

  private tellDrained(): void {
    const told = [...this.drained];
    this.drained.clear();
    for (const tell of told) tell();
  }

  /** Resolves when all that was written has left. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      const check = () => (this.writing ? setImmediate(check) : resolve());
      check();
    });
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Node's raw mode goes on making CR LF of LF on the way out, which is the guest's own terminal's work; stty ends that. */
function setRaw(on: boolean): void {
  process.stdin.setRawMode(on);
  if (on && process.platform !== "win32") spawnSync("stty", ["-opost"], { stdio: [0, "ignore", "ignore"] });
}

/** The console of this Node process. */
export class NodeConsole implements Console {
  readonly terminal: readonly [boolean, boolean, boolean] = [isatty(0), isatty(1), isatty(2)];
  private readonly outputs = [new Output(1), new Output(2)] as const;
  private isRaw = false;
  private reading = false;

  size(): { rows: number; columns: number } {
    const stream = this.terminal[1] ? process.stdout : this.terminal[2] ? process.stderr : undefined;
    return { rows: stream?.rows || 24, columns: stream?.columns || 80 };
  }

  input(receive: (bytes: Uint8Array | undefined) => void): () => void {
    const { stdin } = process;
    const data = (bytes: Uint8Array) => receive(bytes);
    const end = () => receive(undefined);
    stdin.on("data", data);
    stdin.on("end", end);
    stdin.on("error", end);
    stdin.resume();
    this.reading = true;
    return () => {
      stdin.off("data", data);
      stdin.off("end", end);
      stdin.off("error", end);
      stdin.pause();
      // A terminal or pipe that is only paused would keep the process alive.
      if ("unref" in stdin) stdin.unref();
      this.reading = false;
    };
  }

  pause(paused: boolean): void {
    if (this.reading) paused ? process.stdin.pause() : process.stdin.resume();
  }

  write(stream: 1 | 2, bytes: Uint8Array, drained: () => void): boolean {
    return this.outputs[stream - 1]!.write(bytes, drained);
  }

  raw(on: boolean): void {
    if (!this.terminal[0] || this.isRaw === on) return;
    setRaw(on);
    this.isRaw = on;
  }

  events(tell: Parameters<Console["events"]>[0]): () => void {
    const resize = () => tell("resize");
    const listeners = signals.map((name) => {
      const listener = () => {
        // A shell that stopped us has put the terminal into its own mode.
        if (name === "SIGCONT" && this.isRaw) setRaw(true);
        tell(name);
      };
      process.on(name, listener);
      return () => process.off(name, listener);
    });
    process.on("SIGWINCH", resize);
    return () => {
      for (const stop of listeners) stop();
      process.off("SIGWINCH", resize);
    };
  }

  /** Resolves when all output has left. */
  async flush(): Promise<void> {
    await Promise.all(this.outputs.map((output) => output.flush()));
  }
}
