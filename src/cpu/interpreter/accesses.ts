// Memory accesses of the interpreter's handlers: by operations on guest memory, and on lanes of vectors in slots.

import { op } from "../../wasm/opcodes.ts";

/** Loads and stores: bytes, and the wasm instruction. */
export const memoryOps: Record<string, { bytes: number; opcode: number }> = {
  load8: { bytes: 1, opcode: op["i32.load8_u"] },
  load16: { bytes: 2, opcode: op["i32.load16_u"] },
  load32: { bytes: 4, opcode: op["i32.load"] },
  load64: { bytes: 8, opcode: op["i64.load"] },
  loadf32: { bytes: 4, opcode: op["f32.load"] },
  loadf64: { bytes: 8, opcode: op["f64.load"] },
  load128: { bytes: 16, opcode: op["v128.load"] },
  load32_zero: { bytes: 4, opcode: op["v128.load32_zero"] },
  load64_zero: { bytes: 8, opcode: op["v128.load64_zero"] },
  store8: { bytes: 1, opcode: op["i32.store8"] },
  store16: { bytes: 2, opcode: op["i32.store16"] },
  store32: { bytes: 4, opcode: op["i32.store"] },
  store64: { bytes: 8, opcode: op["i64.store"] },
  storef32: { bytes: 4, opcode: op["f32.store"] },
  storef64: { bytes: 8, opcode: op["f64.store"] },
  store128: { bytes: 16, opcode: op["v128.store"] },
};

/** Lane operations by shape: bytes of a lane and its loads. */
export const lanes: Record<string, { bytes: number; load: number; store: number }> = {
  "i8x16.extract_lane_s": { bytes: 1, load: op["i32.load8_s"], store: 0 },
  "i8x16.extract_lane_u": { bytes: 1, load: op["i32.load8_u"], store: 0 },
  "i8x16.replace_lane": { bytes: 1, load: op["i32.load"], store: op["i32.store8"] },
  "i16x8.extract_lane_s": { bytes: 2, load: op["i32.load16_s"], store: 0 },
  "i16x8.extract_lane_u": { bytes: 2, load: op["i32.load16_u"], store: 0 },
  "i16x8.replace_lane": { bytes: 2, load: op["i32.load"], store: op["i32.store16"] },
  "i32x4.extract_lane": { bytes: 4, load: op["i32.load"], store: 0 },
  "i32x4.replace_lane": { bytes: 4, load: op["i32.load"], store: op["i32.store"] },
  "i64x2.extract_lane": { bytes: 8, load: op["i64.load"], store: 0 },
  "i64x2.replace_lane": { bytes: 8, load: op["i64.load"], store: op["i64.store"] },
  "f32x4.extract_lane": { bytes: 4, load: op["f32.load"], store: 0 },
  "f32x4.replace_lane": { bytes: 4, load: op["f32.load"], store: op["f32.store"] },
  "f64x2.extract_lane": { bytes: 8, load: op["f64.load"], store: 0 },
  "f64x2.replace_lane": { bytes: 8, load: op["f64.load"], store: op["f64.store"] },
};
