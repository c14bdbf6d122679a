// Weights as Flax, Orbax, safetensors, NumPy and PyTorch save them (test/models/flax/make.py).

import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { sourceOf } from "../../../../test/support/models.ts";
import { FormatError } from "../../../base/errors.ts";
import { openOcdbt } from "../../../formats/ocdbt.ts";
import { bytesOf, type Tensor, toNumbers } from "../../hlo/tensor.ts";
import { openWeights, tensorsOfNpz } from "./open.ts";
import type { Weights } from "./weights.ts";

const models = resolve(import.meta.dirname, "../../../../test/models/flax");
const open = (path: string): Weights => openWeights(sourceOf(resolve(models, path)));

function get(weights: Weights, name: string): Tensor {
  const weight = weights.list.find((each) => each.name === name);
  if (!weight) throw new Error(`no ${name} among ${weights.list.map((each) => each.name).join(", ")}`);
  return weight.read();
}
const numbers = (weights: Weights, name: string) => [...toNumbers(get(weights, name))];
const npz = tensorsOfNpz(readFileSync(resolve(models, "trees/plain.npz")));
const a = [...toNumbers(npz.get("a")!)];

test("npz: both orders, half floats", () => {
  expect(a).toHaveLength(35);
  expect([...toNumbers(npz.get("f")!)]).toEqual(a);
  expect([...toNumbers(npz.get("half")!)]).toEqual([1.5, -2, 65504]);
});

test("flax msgpack: chunked arrays, numbers, every kind of element", () => {
  const weights = open("trees/chunked.msgpack");
  expect(numbers(weights, "a")).toEqual(a);
  expect(numbers(weights, "half")).toEqual([1.5, -2, 65504]);
  expect(get(weights, "brain")).toMatchObject({ dtype: "bf16", shape: [1, 2] });
  expect(numbers(weights, "brain")).toEqual([1, -3.140625]);
  expect(numbers(weights, "nested/0/n")).toEqual([0, 1, 2, 3, 4, 5]);
  expect(numbers(weights, "nested/z")).toEqual([1, 2]);
  expect(get(weights, "number")).toMatchObject({ dtype: "f32", shape: [] });
  expect(numbers(weights, "flags")).toEqual([1, 0]);
  expect(Object.fromEntries(weights.metadata)).toMatchObject({ steps: "12", rate: "0.25" });
});

test("safetensors", () => {
  const weights = open("trees/plain.safetensors");
  expect(numbers(weights, "a")).toEqual(a);
  expect(weights.metadata.get("format")).toBe("np");
});

test("pytorch: views of storages, parameters, types", () => {
  const weights = open("trees/state.bin");
  expect(numbers(weights, "view.weight")).toEqual([1, 7, 13, 19, 2, 8, 14, 20, 3, 9, 15, 21]);
  expect(get(weights, "view.weight").shape).toEqual([3, 4]);
  expect(get(weights, "half.bias").dtype).toBe("f16");
  expect(numbers(weights, "brain")).toEqual([0, 1, 2, 3, 4, 5]);
  expect(numbers(weights, "count")).toEqual([7]);
  expect(numbers(weights, "p")).toEqual([6, 7, 8, 9, 10, 11]);
});

test("orbax: zarr directories and both versions in OCDBT hold the same", () => {
  const [plain, database] = [open("cnn-zarr"), open("cnn-zarr3")];
  const names = plain.list.map(({ name }) => name).toSorted();
  expect(names).toContain("params/Conv_0/kernel");
  expect(names).toContain("batch_stats/BatchNorm_0/var");
  expect(database.list.map(({ name }) => name).toSorted()).toEqual(names);
  const shapes = (weights: Weights) => new Map(weights.list.map(({ name, shape }) => [name, shape]));
  expect(shapes(plain)).toEqual(shapes(database));
  expect(get(open("mlp-bf16"), "params/Dense_0/kernel")).toMatchObject({ dtype: "bf16", shape: [10, 16] });
  expect(open("mlp-nnx").list.map(({ name }) => name)).toContain("layers/0/kernel/value");
});

test("OCDBT: interior nodes, and a manifest for every version", () => {
  for (const name of ["tall", "numbered"]) {
    const store = openOcdbt(sourceOf(resolve(models, "trees")).files!, `${name}/`);
    expect(store.keys).toHaveLength(40);
    for (const i of [0, 1, 17, 39]) {
      const value = store.read(`key/${String(i).padStart(2, "0")}/x`);
      expect(new TextDecoder().decode(value)).toBe(`v${i}.`.repeat(i));
    }
  }
});

test("damaged files end in a FormatError", () => {
  const files = ["chunked.msgpack", "plain.safetensors", "state.bin", "plain.npz"];
  let seed = 1;
  const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
  for (const file of files) {
    const good = readFileSync(resolve(models, "trees", file));
    for (let round = 0; round < 300; round++) {
      const bytes = new Uint8Array(good.subarray(0, round % 3 === 0 ? random(good.length) : good.length));
      for (let k = random(4); k >= 0 && bytes.length > 0; k--) bytes[random(bytes.length)] = random(256);
      try {
        for (const weight of openWeights({ name: file, bytes }).list) bytesOf(weight.read());
      } catch (error) {
        expect(error, `${file} round ${round}: ${String(error)}`).toBeInstanceOf(FormatError);
      }
    }
  }
});

test("damaged databases end in a FormatError", () => {
  const path = resolve(models, "cnn-zarr3/weights");
  const names = readdirSync(path, { recursive: true, encoding: "utf8" });
  const source = sourceOf(path).files!;
  let seed = 5;
  const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
  for (let round = 0; round < 200; round++) {
    const victim = names[random(names.length)]!;
    const read = (name: string) => {
      const bytes = source.read(name)?.slice();
      if (name === victim && bytes) for (let k = 0; k < 3; k++) bytes[random(bytes.length)] = random(256);
      return bytes;
    };
    try {
      const weights = openWeights({ name: "damaged", files: { list: (name) => source.list(name), read } });
      for (const weight of weights.list) bytesOf(weight.read());
    } catch (error) {
      if (!/EISDIR/.test(String(error))) expect(error, `${victim}: ${String(error)}`).toBeInstanceOf(FormatError);
    }
  }
});
