// `npm run demo`: runs a package, classifies a picture, tags a sentence, and asks the model device from a shell.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";

const root = resolve(import.meta.dirname, "../..");

/** Runs the command as a user would, and shows what is typed. */
function cerebro(...words: readonly string[]): void {
  const shown = words.map((word) => (/[\s|]/.test(word) ? `"${word}"` : word)).join(" ");
  console.error(`\n$ cerebro ${shown}`);
  const { status } = spawnSync(process.execPath, [resolve(root, "bin/cerebro.js"), ...words], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exitCode = status ?? 1;
}

if (spawnSync("gcc", ["--version"]).status === 0)
  execFileSync(process.execPath, [resolve(root, "scripts/run.js"), "examples/build.ts"], {
    cwd: root,
    stdio: "inherit",
  });
else console.error("gcc is not here: running the committed examples/hello.deb");
cerebro("run", "examples/hello.deb", "--", "friend");

const pictures = ["--input", "examples/pictures/cat.png", "--preprocess", "resize size=32x32 method=area"];
const labels = ["--top", "3", "--labels", "examples/models/cifar10/labels.txt"];
cerebro("model", "run", "examples/models/cifar10/model.tflite", ...pictures, ...labels);

if (existsSync(resolve(root, "examples/models/tagger/config.json"))) {
  const sentence = "Ada Lovelace met Charles Babbage in London in 1833.";
  cerebro("model", "run", "examples/models/tagger", "--task", "ner", "--aggregation", "first", "--input", sentence);
}
