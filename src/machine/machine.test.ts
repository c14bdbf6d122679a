// The public API, with a host of memory: runs the program of examples/hello.deb, which needs nothing.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterEach, expect, test } from "vitest";
import { debData, parseDeb } from "../formats/deb.ts";
import { tarContent, tarEntries } from "../formats/tar.ts";
import { memoryHost } from "../hosts/memory/index.ts";
import { clock, timers } from "../hosts/node/clock.ts";
import { CerebroError, createMachine, type Machine, type MachineOptions } from "./index.ts";

const data = debData(parseDeb(readFileSync(resolve(import.meta.dirname, "../../examples/hello.deb"))));
const entry = [...tarEntries(data)].find(({ path }) => path.endsWith("/hello"))!;
const hello = tarContent(data, entry);

const machines: Machine[] = [];
afterEach(() => {
  for (const machine of machines.splice(0)) machine.dispose();
});
function machine(options: Partial<MachineOptions> = {}): Machine {
  const made = createMachine({ host: memoryHost(timers, clock), ...options });
  machines.push(made);
  return made;
}

test("runs the bytes of a program; its streams, its exit", async () => {
  const run = await machine().run(hello, { args: ["tester"], env: { LANG: undefined, X: "1" } });
  const text = await run.stdout.text();
  expect(text).toContain("Hello, tester!");
  expect(text).toContain("X=1");
  expect(text).not.toContain("LANG");
  expect(await run.stderr.text()).toBe("");
  expect(await run.exited).toMatchObject({ status: 0, peakMemory: expect.any(Number) });
});

test("writes to the console of the host", async () => {
  const host = memoryHost(timers, clock);
  const run = await machine({ host }).run(hello, { stdout: "inherit", stderr: "inherit" });
  expect((await run.exited).status).toBe(0);
  expect(host.console.text(1)).toContain("Hello, world!");
  expect(() => run.stdout).toThrow(/not piped/);
});

test("files in and out", () => {
  const { files } = machine();
  files.write("/a/b/text", "content", { mode: 0o600 });
  expect(new TextDecoder().decode(files.read("/a/b/text"))).toBe("content");
  expect(files.stat("/a/b/text")).toMatchObject({ type: "file", mode: 0o600, size: 7 });
  expect(files.list("/a")).toEqual(["b"]);
  files.remove("/a/b/text");
  expect(files.stat("/a/b/text")).toBeUndefined();
  expect(() => files.read("/a/b/text")).toThrow(expect.objectContaining({ code: "not-found" }));
});

test("refusals have codes", async () => {
  const made = machine();
  await expect(made.run("nothing")).rejects.toMatchObject({ code: "not-found" });
  await expect(made.run(new TextEncoder().encode("no program"))).rejects.toMatchObject({ code: "not-runnable" });
  await expect(made.run("x", { with: ["jq"] })).rejects.toBeInstanceOf(CerebroError);
  expect(() => made.kill(4711, 9)).toThrow(/no process 4711/);
  made.dispose();
  await expect(made.run(hello)).rejects.toThrow(/disposed/);
});

test("a seed makes runs the same", async () => {
  const trace = async () => {
    const made = machine({ seed: 7 });
    const events: string[] = [];
    made.trace(["syscall", "process"], ({ time, text }) => events.push(`${time} ${text}`));
    await (
      await made.run(hello)
    ).exited;
    return events;
  };
  const first = await trace();
  expect(first.length).toBeGreaterThan(5);
  expect(await trace()).toEqual(first);
});

test("a program is listed while it runs, and can be killed", async () => {
  const made = machine();
  const run = await made.run(hello);
  expect(made.processes().map(({ pid }) => pid)).toContain(run.pid);
  run.kill(9);
  expect(await run.exited).toMatchObject({ status: 137, signal: "SIGKILL" });
});
