// The console over a host: terminals edit and signal, streams pass bytes with back-pressure. The line discipline itself is
// compared with Linux's by test/programs/terminals.c.

import { describe, expect, it } from "vitest";
import { call, callOrWait, put, scratch, take, text, world } from "../../test/support/world.ts";
import type { MemoryConsole } from "../hosts/memory/index.ts";
import { EPIPE } from "../kernel/errno.ts";
import type { Task } from "../kernel/task.ts";
import { mount } from "../kernel/vfs/mount.ts";
import { walk } from "../kernel/vfs/walk.ts";
import { isWait } from "../kernel/wait.ts";
import * as io from "../linux/syscalls/io.ts";
import * as names from "../linux/syscalls/names.ts";
import * as opens from "../linux/syscalls/open.ts";
import { openConsole } from "./console.ts";
import { deviceFileSystem } from "./dev.ts";
import { InputStream, OutputStream } from "./stream.ts";

function booted(terminal: boolean) {
  const made = world(undefined, { terminal });
  const task = made.process();
  call(names.mkdir, task, "/dev", 0o755);
  mount(walk(task.process, made.root, "/dev"), deviceFileSystem(made.kernel));
  const opened = openConsole(made.kernel, made.kernel.host.console, walk(task.process, made.root, "/dev/console"));
  for (const file of opened.files) task.process.files.add(file, false, 1024);
  opened.control(task.process);
  return { task, console: made.kernel.host.console as MemoryConsole, opened, kernel: made.kernel };
}
const bytes = (content: string) => new TextEncoder().encode(content);
function read(task: Task, fd = 0): string | number | undefined {
  const result = callOrWait(io.read, task, task.process.files.get(fd), scratch, 4096);
  if (isWait(result)) return undefined;
  return result < 0 ? result : text(take(task, result));
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("a console that is a terminal", () => {
  it("echoes, edits and hands lines over", async () => {
    const { task, console } = booted(true);
    expect(console.isRaw).toBe(true);
    await settled();
    expect(read(task)).toBeUndefined();
    console.type(bytes("helo\x7f\x7fllo\r"));
    expect(console.text(1)).toBe("helo\b \b\b \bllo\r\n");
    expect(read(task)).toBe("hello\n");
    put(task, bytes("a\nb"));
    call(io.write, task, task.process.files.get(1), scratch, 3);
    expect(console.text(1)).toContain("a\r\nb");
  });

  it("erases whole UTF-8 characters", async () => {
    const { task, console } = booted(true);
    await settled();
    console.type(bytes("aé\x7f\r"));
    expect(read(task)).toBe("a\n");
  });

  it("sends SIGINT to the foreground group, and is /dev/tty for its session", async () => {
    const { task, console, opened } = booted(true);
    await settled();
    task.process.actions.set(2, { handler: 4096, flags: 0, restorer: 0, mask: new Uint32Array(2) });
    console.type(Uint8Array.of(3));
    expect(task.process.pending.has(2)).toBe(true);
    expect(console.text(1)).toBe("^C");
    expect(opened.terminal!.foreground).toBe(task.process.group);
    expect(call(opens.open, task, "/dev/tty", 2, 0)).toBeGreaterThan(2);
    opened.close();
    expect(console.isRaw).toBe(false);
  });
});

describe("a console of streams", () => {
  it("passes bytes as they are and sees the end", async () => {
    const { task, console } = booted(false);
    expect(read(task)).toBeUndefined();
    await settled();
    expect(read(task)).toBe("");
    put(task, Uint8Array.of(0, 10, 255));
    expect(call(io.write, task, task.process.files.get(2), scratch, 3)).toBe(3);
    expect([...console.written[1][0]!]).toEqual([0, 10, 255]);
  });

  it("waits when the reader is behind, and breaks when it is gone", () => {
    let drain = () => {};
    const output = new OutputStream((_bytes, drained) => {
      drain = drained;
      return false;
    });
    expect(output.write(bytes("x"))).toBe(1);
    expect(() => output.write(bytes("y"))).toThrow("temporarily");
    expect(output.poll()).toBe(0);
    drain();
    expect(output.write(bytes("y"))).toBe(1);
    output.break();
    expect(() => output.write(bytes("z"))).toThrow(EPIPE);
  });

  it("asks the source to pause when nobody reads", () => {
    const told: boolean[] = [];
    const input = new InputStream({ pause: (paused) => told.push(paused) });
    for (let i = 0; i < 5; i++) input.push(new Uint8Array(65536));
    expect(told).toEqual([true]);
    while (input.poll() & 1) input.read(new Uint8Array(65536));
    expect(told).toEqual([true, false]);
  });
});
