// Bundles what `tsc -b` wrote into few files, so that the command starts quickly: one for the command line, and one for each
// part that is loaded only when it is needed.

import { renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const output = resolve(root, "dist/bundle");
const fresh = resolve(root, "dist/bundle.new");
rmSync(fresh, { recursive: true, force: true });
const bundle = await rolldown({
  input: {
    cerebro: resolve(root, "dist/cli/main.js"),
    engineworker: resolve(root, "dist/hosts/node/engineworker.js"),
  },
  platform: "node",
  external: [/^node:/],
});
await bundle.write({
  dir: fresh,
  format: "esm",
  sourcemap: true,
  minify: { compress: true, mangle: false, codegen: true },
  chunkFileNames: "[name]-[hash].js",
});
await bundle.close();
// The old one stays until the new one is whole.
rmSync(output, { recursive: true, force: true });
renameSync(fresh, output);
