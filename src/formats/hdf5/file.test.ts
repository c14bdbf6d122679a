import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../base/errors.ts";
import { type HdfArray, type HdfFile, openHdf5 } from "./file.ts";
import { lookup3 } from "./storage.ts";

// Written by test/models/keras/hdf5.py with h5py.
const folder = join(import.meta.dirname, "../../../test/models/keras/hdf5");
const names = ["earliest", "v18", "latest", "tracked", "userblock"];
const load = (name: string) => new Uint8Array(readFileSync(join(folder, name)));
const expectedOf = (name: string) => {
  // Two files hold what the first does, in other structures.
  const same = name === "v18" || name === "tracked" ? "earliest" : name;
  return JSON.parse(readFileSync(join(folder, `${same}.json`), "utf8")) as Record<string, Expected>;
};
type Expected = { text: string[] } | { shape: number[]; numbers: (number | string)[] };

/** The numbers of an array, integers of 64 bits as text. */
function numbers({ type, bytes }: HdfArray): (number | string)[] {
  const base = type.kind === "enumeration" ? type.base : type;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !("bigEndian" in base && base.bigEndian);
  const at = (i: number): number | string => {
    if (base.kind === "float") {
      if (base.size === 8) return view.getFloat64(i, little);
      if (base.size === 4) return view.getFloat32(i, little);
      const bits = view.getUint16(i, little);
      const magnitude = bits & 0x7fff;
      const value = magnitude < 0x400 ? magnitude * 2 ** -24 : (1024 + (bits & 1023)) * 2 ** ((magnitude >> 10) - 25);
      return bits & 0x8000 ? -value : value;
    }
    const signed = base.kind === "integer" && base.signed;
    if (base.size === 8) return String(view.getBigInt64(i, little));
    if (base.size === 4) return signed ? view.getInt32(i, little) : view.getUint32(i, little);
    if (base.size === 2) return signed ? view.getInt16(i, little) : view.getUint16(i, little);
    return signed ? view.getInt8(i) : view.getUint8(i);
  };
  return Array.from({ length: bytes.length / base.size }, (_, i) => at(i * base.size));
}

function expectArray(file: HdfFile, array: HdfArray, expected: Expected, what: string): void {
  if ("text" in expected) expect(file.texts(array), what).toEqual(expected.text);
  else expect({ shape: array.shape, numbers: numbers(array) }, what).toEqual(expected);
}

function readAll(file: HdfFile, paths: Iterable<string>, check?: (array: HdfArray, path: string) => void): void {
  for (const path of paths) {
    const [object, attribute] = path.split("@");
    const found = file.root.get(object!);
    const array = attribute === undefined ? found?.dataset?.read(1 << 20) : found?.attributes.get(attribute);
    if (array && check) check(array, path);
    else if (array) file.texts(array);
    else if (check) expect.fail(`${path} is not there`);
  }
}

describe("hdf5", () => {
  it("has the checksum of Jenkins' lookup3", () => {
    expect(lookup3(new Uint8Array(0))).toBe(0xdeadbeef);
    expect(lookup3(new TextEncoder().encode("Four score and seven years ago"))).toBe(0x17770551);
  });
  for (const name of names) {
    it(`reads what h5py wrote: ${name}`, () => {
      const file = openHdf5(load(`${name}.h5`));
      const expected = expectedOf(name);
      readAll(file, Object.keys(expected), (array, path) => expectArray(file, array, expected[path]!, path));
      if (name === "userblock") return;
      expect(file.root.names?.toSorted()).toEqual(["attributes", "chunked", "plain", "wide"]);
      expect(file.root.get("wide")!.names).toHaveLength(122);
      expect(file.root.get("wide/soft")!.dataset!.shape).toEqual([5, 12]);
      expect(file.root.get("wide/near")!.names).toEqual([]);
      expect(file.root.get("nowhere/x")).toBeUndefined();
      expect(() => file.root.get("plain/f32")!.dataset!.read(239)).toThrow("has 240 bytes, the limit is 239");
    });
  }
  it("throws only FormatError", () => {
    for (const name of names) {
      const original = load(`${name}.h5`);
      const paths = Object.keys(expectedOf(name));
      const some = paths.filter((_, i) => i % 5 === 0);
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 20 }), (changes) => {
          const bytes = original.slice();
          for (const [at, value] of changes) bytes[at % (at & 1 ? 4096 : bytes.length)] = value;
          for (const path of some) {
            try {
              readAll(openHdf5(bytes), [path]);
            } catch (error) {
              if (!(error instanceof FormatError)) throw error;
            }
          }
        }),
        { numRuns: 8 },
      );
    }
  });
});
