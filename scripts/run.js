// Runs a TypeScript script of this repository: node scripts/run.js FILE.ts [arguments].

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "..");
const [script, ...rest] = process.argv.slice(2);
if (!script) throw new Error("usage: node scripts/run.js FILE.ts [arguments]");
const target = resolve(root, "dist/scripts", script.replaceAll("/", "-").replace(/\.ts$/, ".js"));
const bundle = await rolldown({ input: resolve(root, script), platform: "node", external: [/^node:/, "rolldown"] });
await bundle.write({ file: target, format: "esm", sourcemap: true, codeSplitting: false });
await bundle.close();
process.argv.splice(1, process.argv.length - 1, target, ...rest);
await import(pathToFileURL(target).href);
