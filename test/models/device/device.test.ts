// Programs of the kernel that use /dev/cerebro: structures by ioctl, plain reads and writes, echo and cat.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { nodePackageHost } from "../../../src/hosts/node/packages.ts";
import { nodeHost } from "../../../src/hosts/node/index.ts";
import { createMachine } from "../../../src/machine/index.ts";
import { packageObstacle } from "../../ladder/native.ts";

const work = mkdtempSync(join(tmpdir(), "cerebro-device-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const host = nodeHost();
const header = resolve(import.meta.dirname, "../../../sidecar");
const examples = resolve(import.meta.dirname, "../../../examples");
const model = join(examples, "models/cifar10/model.tflite");
const cache = resolve(import.meta.dirname, "../../../.cache/ladder");
const packages = nodePackageHost({ cacheDirectory: join(cache, "packages") });
const obstacle = await packageObstacle(packages);
if (obstacle) console.warn(`shell and Python on /dev/cerebro are skipped: ${obstacle}`);
const works = (flag: string) =>
  spawnSync("gcc", [flag, "-static", "-x", "c", "-o", join(work, "probe"), "-"], { input: "int main(void){return 0;}" })
    .status === 0;

async function run(flag: string, source: string, args: readonly string[]) {
  const binary = join(work, source + flag);
  const path = join(import.meta.dirname, source);
  execFileSync("gcc", ["-O1", "-Wall", "-Werror", flag, "-static", "-I", header, "-o", binary, path]);
  const machine = createMachine({ host });
  machine.files.makeDirectory("/models");
  machine.files.write("/models/resnet.tflite", readFileSync(model));
  const started = await machine.run(readFileSync(binary), { name: source, args });
  const [stdout, stderr, { status }] = await Promise.all([
    started.stdout.text(),
    started.stderr.text(),
    started.exited,
  ]);
  machine.dispose();
  return { stdout, stderr, status };
}

describe("/dev/cerebro", () => {
  for (const flag of ["-m64", "-m32"].filter(works))
    test(`a C program by ioctl (${flag})`, async () => {
      const { stdout, stderr, status } = await run(flag, "execute.c", ["/models/resnet.tflite"]);
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      expect(stdout.replace(/bytes:.*/, "bytes: …")).toMatchInlineSnapshot(`
        "before: No data available
        missing: No such file or directory: ERROR ENOENT: No such file or directory
        not a model: Exec format error: ERROR ENOEXEC: exe: is no model of a known format
        nonsense: Invalid argument: ERROR EINVAL: "NONSENSE" is no command: they are LOAD_MODEL, EXECUTE_MODEL, GET_RESULTS, RESET, UNLOAD
        resnet.tflite tflite: 1 in, 1 out
        input input_1 element 1 rank 4: 1 32 32 3
        output Identity rank 2, 40 bytes: …
        timed
        no room: No space left on device, needs 40
        wrong size: Invalid argument
        wrong address: Bad address
        "
      `);
      const scores = /bytes: (.*)/.exec(stdout)![1]!.split(" ").map(Number);
      expect(scores.length).toBe(10);
      expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 2);
    });

  for (const [name, command, wanted] of [
    ["shell.sh", "bash", ["bash", "coreutils", "grep"]],
    ["use.py", "python3", ["python3"]],
  ] as const)
    test.skipIf(obstacle)(`${command} with reads and writes`, { timeout: 60_000 }, async () => {
      const machine = createMachine({ host, packages });
      await machine.install({ with: wanted });
      machine.files.write("/models/resnet.tflite", readFileSync(model));
      machine.files.write("/models/labels.txt", readFileSync(join(examples, "models/cifar10/labels.txt")));
      for (const picture of ["cat.png", "horse.png"])
        machine.files.write(`/pictures/${picture}`, readFileSync(join(examples, "pictures", picture)));
      machine.files.write(`/${name}`, readFileSync(join(import.meta.dirname, name)));
      const started = machine.start(command, { args: [`/${name}`] });
      const [stdout, stderr] = await Promise.all([started.stdout.text(), started.stderr.text(), started.exited]);
      machine.dispose();
      expect(`${stdout}${stderr}`).toMatchSnapshot();
    });
});
