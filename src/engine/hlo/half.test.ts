import { expect, test } from "vitest";
import { bf16Bits, bf16Value, f16Bits, f16Value } from "./half.ts";

test("every value reads back to its bits", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const half = f16Value(bits);
    if (!Number.isNaN(half)) expect(f16Bits(half)).toBe(bits);
    const brain = bf16Value(bits);
    if (!Number.isNaN(brain)) expect(bf16Bits(brain)).toBe(bits);
  }
});

test("numbers between two values go to the nearer, a tie to the even one, also where an f32 would round first", () => {
  for (let bits = 0; bits < 0x7bff; bits += 7) {
    const [low, high] = [f16Value(bits), f16Value(bits + 1)];
    const middle = (low + high) / 2;
    const even = bits % 2 === 0 ? bits : bits + 1;
    expect(f16Bits(middle)).toBe(even);
    expect(f16Bits(middle * (1 + 2 ** -50))).toBe(bits + 1);
    expect(f16Bits(middle * (1 - 2 ** -50))).toBe(bits);
  }
  expect(bf16Bits(1 + 2 ** -8)).toBe(0x3f80);
  expect(bf16Bits(1 + 2 ** -8 + 2 ** -50)).toBe(0x3f81);
  expect(f16Bits(65519.99)).toBe(0x7bff);
  expect(f16Bits(65520)).toBe(0x7c00);
  expect(f16Bits(-Infinity)).toBe(0xfc00);
  expect(f16Value(f16Bits(NaN))).toBeNaN();
  expect(bf16Value(bf16Bits(NaN))).toBeNaN();
});
