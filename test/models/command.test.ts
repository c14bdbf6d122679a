// `cerebro model` and `cerebro device` as users have them: the built command in a process of its own.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { afterAll, expect, test } from "vitest";
import { nodePackageHost } from "../../src/hosts/node/packages.ts";
import { packageObstacle } from "../ladder/native.ts";

const root = resolve(import.meta.dirname, "../..");
const work = mkdtempSync(join(tmpdir(), "cerebro-model-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const env = { ...process.env, XDG_RUNTIME_DIR: work };
const packages = nodePackageHost({ cacheDirectory: join(root, ".cache/ladder/packages") });
const obstacle = await packageObstacle(packages);
const resnet = "examples/models/cifar10/model.tflite";
const fixture = (path: string) => join("test/models", path);

function cerebro(...args: readonly string[]) {
  const options = { encoding: "utf8", timeout: 60_000, cwd: root, env } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "bin/cerebro.js"), ...args], options);
  return { status, stdout, stderr };
}

test("show tells what a model takes and gives, and draws it", () => {
  const drawing = join(work, "resnet.svg");
  const { status, stdout } = cerebro("model", "show", resnet, "--graph", drawing);
  expect(status).toBe(0);
  expect(stdout).toContain("takes input_1  f32[?,32,32,3]");
  expect(stdout).toContain("CONV_2D 9");
  expect(readFileSync(drawing, "utf8")).toMatch(/^<svg[\s\S]*SOFTMAX 15[\s\S]*<\/svg>\n$/);
  expect(JSON.parse(cerebro("model", "show", "--json", resnet).stdout)).toMatchObject({
    format: "tflite",
    missing: [],
  });
});

test("a model that cannot run says everything it lacks, before anything runs", () => {
  const words = fixture("tensorflow/words");
  expect(cerebro("model", "show", words)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("LookupTableFindV2"),
  });
  const { status, stderr } = cerebro("model", "run", words, "--input", "[1]");
  expect(status).toBe(125);
  expect(stderr).toMatch(/HashTableV2.*LookupTableFindV2.*string tensors/);
  expect(cerebro("model", "show", "package.json").stderr).toContain("is no model of a known format");
  expect(cerebro("model", "show", join(work, "nothing")).status).toBe(127);
});

test("run takes pictures, JSON and arrays; answers are for people and programs", () => {
  const labels = "examples/models/cifar10/labels.txt";
  const picture = ["--input", "examples/pictures/cat.png", "--preprocess", "resize size=32x32 method=area"];
  const found = cerebro("model", "run", resnet, ...picture, "--top", "2", "--labels", labels);
  expect(found.stdout.split("\n")[0]).toMatch(/^0\.9\d+ {2}cat$/);
  const json = cerebro("model", "run", "--json", resnet, ...picture, "--top", "1", "--labels", labels).stdout;
  expect(JSON.parse(json)).toMatchObject([{ label: "cat", index: 3 }]);
  const numbers = join(work, "out.npy");
  const ids = ["--input", "input_ids=[[1,2,3]]", "--signature", "default"];
  expect(cerebro("model", "run", fixture("flax/gpt2"), ...ids, "-o", `logits=${numbers}`).status).toBe(0);
  expect(readFileSync(numbers).subarray(1, 6).toString()).toBe("NUMPY");
  const wrong = cerebro("model", "run", resnet, "--input", "[1,2]");
  expect(wrong).toMatchObject({ status: 125, stderr: expect.stringContaining("input input_1 is f32[?,32,32,3]") });
});

test("verify compares with recorded numbers, bench times", () => {
  const golden = join(work, "golden.json");
  const inputs = "[[1,2,3]]";
  const outputs = cerebro("model", "run", "--json", fixture("flax/gpt2"), "--input", `input_ids=${inputs}`).stdout;
  const { logits } = JSON.parse(outputs) as { logits: number[][][] };
  writeFileSync(golden, JSON.stringify({ input_ids: JSON.parse(inputs), logits }));
  expect(cerebro("model", "verify", fixture("flax/gpt2"), "--golden", golden)).toMatchObject({ status: 0 });
  logits[0]![0]![0]! += 0.01;
  writeFileSync(golden, JSON.stringify({ input_ids: JSON.parse(inputs), logits }));
  expect(cerebro("model", "verify", fixture("flax/gpt2"), "--golden", golden)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("differs"),
  });
  const times = JSON.parse(cerebro("model", "bench", "--json", "--runs", "3", "--threads", "2", resnet).stdout);
  expect(times).toMatchObject({ runs: 3, threads: 2 });
  expect(cerebro("model", "bench", "--runs", "1", "--profile", resnet).stdout).toContain("kernel conv 3x3");
});

test("tasks read sentences", () => {
  const sentence = "Grace Hopper worked in New York.";
  const { stdout } = cerebro(
    "model",
    "run",
    "examples/models/tagger",
    "--task",
    "ner",
    "--aggregation",
    "first",
    "--input",
    sentence,
  );
  expect(stdout).toMatch(/PER +Grace Hopper/);
});

test.skipIf(obstacle)("device reads and sets the settings of a running machine", { timeout: 60_000 }, async () => {
  const words = [join(root, "bin/cerebro.js"), "run", "--with", "bash", "--", "bash", "-c", "echo ready; read line"];
  const machine = spawn(process.execPath, words, { cwd: root, env, stdio: ["pipe", "pipe", "ignore"] });
  try {
    await new Promise((ready) => machine.stdout.once("data", ready));
    expect(cerebro("device", "set", "threads", "2")).toMatchObject({ status: 0, stderr: "" });
    expect(cerebro("device", "get", "threads").stdout).toBe("2\n");
    expect(cerebro("device", "set", "threads", "many")).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("many"),
    });
    expect(cerebro("device", "set", "speed", "2").stderr).toContain("no setting is called speed");
    expect(cerebro("device", "ls").stdout).toContain("preprocessing");
    expect(cerebro("device", "get", "threads").stdout).toBe("2\n");
  } finally {
    machine.kill();
  }
});
