// Writes js/: a layers model that TensorFlow.js itself saved, and what it computes for three inputs. Wants
// @tensorflow/tfjs-core, -layers and -backend-cpu 4.22; run it where they are installed, with this folder as argument.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as core from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { input, layers, model as modelOf, sequential } from "@tensorflow/tfjs-layers";

const folder = join(process.argv[2], "js");
mkdirSync(folder, { recursive: true });
await core.setBackend("cpu");
const recurrentInitializer = "glorotNormal";
const first = input({ shape: [8, 3] });
const lstm = layers.lstm({ units: 4, returnSequences: true, recurrentInitializer });
let x = layers.bidirectional({ layer: lstm, mergeMode: "concat" }).apply(first);
x = layers.conv1d({ filters: 5, kernelSize: 3, padding: "same", activation: "relu" }).apply(x);
x = layers.batchNormalization().apply(x);
x = layers.gru({ units: 4, recurrentActivation: "hardSigmoid", recurrentInitializer }).apply(x);
const dense = [layers.dense({ units: 6, inputShape: [4], activation: "elu" }), layers.dense({ units: 4 })];
let y = sequential({ layers: dense }).apply(x);
y = layers.leakyReLU().apply(layers.add().apply([x, y]));
const model = modelOf({ inputs: first, outputs: layers.dense({ units: 3, activation: "softmax" }).apply(y) });
model.setWeights(
  model.getWeights().map(({ shape }, i) => {
    if (shape.length > 1) return core.randomNormal(shape, 0, 0.5, "float32", i);
    return core.randomUniform(shape, 0.3, 1, "float32", i);
  }),
);
const save = async ({ modelTopology, weightSpecs, weightData }) => {
  const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
  writeFileSync(join(folder, "model.json"), JSON.stringify({ format: "layers-model", modelTopology, weightsManifest }));
  writeFileSync(join(folder, "weights.bin"), Buffer.from(weightData));
  return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
};
await model.save(core.io.withSaveHandler(save));
const cases = [];
for (let n = 0; n < 3; n++) {
  const numbers = Array.from({ length: 24 }, (_, k) => Math.fround(Math.sin(0.7 * k + n)));
  const result = await model.predict(core.tensor(numbers, [1, 8, 3])).data();
  const inputs = [{ shape: [1, 8, 3], numbers }];
  cases.push({ inputs, outputs: [{ shape: [1, 3], numbers: [...result] }] });
}
writeFileSync(join(folder, "outputs.json"), JSON.stringify({ files: ["js"], cases }));
