// Model files for the fuzzers: each is mutated, opened, and made a program of; only errors of ours may come out.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CerebroError, FormatError } from "../../src/base/errors.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import { modelFormats } from "../../src/engine/import/index.ts";
import { operationsOf, type Program, type Value } from "../../src/engine/hlo/graph.ts";
import type { Model, ModelFiles, Signature, Source } from "../../src/engine/model.ts";
import { zeros } from "../../src/engine/hlo/tensor.ts";
import { decodeImage } from "../../src/formats/image.ts";
import { encode } from "fast-png";
import { decodeWav } from "../../src/formats/wav.ts";
import type { Target } from "./formats.ts";

/** Beside this file, or where it is from when scripts/run.js has bundled it. */
const root = [resolve(import.meta.dirname, "../models"), resolve(import.meta.dirname, "../../test/models")].find(
  (path) => existsSync(path),
)!;
const bytesOf = (path: string) => new Uint8Array(readFileSync(join(root, path)));

/** More multiplications than this are left out: what a changed shape asks for is not wrong, only slow on the interpreter. */
const mostWork = 1e7;

/** Elements that a program makes, times what each of them may cost. */
function work({ body }: Program): number {
  const size = ({ type }: Value) => type.shape.reduce((product, extent) => product * extent, 1);
  return [...operationsOf(body)].reduce((sum, { results, operands }) => {
    const largest = Math.max(1, ...operands.map(size));
    return sum + results.reduce((all, value) => all + size(value), 0) * Math.min(largest, 4096);
  }, 0);
}

/** The program for the extents that are usual, or for 2 where the model leaves them to its user. */
function programOf(model: Model, { name, inputs }: Signature): Program {
  try {
    return model.program(name);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const shapes = inputs.map((port) => [
      port.name,
      (port.shape ?? []).map((extent) => (typeof extent === "number" ? extent : 2)),
    ]);
    return model.program(name, Object.fromEntries(shapes));
  }
}

/** Opens a model and builds the program of its first signature; small ones are run for a few steps. */
function open(source: Source): void {
  try {
    const model = modelFormats.find((format) => format.matches(source))?.open(source);
    if (!model) throw new FormatError("no format of ours");
    const [signature] = model.signatures;
    if (!signature || model.missing.length > 0) return;
    const program = programOf(model, signature);
    if (program.body.operations.length > 200 || work(program) > mostWork) return;
    const given = [
      ...program.inputs.map(({ type }) => zeros(type.dtype, type.shape)),
      ...program.states.map(({ initial }) => initial),
    ];
    evaluate(program, given, { steps: 2000 });
  } catch (error) {
    if (!(error instanceof CerebroError) || error.code === "internal") throw error;
    throw new FormatError(error.message, { cause: error });
  }
}

/** A model that is one file. */
function file(...paths: readonly string[]): Target {
  return { seeds: () => paths.map(bytesOf), run: (bytes) => open({ name: paths[0]!, bytes }) };
}

/** A model that is a directory, of which one file is mutated. */
function within(folder: string, changed: string): Target {
  const full = (path: string) => join(root, folder, path);
  const there = (path: string) => statSync(full(path), { throwIfNoEntry: false });
  return {
    seeds: () => [bytesOf(join(folder, changed))],
    run(bytes) {
      const files: ModelFiles = {
        list: (directory) => (there(directory)?.isDirectory() ? readdirSync(full(directory)).sort() : undefined),
        read: (path) =>
          path === changed ? bytes : there(path)?.isFile() ? new Uint8Array(readFileSync(full(path))) : undefined,
      };
      open({ name: folder, files });
    },
  };
}

function media(seeds: () => Uint8Array[], decode: (bytes: Uint8Array) => unknown): Target {
  return { seeds, run: (bytes) => void decode(bytes) };
}

function tinyWav(): Uint8Array {
  const bytes = new Uint8Array(44 + 64);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("RIFF\0\0\0\0WAVEfmt "));
  [16, 0x00010001, 8000, 16000, 0x00100002].forEach((word, i) => view.setUint32(16 + 4 * i, word, true));
  bytes.set(new TextEncoder().encode("data"), 36);
  view.setUint32(40, 64, true);
  return bytes;
}

/** Every model format, by a small file of each. */
export const modelTargets: Readonly<Record<string, Target>> = {
  wav: media(() => [tinyWav()], decodeWav),
  png: media(() => {
    const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (i * 37) & 255);
    return [encode({ width: 8, height: 8, data, channels: 3, depth: 8 })];
  }, decodeImage),
  "tensorflow-frozen": file("tensorflow/frozen.pb"),
  "tensorflow-text": file("tensorflow/frozen.pbtxt"),
  "tensorflow-saved": within("tensorflow/separable", "saved_model.pb"),
  "tensorflow-index": within("tensorflow/separable", "variables/variables.index"),
  "tensorflow-loops": within("tensorflow/control", "saved_model.pb"),
  "tensorflow-meta": within("tensorflow/checkpoint", "model.meta"),
  "tensorflow-checkpoint": within("tensorflow/checkpoint", "model.index"),
  "tfjs-graph": within("tensorflow/graphjs", "model.json"),
  tflite: file(
    "tflite/ops/conv_tensor_f32.tflite",
    "tflite/ops/hybrid_lstm_asymmetric.tflite",
    "tflite/ops/fully_connected_channel_i8.tflite",
    "tflite/ops/non_max_suppression_v4.tflite",
  ),
  keras: file("keras/models/operations.keras", "keras/models/nested.keras"),
  "keras-h5": file("keras/models/nested.h5", "keras/models/unbuilt.h5"),
  "tfjs-layers": within("keras/models/old_sequence_tfjs", "model.json"),
  "jax-export": file("jax/vmap.jaxexport", "jax/symbolic_shapes.jaxexport", "jax/gather_and_scatter.jaxexport"),
  stablehlo: file("jax/cond_and_switch.mlir", "jax/pooling.mlir", "jax/vmap.mlir"),
  "stablehlo-bytecode": file("jax/vmap.mlirbc", "jax/convolution_1d.mlirbc"),
  hlo: file("jax/cond_and_switch.hlo", "jax/scan.hlo"),
  msgpack: within("flax/mlp-linen", "weights.msgpack"),
  layers: within("flax/mlp-linen", "config.json"),
  ocdbt: within("flax/mlp-nnx", "weights/manifest.ocdbt"),
  zarr: within("flax/cnn-zarr", "weights/params.Conv_0.kernel/.zarray"),
  safetensors: within("flax/bert", "model.safetensors"),
  config: within("flax/bert", "config.json"),
};
