// `npm run bench:models`: models in our engine and in the peers, each engine in a process of its own, runs interleaved.
// node bench/models/run.js [--models A,B] [--engines A,B] [--threads 1,2] [--rounds N] [--data DIR] [--peers DIR] [--write]

import { fork } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "../..");
const { values } = parseArgs({
  options: {
    models: { type: "string" },
    engines: {
      type: "string",
      default: "cerebro,cerebro relaxed,litert.js,onnxruntime-web,tfjs-wasm,onnxruntime-node",
    },
    threads: { type: "string", default: `1,${Math.min(4, cpus().length)}` },
    rounds: { type: "string", default: "9" },
    data: { type: "string", default: join(root, ".cache/bench/models") },
    peers: { type: "string", default: join(root, "bench/models/peers") },
    write: { type: "boolean", default: false },
  },
});

if (!existsSync(values.data)) {
  console.error(
    `bench:models: ${values.data} is not there; bench/models/prepare.sh makes the models and installs the peers`,
  );
  process.exit(1);
}
const order = ["mobilenet_0.25", "mobilenet_1.0", "resnet8", "kws", "minilm", "bert_mini", "dtln_step"];
const made = readdirSync(values.data);
const models = values.models?.split(",") ?? order.filter((name) => made.includes(name));
const names = values.engines.split(",");
/** How long the timed part of a round may take, in milliseconds. */
const roundTime = 250;
/** V8's and the peers' compilers need this many runs before they are at their best. */
const warmUps = 60;

/** An engine that has loaded a model; undefined with a reason when it cannot. */
function start(name, model, threads) {
  const child = fork(
    join(import.meta.dirname, "engine.js"),
    [name, join(values.data, model), String(threads), values.peers],
    {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    },
  );
  let words = "";
  child.stderr.on("data", (bytes) => (words = (words + bytes).slice(-2000)));
  return new Promise((done) => {
    child.once("message", (facts) => done({ name, child, ...facts }));
    child.once("exit", () => done({ name, failure: words.split("\n").find((line) => /Error/.test(line)) ?? "ended" }));
  });
}

function timed({ child }, runs) {
  return new Promise((done, fail) => {
    child.once("exit", () => fail(new Error("an engine ended")));
    child.once("message", ({ times }) => {
      child.removeAllListeners("exit");
      done(times);
    });
    child.send({ runs });
  });
}

const middle = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const results = [];

for (const threads of [...new Set(values.threads.split(",").map(Number))]) {
  for (const model of models) {
    const engines = [];
    for (const name of names) engines.push(await start(name, model, threads));
    const able = engines.filter(({ failure }) => failure === undefined);
    const samples = new Map(able.map(({ name }) => [name, []]));
    const counts = new Map();
    for (const engine of able) {
      const times = await timed(engine, warmUps);
      counts.set(engine.name, Math.max(1, Math.min(2000, Math.round(roundTime / middle(times)))));
    }
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const engine of able) samples.get(engine.name).push(middle(await timed(engine, counts.get(engine.name))));
    }
    for (const engine of engines) {
      engine.child?.removeAllListeners("exit");
      engine.child?.kill();
      const reference = able.find(({ name }) => name === "onnxruntime-web") ?? able[0];
      const distance = engine.output?.reduce(
        (worst, value, i) => Math.max(worst, Math.abs(value - reference.output[i])),
        0,
      );
      const median = engine.failure === undefined ? middle(samples.get(engine.name)) : undefined;
      results.push({
        model,
        threads,
        engine: engine.name,
        median,
        load: engine.load,
        firstRun: engine.firstRun,
        distance,
        failure: engine.failure,
      });
    }
    print(model, threads);
  }
}

function rowsOf(model, threads) {
  return results.filter((row) => row.model === model && row.threads === threads);
}

function print(model, threads) {
  console.log(`${model}, ${threads} thread${threads > 1 ? "s" : ""}`);
  const rows = rowsOf(model, threads);
  const ours = rows.find(({ engine }) => engine === "cerebro")?.median;
  for (const { engine, median, load, firstRun, distance, failure } of rows) {
    if (failure !== undefined) console.log(`  ${engine.padEnd(18)} ${failure}`);
    else
      console.log(
        `  ${engine.padEnd(18)}${median.toFixed(3).padStart(9)} ms  ${(median / ours).toFixed(2).padStart(6)} of ours   load ${load.toFixed(0)} ms, first run ${firstRun.toFixed(0)} ms, differs ${distance.toExponential(1)}`,
      );
  }
}

if (values.write) {
  const date = new Date().toISOString().slice(0, 10);
  const cell = (row) =>
    row === undefined ? "" : row.median === undefined ? "cannot run it" : row.median.toFixed(row.median < 1 ? 3 : 2);
  const lines = [
    `# Models: our engine and its peers, ${date}`,
    "",
    `${cpus().length} x ${cpus()[0].model}, Node ${process.versions.node}. Milliseconds a run, median of ${values.rounds} interleaved rounds; each engine in a process of its own.`,
    "Relaxed SIMD: ours where it says so; LiteRT.js always (its fastest build asks for it).",
    "",
  ];
  for (const threads of [...new Set(results.map((row) => row.threads))]) {
    lines.push(
      `## ${threads} thread${threads > 1 ? "s" : ""}`,
      "",
      `| model | ${names.join(" | ")} |`,
      `|---|${names.map(() => "--:").join("|")}|`,
    );
    for (const model of models) {
      const rows = rowsOf(model, threads);
      lines.push(`| ${model} | ${names.map((name) => cell(rows.find(({ engine }) => engine === name))).join(" | ")} |`);
    }
    lines.push("");
  }
  lines.push(
    "## Loading and first run (one thread)",
    "",
    `| model | ${names.join(" | ")} |`,
    `|---|${names.map(() => "--:").join("|")}|`,
  );
  for (const model of models) {
    const cells = names.map((name) => {
      const row = rowsOf(model, 1).find(({ engine }) => engine === name);
      return row?.load === undefined ? "" : `${row.load.toFixed(0)} + ${row.firstRun.toFixed(0)}`;
    });
    lines.push(`| ${model} | ${cells.join(" | ")} |`);
  }
  const output = join(root, "bench/results");
  mkdirSync(output, { recursive: true });
  writeFileSync(join(output, `${date}-models.md`), `${lines.join("\n")}\n`);
  writeFileSync(join(output, `${date}-models.json`), `${JSON.stringify(results, undefined, 1)}\n`);
}
process.exit(0);
