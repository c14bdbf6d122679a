import { beforeEach, expect, test } from "vitest";
import type { Host } from "../host/host.ts";
import { EINTR } from "./errno.ts";
import type { Context, Executor } from "./executor.ts";
import { FileTable } from "./filetable.ts";
import { Kernel } from "./kernel.ts";
import { clone, endProcess } from "./life.ts";
import type { Personality } from "./personality.ts";
import type { FileSystemContext } from "./process.ts";
import { ActionFlag, Code, emptySet, SIGCONT, SIGKILL, SIGSTOP, SIGUSR1 } from "./signal.ts";
import { actionOf, sendToProcess, stop, takeSignal } from "./signals.ts";
import type { Task } from "./task.ts";
import { WaitQueue } from "./wait.ts";

/** What a task's "code" does each time that it runs: an exit kind. */
type Program = () => number;

let kernel: Kernel;
let codes: Map<Task, Program>;
let delivered: [Task, number][];
let turns: (() => void)[];

const context: Context = { enter() {}, leave() {}, clone: () => ({ ...context }) };
const executor: Executor = {
  run: (task) => codes.get(task)!(),
  release() {},
  fork: () => executor,
  dispose() {},
};

/** A personality whose handlers only note the signal and interrupt waits. */
const personality: Personality = {
  name: "test",
  exit() {},
  resume: (task, result) => delivered.push([task, result]),
  fail: (task, error) => {
    throw new Error(`task ${task.tid}: ${String(error)}`);
  },
  deliverSignals(task) {
    for (let info = takeSignal(task); info; info = takeSignal(task)) {
      const action = actionOf(task.process, info.signo);
      if (action === "terminate") return endProcess(task.process, info.signo);
      if (action === "stop") return stop(task.process, info.signo);
      if (action !== "handler") continue;
      kernel.scheduler.unblock(task);
      delivered.push([task, -EINTR.number]);
    }
  },
  taskEnded() {},
  cloneTask() {},
};

function host(): Host {
  return {
    clock: { realtime: () => 0n, monotonic: () => 0 },
    timers: { after: () => () => {}, soon: (call) => void turns.push(call) },
    console: undefined as never,
    random: (into) => into.fill(1),
  };
}

beforeEach(() => {
  codes = new Map();
  delivered = [];
  turns = [];
  kernel = new Kernel({
    host: host(),
    executors: { create: () => executor, context: () => context },
    handlers: [],
    seed: 1,
  });
});

function spawn(code: (task: Task) => number): Task {
  const credentials = { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [] };
  const fs = { root: undefined, cwd: undefined, umask: 0 } as unknown as FileSystemContext;
  const task = kernel.createRoot({ personality, fs, files: new FileTable(), credentials });
  task.process.memory.executor = executor;
  codes.set(task, () => code(task));
  kernel.scheduler.enqueue(task);
  return task;
}

/** Lets the kernel have turns until it rests, or so many. */
function run(most = 1000): void {
  for (let i = 0; i < most && turns.length > 0; i++) turns.shift()!();
}

test("ready tasks share the processor by niceness", () => {
  const counts = [0, 0, 0];
  const tasks = counts.map((_, i) =>
    spawn(() => {
      counts[i]!++;
      return 0;
    }),
  );
  tasks[2]!.nice = 5;
  run(400);
  expect(counts[0]! / counts[1]!).toBeCloseTo(1, 1);
  expect(counts[0]! / counts[2]!).toBeGreaterThan(2.5);
  expect(counts[0]! / counts[2]!).toBeLessThan(3.6);
});

test("a task that never calls the kernel does not keep others or timers waiting", () => {
  let fired = 0;
  spawn(() => 0);
  kernel.timers.at(1e6, () => fired++);
  let other = 0;
  spawn((task) => {
    if (++other < 3) return 0;
    endProcess(task.process, 0);
    return 1;
  });
  run(50);
  expect([fired, other]).toEqual([1, 3]);
});

function block(task: Task, queue: WaitQueue, attempt: () => number | undefined, deadline?: number): void {
  kernel.scheduler.block(task, {
    attempt,
    queues: [queue],
    onSignal: "restart",
    ...(deadline === undefined ? {} : { deadline, expired: () => -110 }),
  });
}

test("waits end by their queue or their deadline, and idle virtual time jumps", () => {
  const queue = new WaitQueue();
  let ready = false;
  let started = false;
  const waiting = spawn((task) => {
    if (started) endProcess(task.process, 0);
    else block(task, queue, () => (ready ? 7 : undefined));
    started = true;
    return 1;
  });
  let slept = false;
  const sleeping = spawn((task) => {
    if (slept) endProcess(task.process, 0);
    else block(task, new WaitQueue(), () => undefined, kernel.now() + 3600e9);
    slept = true;
    return 1;
  });
  kernel.timers.at(1e9, () => {
    queue.wake();
    ready = true;
  });
  kernel.timers.at(2e9, () => queue.wake());
  run();
  expect(delivered).toEqual([
    [waiting, 7],
    [sleeping, -110],
  ]);
  expect(kernel.now()).toBeGreaterThanOrEqual(3600e9);
  expect([waiting.state, sleeping.state]).toEqual(["dead", "dead"]);
});

test("a handler ends a wait; an ignored signal does not", () => {
  const task = spawn((self) => {
    if (delivered.length > 0) endProcess(self.process, 0);
    else block(self, new WaitQueue(), () => undefined);
    return 1;
  });
  run();
  sendToProcess(task.process, { signo: SIGCONT, code: Code.user });
  run();
  expect([task.state, delivered]).toEqual(["waiting", []]);
  task.process.actions.set(SIGUSR1, { handler: 0x1000, flags: ActionFlag.restart, restorer: 0, mask: emptySet() });
  sendToProcess(task.process, { signo: SIGUSR1, code: Code.user });
  run();
  expect(delivered).toEqual([[task, -4]]);
  expect(task.state).toBe("dead");
});

test("a stopped process does not run until it is continued or killed, and its parent hears of it", () => {
  let steps = 0;
  const parent = spawn((task) => {
    block(task, task.process.childChanged, () => undefined);
    return 1;
  });
  const child = clone(parent, {});
  codes.set(child, () => {
    steps++;
    return 0;
  });
  kernel.scheduler.enqueue(child);
  run(5);
  sendToProcess(child.process, { signo: SIGSTOP, code: Code.user });
  run(5);
  const before = steps;
  run(20);
  expect(steps).toBe(before);
  expect([child.state, child.process.news]).toEqual(["stopped", "stopped"]);
  sendToProcess(child.process, { signo: SIGCONT, code: Code.user });
  run(5);
  expect(steps).toBeGreaterThan(before);
  expect(child.process.news).toBe("continued");
  sendToProcess(child.process, { signo: SIGSTOP, code: Code.user });
  run(5);
  sendToProcess(child.process, { signo: SIGKILL, code: Code.user });
  run(5);
  expect(child.process.exitStatus).toBe(SIGKILL);
});
