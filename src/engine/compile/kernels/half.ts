// Weights of 16 bits: constants that f16 or bf16 hold exactly are that small in memory. Kernels widen some panels at a
// time to where the cache has them: in a loop of its own, which waits less for memory than tiles that widen.

import type { Code } from "../../../wasm/code.ts";
import { op } from "../../../wasm/opcodes.ts";
import { bf16Bits, f16Bits } from "../../hlo/half.ts";
import type { Tensor } from "../../hlo/tensor.ts";
import { splatF32, splatI32 } from "../lanes.ts";
import { increase, loopWhileBelow } from "./emit.ts";

export type Half = "f16" | "bf16";

const known = new WeakMap<object, Half | "none">();

/** The type that holds every number of a float tensor exactly, if there is one. As f16 they have to be finite. */
export function halfOf({ dtype, data }: Tensor): Half | undefined {
  if (dtype === "bf16") return dtype;
  let found = known.get(data);
  if (!found) {
    if (dtype === "f32") found = search(data as Float32Array);
    else found = dtype === "f16" && (data as Uint16Array).every((bits) => (bits & 0x7c00) !== 0x7c00) ? dtype : "none";
    known.set(data, found);
  }
  return found === "none" ? undefined : found;
}

/** The bits of a tensor's elements as the type that holds them. */
export function bitsIn({ dtype, data }: Tensor, half: Half): (at: number) => number {
  if (dtype === half) return (at) => data[at] as number;
  const bitsOf = half === "f16" ? f16Bits : bf16Bits;
  return (at) => bitsOf(data[at] as number);
}

function search(numbers: Float32Array): Half | "none" {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  let [f16, bf16] = [true, true];
  for (let i = 0; i < bits.length && (f16 || bf16); i++) {
    bf16 &&= (bits[i]! & 0xffff) === 0;
    f16 &&= fitsF16(bits[i]!, numbers[i]!);
  }
  return bf16 ? "bf16" : f16 ? "f16" : "none";
}

/** Normal numbers have 10 bits after the first; those below are counts of 2^-24. */
function fitsF16(bits: number, value: number): boolean {
  const magnitude = bits & 0x7fffffff;
  if (magnitude < 0x38800000) return Number.isInteger(value * 2 ** 24);
  return magnitude < 0x47800000 && (bits & 0x1fff) === 0;
}

/** Pushes four neighbouring weights as f32. */
function loadHalves(code: Code, half: Half, address: number, offset: number): void {
  code.get(address);
  if (half === "bf16") {
    code.memory(op["v128.load16x4_u"], offset).i32(16).op(op["i32x4.shl"]);
    return;
  }
  // Copies of the sign fill the lane from above; all but one are cleared. The exponent is put right by a product, which
  // is exact for subnormals too.
  code.memory(op["v128.load16x4_s"], offset).i32(13).op(op["i32x4.shl"]);
  splatI32(code, 0x8fffffff).op(op["v128.and"]);
  splatF32(code, 2 ** 112).op(op["f32x4.mul"]);
}

/** Widens weights from one address to those from `to` to `end`, some vectors a round; the first two locals move. */
export function emitWiden(code: Code, half: Half, from: number, to: number, end: number, vectors: number): void {
  loopWhileBelow(
    code,
    to,
    { local: end },
    16 * vectors,
    () => {
      for (let v = 0; v < vectors; v++) {
        code.get(to);
        loadHalves(code, half, from, v * 8);
        code.memory(op["v128.store"], v * 16);
      }
      increase(code, from, 8 * vectors);
    },
    { addresses: true },
  );
}
