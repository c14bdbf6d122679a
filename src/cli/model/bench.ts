// `cerebro model bench FILE`: how long a model takes to load, to compile and to run.

import { CerebroError } from "../../base/errors.ts";
import { humanSize } from "../../base/text.ts";
import { elementCount, fromNumbers, type Tensor } from "../../engine/hlo/tensor.ts";
import type { ModelPort, Signature, Tensors } from "../../engine/model.ts";
import { print } from "../command.ts";
import { modelCommand, onlyFile, openModel, runOptions, sessionOptions } from "./options.ts";

/** Input extents that the model leaves open: "name=1x128". */
function shapesOf(words: readonly string[]): ReadonlyMap<string, readonly number[]> {
  return new Map(
    words.map((word) => {
      const match = /^(.+)=(\d+(?:x\d+)*)$/.exec(word);
      if (!match) throw new CerebroError("usage", `--shape ${word}: must be NAME=1x128`);
      return [match[1]!, match[2]!.split("x").map(Number)];
    }),
  );
}

/** The same numbers every time: a wave for real numbers, small ones for integers. */
export function sampleInput(port: ModelPort, given?: readonly number[]): Tensor {
  if (port.dtype === "string") throw new CerebroError("unsupported", `input ${port.name} takes strings`);
  const shape = given ?? (port.shape ?? []).map((extent) => (typeof extent === "number" ? extent : 1));
  const real = /^(?:f|bf|c)\d/.test(port.dtype);
  const count = elementCount(shape) * (port.dtype.startsWith("c") ? 2 : 1);
  const most = port.dtype === "i1" ? 1 : 63;
  const numbers = Array.from({ length: count }, (_, k) => (real ? Math.sin(0.7 * k) * 0.5 : (37 * k) & most));
  return fromNumbers(port.dtype, shape, count === 0 ? [0] : numbers);
}

export function sampleInputs(
  signature: Signature,
  shapes: ReadonlyMap<string, readonly number[]> = new Map(),
): Tensors {
  return Object.fromEntries(signature.inputs.map((port) => [port.name, sampleInput(port, shapes.get(port.name))]));
}

const milliseconds = (time: number) => `${time.toFixed(time < 10 ? 2 : 1)} ms`;

function middle(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1]!;
}

export const bench = modelCommand({
  summary: "how long a model takes to load, compile and run",
  usage: "FILE [--runs N] [--shape NAME=1x128…] [options]",
  options: {
    runs: { value: "N", help: "how many runs are timed; about 2 seconds when absent" },
    shape: { value: "NAME=DxD", repeat: true, help: "an input's shape, where the model leaves it open" },
    profile: { help: "the time of each step" },
    ...runOptions,
    json: { help: "prints JSON" },
  },
  async run(values, words) {
    const file = onlyFile(words, "bench");
    const start = performance.now();
    const { model } = await openModel(file);
    const { Session } = await import("../../engine/session.ts");
    const options = sessionOptions(values);
    const session = new Session(model, options);
    try {
      const signature = session.signature(values.signature);
      const inputs = sampleInputs(signature, shapesOf(values.shape ?? []));
      const load = performance.now() - start;
      const run = () => {
        const before = performance.now();
        session.run(inputs, { signature: signature.name });
        return performance.now() - before;
      };
      const first = run();
      const wanted =
        values.runs === undefined ? Math.min(1000, Math.max(5, Math.ceil(2000 / run()))) : Number(values.runs);
      if (!Number.isInteger(wanted) || wanted < 1)
        throw new CerebroError("usage", `--runs ${values.runs}: must be a count`);
      const times = Array.from({ length: wanted }, run);
      const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
      const executable = session.executable(signature, shapes, inputs);
      const { stats } = executable;
      const figures = {
        load,
        first,
        median: middle(times),
        least: Math.min(...times),
        runs: wanted,
        threads: options.threads,
      };
      if (values.json) print(JSON.stringify({ ...figures, stats }));
      else {
        const steps = Object.entries(stats.steps).map(([kind, count]) => `${count} ${kind}`);
        print(
          [
            `${model.name}: ${milliseconds(figures.median)} a run (median of ${wanted}, least ${milliseconds(figures.least)}), ${options.threads} threads`,
            `  load ${milliseconds(load)}, first run with compilation ${milliseconds(first)}`,
            `  steps: ${steps.join(", ")}; code ${humanSize(stats.codeBytes)}, weights ${humanSize(stats.weightBytes)}, activations ${humanSize(stats.activationBytes)}`,
          ].join("\n"),
        );
      }
      if (values.profile) {
        const profile = executable.profile(inputs);
        const total = profile.reduce((sum, { time }) => sum + time, 0);
        const rows = profile.sort((a, b) => b.time - a.time).slice(0, 40);
        for (const { name, kind, time } of rows)
          print(
            `  ${(time / 1e6).toFixed(3).padStart(9)} ms ${((100 * time) / total).toFixed(1).padStart(5)}%  ${kind} ${name}`,
          );
      }
      return 0;
    } finally {
      session.dispose();
    }
  },
});
