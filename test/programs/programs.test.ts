// Programs of our own, in C and for bash, run in Cerebro and natively: same output, same exit status.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { nodeHost } from "../../src/hosts/node/index.ts";
import { nodePackageHost } from "../../src/hosts/node/packages.ts";
import { createMachine } from "../../src/machine/index.ts";
import { prepareRoot } from "../../src/packages/prepare.ts";
import { environment, nativeObstacle, packageObstacle, runNatively, writeRoot } from "../ladder/native.ts";

const sources = import.meta.dirname;
const work = mkdtempSync(join(tmpdir(), "cerebro-programs-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const host = nodeHost();
const endingWith = (suffix: string) => readdirSync(sources).filter((name) => name.endsWith(suffix));

/** Programs that sleep are raced by a loaded machine, natively too: a difference counts when it stays. */
const onTheClock = { retry: 2 };

/** Whether gcc makes static programs of this word size here. */
function compiles(flag: string): boolean {
  return (
    spawnSync("gcc", [flag, "-static", "-x", "c", "-o", join(work, "probe"), "-"], {
      input: "int main(void){return 0;}",
    }).status === 0
  );
}

for (const [flag, architecture] of [
  ["-m64", "x86-64"],
  ["-m32", "i386"],
] as const) {
  const able = compiles(flag);
  if (!able) console.warn(`C programs for ${architecture} are skipped: gcc ${flag} -static does not work here`);
  describe.skipIf(!able)(architecture, () => {
    for (const source of endingWith(".c"))
      test(source, onTheClock, async () => {
        const binary = join(work, `${source}${flag}`);
        execFileSync("gcc", ["-O2", "-w", flag, "-static", "-pthread", "-o", binary, join(sources, source), "-lm"]);
        const machine = createMachine({ host });
        const run = await machine.run(readFileSync(binary), { name: binary });
        const [stdout, stderr, { status }] = await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
        machine.dispose();
        const native = spawnSync(binary, { input: "", encoding: "utf8", timeout: 30_000 });
        expect({ stdout, stderr, status }).toEqual({
          stdout: native.stdout,
          stderr: native.stderr,
          status: native.status,
        });
      });
  });
}

const cache = resolve(sources, "../../.cache/ladder");
const packages = nodePackageHost({ cacheDirectory: join(cache, "packages") });
const obstacle = nativeObstacle() ?? (await packageObstacle(packages));
if (obstacle) console.warn(`bash programs are skipped: ${obstacle}`);
describe.skipIf(obstacle !== undefined)("bash", () => {
  let ready:
    | Promise<{ entries: Awaited<ReturnType<typeof prepareRoot>>["image"]["entries"]; root: string }>
    | undefined;
  const prepare = async () => {
    const wanted = ["bash", "coreutils", "sed", "grep", "diffutils", "findutils"];
    const { image } = await prepareRoot(packages, { with: wanted, architecture: "amd64" });
    const root = join(cache, "roots", "programs");
    writeRoot(root, image.entries);
    return { entries: image.entries, root };
  };
  for (const name of endingWith(".sh"))
    test(name, onTheClock, async () => {
      const { entries, root } = await (ready ??= prepare());
      const script = readFileSync(join(sources, name), "utf8");
      const machine = createMachine({ host, root: entries });
      machine.files.write(`/work/${name}`, script);
      const run = machine.start("bash", { args: [name], env: environment, cwd: "/work" });
      const [stdout, { status }] = await Promise.all([run.stdout.text(), run.exited]);
      machine.dispose();
      const native = runNatively(root, { command: ["bash", name], files: { [name]: script } });
      expect({ stdout, status }).toEqual({ stdout: native.stdout, status: native.status });
    });
});
