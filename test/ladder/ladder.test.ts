// Debian's packages, run in Cerebro and natively: same output, same exit status, same files. The versions that were compared
// are printed. LADDER=full runs all of it (`npm run test:ladder`).

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/hosts/node/index.ts";
import { nodePackageHost } from "../../src/hosts/node/packages.ts";
import { createMachine } from "../../src/machine/index.ts";
import { type PreparedRoot, prepareRoot } from "../../src/packages/prepare.ts";
import { nativeObstacle, packageObstacle, environment, type Outcome, runNatively, writeRoot } from "./native.ts";
import { ladder, type Rung, type Step } from "./rungs.ts";

const full = process.env["LADDER"] === "full";
const cache = resolve(import.meta.dirname, "../../.cache/ladder");
const packageHost = nodePackageHost({ cacheDirectory: join(cache, "packages") });
const obstacle = nativeObstacle() ?? (await packageObstacle(packageHost));
if (obstacle) console.warn(`the ladder is skipped: ${obstacle}`);

const host = nodeHost();
const versions: string[] = [];

async function runHere(prepared: PreparedRoot, step: Step): Promise<Outcome> {
  const machine = createMachine({ host, root: prepared.image.entries, log: (message) => logged.push(message) });
  const logged: string[] = [];
  machine.files.makeDirectory("/work");
  for (const [name, content] of Object.entries(step.files ?? {})) machine.files.write(`/work/${name}`, content);
  const [program, ...args] = step.command;
  const run = machine.start(program!, { args, env: environment, cwd: "/work", stdin: step.stdin ?? "empty" });
  const [stdout, stderr, { status }] = await Promise.all([run.stdout.bytes(), run.stderr.bytes(), run.exited]);
  const files: Record<string, string> = {};
  const visit = (directory: string): void => {
    for (const name of machine.files.list(directory)) {
      const path = `${directory}/${name}`;
      const { type, mode } = machine.files.stat(path, { follow: false })!;
      const key = path.slice("/work/".length);
      if (type === "link") files[key] = `link ${machine.files.readLink(path)}`;
      else if (type === "directory") {
        files[key] = `directory ${mode.toString(8)}`;
        visit(path);
      } else files[key] = `file ${mode.toString(8)} ${Buffer.from(machine.files.read(path)).toString("latin1")}`;
    }
  };
  visit("/work");
  machine.dispose();
  return {
    status,
    stdout: Buffer.from(stdout).toString("latin1"),
    stderr: Buffer.from(stderr).toString("latin1"),
    files,
  };
}

function rung(
  name: Rung["package"],
  needed: readonly string[],
  steps: readonly Step[],
  architecture: "amd64" | "i386",
): void {
  describe.skipIf(obstacle !== undefined)(`${name} (${architecture})`, () => {
    let ready: Promise<{ prepared: PreparedRoot; root: string }> | undefined;
    const prepare = async () => {
      mkdirSync(cache, { recursive: true });
      // `env` of coreutils starts the native command in its directory.
      const wanted = [...new Set([name, ...needed, "coreutils"])];
      const prepared = await prepareRoot(packageHost, { with: wanted, architecture });
      const stored = prepared.asked.find((one) => one.name === name)!;
      versions.push(`${name} ${stored.version} ${architecture}`);
      const root = join(cache, "roots", `${name}-${architecture}`);
      writeRoot(root, prepared.image.entries);
      return { prepared, root };
    };
    for (const step of steps)
      test(step.command.join(" ").replaceAll("\n", " ").slice(0, 90), async () => {
        const { prepared, root } = await (ready ??= prepare());
        const here = await runHere(prepared, step);
        expect(here).toEqual(runNatively(root, step));
      });
  });
}

for (const { package: name, with: needed = [], short = false, i386 = false, steps } of ladder) {
  const some = full ? steps : steps.slice(0, name === "coreutils" ? 12 : 3);
  if (full || short) rung(name, needed, some, "amd64");
  if (full && i386) rung(name, needed, some, "i386");
}

afterAll(() => {
  if (versions.length > 0) console.info(`compared natively: ${versions.join(", ")}`);
});
