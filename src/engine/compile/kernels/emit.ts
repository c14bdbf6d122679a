// Short forms for what kernels write over and over: loops, addresses, loads and stores of a few lanes.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { type DType, dtypes } from "../../hlo/dtype.ts";
import { loadLanes, storeLanes } from "../lanes.ts";

/** A number known while emitting, or a local that holds one. */
export type Amount = number | { readonly local: number };

export function push(code: Code, amount: Amount): void {
  if (typeof amount === "number") code.i32(amount);
  else code.get(amount.local);
}

/** local += amount. */
export function increase(code: Code, local: number, amount: Amount): void {
  if (amount === 0) return;
  code.get(local);
  push(code, amount);
  code.op(op["i32.add"]).set(local);
}

/** Pushes local * factor. */
export function scaled(code: Code, local: number, factor: number): void {
  code.get(local);
  if (factor !== 1) code.i32(factor).op(op["i32.mul"]);
}

/** Pushes the smaller of two. */
export function minimum(code: Code, a: Amount, b: Amount): void {
  push(code, a);
  if (a === b) return;
  push(code, b);
  push(code, a);
  push(code, b);
  code.op(op["i32.lt_s"]).op(op.select);
}

/** `for (; local < limit; local += step)`: tested before each round. Addresses are compared without sign. */
export function loopWhileBelow(
  code: Code,
  local: number,
  limit: Amount,
  step: number,
  body: () => void,
  { addresses = false } = {},
): void {
  const out = code.block();
  const again = code.loop();
  code.get(local);
  push(code, limit);
  code.op(op[addresses ? "i32.ge_u" : "i32.ge_s"]).brIf(out);
  body();
  increase(code, local, step);
  code.br(again);
  code.end().end();
}

/** Splits `from` by extents, innermost last: sets one local for each, the remainders, and leaves `from` as the rest. */
export function split(code: Code, from: number, extents: readonly number[]): number[] {
  const locals: number[] = [];
  for (let i = extents.length - 1; i >= 0; i--) {
    const local = code.local(type.i32);
    locals[i] = local;
    if (extents[i] === 1) {
      code.i32(0).set(local);
      continue;
    }
    code.get(from).i32(extents[i]!).op(op["i32.rem_u"]).set(local);
    code.get(from).i32(extents[i]!).op(op["i32.div_u"]).set(from);
  }
  return locals;
}

/** Pushes `lanes` neighbouring elements as lanes of 32 bits; the lanes beyond are anything, and no memory is touched. */
export function loadSome(code: Code, dtype: DType, address: number, offset: number, lanes: number): void {
  const { bytes } = dtypes[dtype];
  if (lanes === 3 && bytes === 4) {
    code.get(address).get(address).memory(op["v128.load64_zero"], offset);
    code.memory(op["v128.load32_lane"], offset + 8).byte(2);
    return;
  }
  code.get(address);
  if (lanes === 2 && bytes === 4) code.memory(op["v128.load64_zero"], offset);
  else loadLanes(code, dtype, lanes === 4 ? 4 : 1, offset);
  if (lanes === 4 || bytes === 4) return;
  for (let lane = 1; lane < lanes; lane++) {
    code.get(address);
    loadLanes(code, dtype, 1, offset + lane * bytes);
    code.lane(op["i32x4.extract_lane"], 0).lane(op["i32x4.replace_lane"], lane);
  }
}

/** Stores the first `lanes` lanes of the vector in a local. */
export function storeSome(
  code: Code,
  dtype: DType,
  address: number,
  offset: number,
  lanes: number,
  vector: number,
): void {
  const { bytes } = dtypes[dtype];
  if (lanes === 4) {
    code.get(address).get(vector);
    storeLanes(code, dtype, 4, offset);
    return;
  }
  for (let lane = 0; lane < lanes; lane++) {
    code.get(address).get(vector);
    if (bytes === 4) code.memory(op["v128.store32_lane"], offset + lane * 4).byte(lane);
    else {
      if (lane > 0) code.lane(op["i32x4.extract_lane"], lane).op(op["i32x4.splat"]);
      storeLanes(code, dtype, 1, offset + lane * bytes);
    }
  }
}
