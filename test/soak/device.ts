// `npm run soak -- [CYCLES]`: a program loads, runs and closes models through /dev/cerebro; the memory of the whole process has
// to stay what it was. Two models take turns, so that the device's cache is always too small.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { encode } from "fast-png";
import { nodeEngineHost } from "../../src/hosts/node/engine.ts";
import { nodeHost } from "../../src/hosts/node/index.ts";
import { createMachine } from "../../src/machine/index.ts";

const cycles = Number(process.argv[2] ?? 1000);
const root = resolve(import.meta.dirname, "../..");
const work = mkdtempSync(join(tmpdir(), "cerebro-soak-"));
const models = ["pretrainedResnet.tflite", "pretrainedResnet_quant.tflite"];
const collect = (globalThis as { gc?: () => void }).gc;

try {
  const binary = join(work, "cycle");
  execFileSync("gcc", ["-O1", "-static", "-o", binary, join(root, "test/soak/cycle.c")]);
  const machine = createMachine({ host: nodeHost(), engine: nodeEngineHost() });
  for (const name of models) {
    machine.files.write(`/models/${name}`, readFileSync(join(root, "../shared/models/mlperf-tiny", name)));
  }
  const data = Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 7) & 255);
  machine.files.write("/picture.png", encode({ width: 32, height: 32, data, channels: 3, depth: 8 }));
  const args = [String(cycles), ...models.map((name) => `/models/${name}`), "/picture.png"];
  const run = await machine.run(readFileSync(binary), { name: "cycle", args });
  const figures: { cycle: number; rss: number }[] = [];
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of run.stdout) {
    text += decoder.decode(part, { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      collect?.();
      const rss = process.memoryUsage().rss / 2 ** 20;
      figures.push({ cycle: Number(line), rss });
      console.log(`${line.padStart(6)} cycles: ${rss.toFixed(1)} MiB`);
    }
  }
  const { status } = await run.exited;
  const words = await run.stderr.text();
  machine.dispose();
  if (status !== 0) throw new Error(`the program ended with ${status}: ${words}`);
  // The first tenth is for compilers and caches to fill.
  const settled = figures.filter(({ cycle }) => cycle >= cycles / 10).map(({ rss }) => rss);
  const quarter = Math.max(1, settled.length >> 2);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const growth = mean(settled.slice(-quarter)) / mean(settled.slice(0, quarter)) - 1;
  console.log(`${cycles} cycles: resident memory changed by ${(100 * growth).toFixed(1)} %`);
  process.exitCode = growth < 0.05 ? 0 : 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
