// Programs that do one thing for ever: the host's timers go on firing, its memory stays as it is, and a kill ends them at once.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeHost } from "../../src/hosts/node/index.ts";
import { createMachine } from "../../src/machine/index.ts";

const work = mkdtempSync(join(tmpdir(), "storms-"));
const able =
  spawnSync("gcc", ["-static", "-x", "c", "-o", join(work, "probe"), "-"], { input: "int main(){return 0;}" })
    .status === 0;
const mebibyte = 2 ** 20;
const contract = { memory: 192 * mebibyte, disk: 16 * mebibyte, tasks: 64, files: 2048 };
/** Milliseconds that each storm lasts. */
const duration = 120;

/** Milliseconds of processor time of this process: what the machine does beside counts for nothing. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The longest that timers had to wait until `end`, in milliseconds of work. */
async function longestWait(end: Promise<unknown>): Promise<number> {
  let [last, longest, ended] = [processorTime(), 0, false];
  void end.then(() => (ended = true));
  while (!ended) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = processorTime();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.skipIf(!able)("a storm", () => {
  let program: Uint8Array;
  beforeAll(() => {
    const binary = join(work, "storms");
    execFileSync("gcc", ["-O1", "-w", "-static", "-pthread", "-o", binary, join(import.meta.dirname, "storms.c")]);
    program = readFileSync(binary);
  });

  it.each([
    "loop",
    "rewriting",
    "children",
    "programs",
    "bomb",
    "threads",
    "signals",
    "recursive signals",
    "output",
    "zeros",
    "random",
    "fill",
    "vectors",
    "copies",
    "splices",
    "regions",
    "mappings",
    "links",
    "depth",
    "names",
    "locks",
    "polls",
    "files",
    "growth",
    "memory",
  ])("of %s leaves the host responsive", async (what) => {
    const before = process.memoryUsage().rss;
    const machine = createMachine({ host: nodeHost(), contract });
    try {
      const guest = await machine.run(program, { args: [what] });
      const killed = new Promise<void>((resolve) => {
        setTimeout(() => {
          for (const { pid } of machine.processes()) if (pid > 1) machine.kill(pid, 9);
          resolve();
        }, duration);
      });
      const ended = killed.then(() => guest.exited);
      const longest = await longestWait(ended);
      const { signal } = await ended;
      expect(signal).toBe("SIGKILL");
      expect(longest).toBeLessThan(200);
      expect(process.memoryUsage().rss - before).toBeLessThan(600 * mebibyte);
    } finally {
      machine.dispose();
    }
  });
});
