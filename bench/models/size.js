// How large the engine is, minified: what every model needs, and what each family of formats adds (loaded when one comes).
// node bench/models/size.js, after npm run build.

import { resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "../../dist/engine");
const families = {
  "TensorFlow Lite": "import/tflite/tflite.js",
  Keras: "import/keras/family.js",
  TensorFlow: "import/tensorflow/formats.js",
  "JAX and HLO": "import/jax/format.js",
  "Flax and transformers": "import/flax/formats.js",
};

/** Minified bytes of what these entries need together, without what they would load later. */
async function sizeOf(entries) {
  const bundle = await rolldown({
    input: Object.fromEntries(entries.map((entry, i) => [`entry${i}`, resolve(root, entry)])),
    platform: "neutral",
    resolve: { mainFields: ["module", "main"] },
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const chunks = new Map(output.map((chunk) => [chunk.fileName, chunk]));
  const needed = new Set();
  const visit = (name) => {
    if (needed.has(name) || !chunks.has(name)) return;
    needed.add(name);
    for (const inner of chunks.get(name).imports ?? []) visit(inner);
  };
  for (const chunk of output) if (chunk.isEntry) visit(chunk.fileName);
  return [...needed].reduce((sum, name) => sum + chunks.get(name).code.length, 0);
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(0).padStart(5)} kB`;
console.log(`${kilobytes(await sizeOf(["index.js"]))}  engine: compiler, interpreter, sessions`);
for (const [name, entry] of Object.entries(families))
  console.log(`${kilobytes(await sizeOf(["index.js", entry]))}  with ${name}`);
console.log(`${kilobytes(await sizeOf(["index.js", ...Object.values(families)]))}  with all of them`);
