// .npy files as NumPy writes them, and ours back.

import { expect, test } from "vitest";
import { FormatError } from "../base/errors.ts";
import type { RawArray } from "./array.ts";
import { readNpy, writeNpy } from "./npy.ts";

const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const numbers = (
  bytes: Uint8Array,
  array: Float32ArrayConstructor | Float64ArrayConstructor | BigInt64ArrayConstructor,
) => Array.from(new array(bytes.slice().buffer), Number);

/** A file with a header and data as numpy.save wrote them (NumPy 2.4, ml_dtypes 0.6). */
function file(header: string, data: string): Uint8Array {
  const text = `${header.padEnd(117)}\n`;
  return Uint8Array.from([...hex("934e554d505901007600"), ...new TextEncoder().encode(text), ...hex(data)]);
}

test("bfloat16, which NumPy knows as two bytes", () => {
  const array = readNpy(file("{'descr': '<V2', 'fortran_order': False, 'shape': (2, 2), }", "803f00c049408040"));
  expect(array).toMatchObject({ dtype: "bf16", shape: [2, 2] });
  expect([...array.bytes]).toEqual([0x80, 0x3f, 0, 0xc0, 0x49, 0x40, 0x80, 0x40]);
});

test("big-endian and column-major", () => {
  const array = readNpy(
    file(
      "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 3), }",
      "00000000404000003f800000408000004000000040a00000",
    ),
  );
  expect(numbers(array.bytes, Float32Array)).toEqual([0, 1, 2, 3, 4, 5]);
  const complex = readNpy(file("{'descr': '>c8', 'fortran_order': False, 'shape': (1,), }", "3f80000040000000"));
  expect(numbers(complex.bytes, Float32Array)).toEqual([1, 2]);
});

test("three dimensions in column-major order", () => {
  const data = [0, 1, 2, 3].flatMap((last) => [0, 12, 4, 16, 8, 20].map((n) => n + last));
  const bytes = [...new Uint8Array(BigInt64Array.from(data, BigInt).buffer)];
  const text = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const array = readNpy(file("{'descr': '<i8', 'fortran_order': True, 'shape': (2, 3, 4), }", text));
  expect(numbers(array.bytes, BigInt64Array)).toEqual(Array.from({ length: 24 }, (_, i) => i));
});

test("scalars, truth values and empty arrays", () => {
  expect(
    numbers(
      readNpy(file("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "0000000000000c40")).bytes,
      Float64Array,
    ),
  ).toEqual([3.5]);
  expect(readNpy(file("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "0100")).dtype).toBe("i1");
  expect(readNpy(file("{'descr': '<u4', 'fortran_order': False, 'shape': (0, 3), }", "")).shape).toEqual([0, 3]);
});

test("what is written reads the same", () => {
  const arrays: RawArray[] = [
    { dtype: "f32", shape: [2, 1], bytes: new Uint8Array(8).fill(7) },
    { dtype: "bf16", shape: [3], bytes: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    { dtype: "i64", shape: [], bytes: new Uint8Array(8) },
    { dtype: "c128", shape: [1, 1, 1], bytes: new Uint8Array(16) },
    { dtype: "i1", shape: [0], bytes: new Uint8Array(0) },
  ];
  for (const array of arrays) expect(readNpy(writeNpy(array))).toEqual(array);
});

test("broken files", () => {
  const good = (header: string, data = "") => file(header, data);
  for (const [bytes, message] of [
    [new Uint8Array(3), "does not begin"],
    [good("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "00"), "needs 24 bytes"],
    [good("{'descr': '<U4', 'fortran_order': False, 'shape': (2, 3), }"), 'NumPy type "<U4"'],
    [good("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }"), "several fields"],
    [good("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }"), "larger than any file"],
    [good("{'descr': '<f4', 'fortran_order': False}"), "no shape"],
  ] as const) {
    expect(() => readNpy(bytes)).toThrow(message);
    expect(() => readNpy(bytes)).toThrow(FormatError);
  }
});
