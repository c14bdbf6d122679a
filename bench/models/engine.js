// One engine in a process of its own: loads a model, then runs it as often as the parent says and tells the times.
// node engine.js ENGINE MODEL_DIRECTORY THREADS PEERS_DIRECTORY

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInThisContext } from "node:vm";

const [name, directory, threadText, peers] = process.argv.slice(2);
const threads = Number(threadText);
const require = createRequire(join(resolve(peers), "package.json"));
const importPeer = (path) => import(pathToFileURL(require.resolve(path)).href);

/** The same numbers for every engine: token ids where integers are wanted, a wave elsewhere. */
function numbers(count, { integer, mask }) {
  if (integer) return Int32Array.from({ length: count }, (_, k) => (mask ? 1 : 1000 + ((37 * k) & 1023)));
  return Float32Array.from({ length: count }, (_, k) => Math.sin(0.7 * k) * 0.5);
}
const isMask = (input) => /mask/.test(input);
const sizeOf = (shape) => shape.reduce((product, extent) => product * Math.max(1, Number(extent) || 1), 1);

async function ours({ relaxed }) {
  const root = resolve(import.meta.dirname, "../../dist");
  const { nodeEngineHost } = await import(join(root, "hosts/node/engine.js"));
  const { load, Session } = await import(join(root, "engine/index.js"));
  const model = await load({
    name: "model.tflite",
    bytes: new Uint8Array(readFileSync(join(directory, "model.tflite"))),
  });
  const session = new Session(model, { threads, relaxed, host: nodeEngineHost({ relaxed }) });
  const [signature] = model.signatures;
  const inputs = Object.fromEntries(
    signature.inputs.map(({ name: input, dtype, shape }) => {
      const fixed = shape.map((extent) => (typeof extent === "number" ? extent : 1));
      const data = numbers(sizeOf(fixed), { integer: dtype === "i32", mask: isMask(input) });
      return [input, { dtype, shape: fixed, data }];
    }),
  );
  return {
    run: () => session.run(inputs),
    first: (outputs) => Object.values(outputs).sort((a, b) => b.data.length - a.data.length)[0].data,
  };
}

async function onnx(flavour) {
  const ort = flavour === "web" ? await importPeer("onnxruntime-web") : require("onnxruntime-node");
  const api = ort.default ?? ort;
  if (flavour === "web") api.env.wasm.numThreads = threads;
  const session = await api.InferenceSession.create(join(directory, "model.onnx"), {
    executionProviders: [flavour === "web" ? "wasm" : "cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
  });
  const feeds = Object.fromEntries(
    session.inputMetadata.map(({ name: input, type, shape }) => {
      const fixed = shape.map((extent) => (typeof extent === "number" && extent > 0 ? extent : 1));
      const data = numbers(sizeOf(fixed), { integer: type !== "float32", mask: isMask(input) });
      return [input, new api.Tensor(type, data, fixed)];
    }),
  );
  return {
    run: () => session.run(feeds),
    first: (outputs) => Object.values(outputs).sort((a, b) => b.data.length - a.data.length)[0].data,
  };
}

async function tensorflow() {
  const tf = require("@tensorflow/tfjs-core");
  require("@tensorflow/tfjs-backend-cpu");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  const { loadGraphModel } = require("@tensorflow/tfjs-converter");
  const folder = resolve(require.resolve("@tensorflow/tfjs-backend-wasm"), "..");
  wasm.setWasmPaths(`${folder}/`);
  await tf.setBackend("wasm");
  await tf.ready();
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(directory, "tfjs/model.json"), "utf8"));
  const parts = weightsManifest.flatMap(({ paths }) =>
    paths.map((path) => readFileSync(join(directory, "tfjs", path))),
  );
  const weightData = new Uint8Array(Buffer.concat(parts)).buffer;
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
  const model = await loadGraphModel({ load: async () => ({ modelTopology, weightSpecs, weightData }) });
  const inputs = Object.fromEntries(
    model.inputs.map(({ name: input, shape, dtype }) => {
      const fixed = shape.map((extent) => (extent > 0 ? extent : 1));
      const data = numbers(sizeOf(fixed), { integer: dtype === "int32", mask: isMask(input) });
      return [input, tf.tensor(data, fixed, dtype)];
    }),
  );
  return {
    // Reading the numbers is part of a run: until then nothing says that they are there.
    run() {
      const outputs = [model.execute(inputs)].flat();
      const values = outputs.map((output) => output.dataSync());
      outputs.forEach((output) => output.dispose());
      return values;
    },
    first: (values) => values.sort((a, b) => b.length - a.length)[0],
  };
}

/** LiteRT.js loads itself as pages do; these are the parts of a page that it asks for. */
function asPage() {
  globalThis.self = globalThis;
  globalThis.require = require;
  globalThis.__filename = join(resolve(peers), "node_modules/@litertjs/core/wasm/litert_wasm_internal.js");
  globalThis.__dirname = resolve(globalThis.__filename, "..");
  globalThis.importScripts = (url) => {
    runInThisContext(`${readFileSync(new URL(url), "utf8")}\nglobalThis.ModuleFactory = ModuleFactory;`, {
      filename: String(url),
    });
  };
  const original = globalThis.fetch;
  globalThis.fetch = async (url, ...rest) => {
    const text = String(url?.url ?? url);
    if (!text.startsWith("file:")) return original(url, ...rest);
    const type = text.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    return new Response(readFileSync(new URL(text)), { headers: { "content-type": type } });
  };
}

async function liteRt() {
  if (threads > 1) throw new Error("LiteRT.js starts its threads in pages only");
  setFlagsFromString("--experimental-wasm-relaxed-simd");
  asPage();
  const entry = pathToFileURL(require.resolve("@litertjs/core"));
  globalThis.location = new URL("../wasm/", entry);
  const lite = await import(entry.href);
  await lite.loadLiteRt(new URL("../wasm/", entry).href, { threads: threads > 1 });
  const model = await lite.loadAndCompile(new Uint8Array(readFileSync(join(directory, "model.tflite"))), {
    accelerator: "wasm",
    ...(threads > 1 && { numThreads: threads }),
  });
  const inputs = model.getInputDetails().map(({ name: input, dtype, shape }) => {
    const fixed = [...shape].map((extent) => (extent > 0 ? extent : 1));
    return new lite.Tensor(numbers(sizeOf(fixed), { integer: dtype === "int32", mask: isMask(input) }), fixed);
  });
  return {
    async run() {
      const outputs = await model.run(inputs);
      const values = outputs.map((output) => output.toTypedArray());
      outputs.forEach((output) => output.delete());
      return values;
    },
    first: (values) => values.sort((a, b) => b.length - a.length)[0],
  };
}

const engines = {
  cerebro: () => ours({ relaxed: false }),
  "cerebro relaxed": () => ours({ relaxed: true }),
  "onnxruntime-web": () => onnx("web"),
  "onnxruntime-node": () => onnx("node"),
  "tfjs-wasm": tensorflow,
  "litert.js": liteRt,
};

const started = performance.now();
const engine = await engines[name]();
const load = performance.now() - started;
const before = performance.now();
const outputs = await engine.run();
const firstRun = performance.now() - before;
process.send({ load, firstRun, output: Array.from(engine.first(outputs)).slice(0, 64).map(Number) });

process.on("message", async ({ runs }) => {
  const times = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await engine.run();
    times.push(performance.now() - start);
  }
  process.send({ times });
});
