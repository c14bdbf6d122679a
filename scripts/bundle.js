// Bundles what `tsc -b` wrote into few files, so that the command starts quickly: one for the command line, and one for each
// part that is loaded only when it is needed.

import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const output = resolve(root, "dist/bundle");
rmSync(output, { recursive: true, force: true });
const bundle = await rolldown({
  input: { cerebro: resolve(root, "dist/cli/main.js") },
  platform: "node",
  external: [/^node:/],
});
await bundle.write({
  dir: output,
  format: "esm",
  sourcemap: true,
  minify: { compress: true, mangle: false, codegen: true },
  chunkFileNames: "[name]-[hash].js",
});
await bundle.close();
