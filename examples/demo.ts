// `npm run demo`: builds examples/hello.deb from its source where there is a C compiler, and runs it.

import { execFileSync, spawnSync } from "node:child_process";
import { resolve } from "node:path";
import process from "node:process";

const root = resolve(import.meta.dirname, "../..");
const deb = resolve(root, "examples/hello.deb");
if (spawnSync("gcc", ["--version"]).status === 0)
  execFileSync(process.execPath, [resolve(root, "scripts/run.js"), "examples/build.ts"], {
    cwd: root,
    stdio: "inherit",
  });
else console.error("gcc is not here: running the committed examples/hello.deb");
console.error(`$ cerebro run examples/hello.deb -- friend`);
const run = spawnSync(process.execPath, [resolve(root, "bin/cerebro.js"), "run", deb, "--", "friend"], {
  stdio: "inherit",
});
process.exitCode = run.status ?? 1;
