// zarr arrays as TensorStore writes them (test/models/flax/make.py): the numbers 0, 1, 2, … in row-major order.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { FormatError } from "../base/errors.ts";
import type { RawArray } from "./array.ts";
import { openZarr, type ReadKey } from "./zarr.ts";

const folder = resolve(import.meta.dirname, "../../test/models/flax/trees/zarr");
const names = readdirSync(folder);

const reader =
  (name: string): ReadKey =>
  (key) => {
    const path = resolve(folder, name, key);
    return existsSync(path) && statSync(path).isFile() ? new Uint8Array(readFileSync(path)) : undefined;
  };

function numbers({ dtype, bytes }: RawArray): number[] {
  const { buffer } = bytes.slice();
  if (dtype === "f32") return [...new Float32Array(buffer)];
  if (dtype === "f64") return [...new Float64Array(buffer)];
  if (dtype === "i16") return [...new Int16Array(buffer)];
  if (dtype === "i64") return Array.from(new BigInt64Array(buffer), Number);
  return Array.from(new Uint16Array(buffer), (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!);
}

test.each(names.filter((name) => name !== "holes"))("%s", (name) => {
  const array = openZarr(reader(name), name)!.read();
  const values = numbers(array);
  expect(values).toHaveLength(array.shape.reduce((product, extent) => product * extent, 1));
  expect(values).toEqual(values.map((_, i) => i));
});

test("missing chunks are the fill value", () => {
  const array = openZarr(reader("holes"), "holes")!.read();
  expect(array.shape).toEqual([5, 3, 4]);
  // Rows 2 and 3 are the chunks that begin with 1.
  expect(numbers(array)).toEqual(Array.from({ length: 60 }, (_, i) => (i >= 24 && i < 48 ? 0 : i)));
});

test("damaged arrays end in a FormatError", () => {
  let seed = 11;
  const random = (limit: number) => (seed = (seed * 48271) % 2147483647) % limit;
  for (const name of names) {
    for (let round = 0; round < 25; round++) {
      const read: ReadKey = (key) => {
        const bytes = reader(name)(key);
        if (bytes && random(3) === 0) for (let k = random(4); k >= 0; k--) bytes[random(bytes.length)] = random(256);
        return bytes;
      };
      try {
        openZarr(read, name)?.read();
      } catch (error) {
        expect(error, `${name} round ${round}: ${String(error)}`).toBeInstanceOf(FormatError);
      }
    }
  }
});
