// Copies of a kernel's input in scratch memory: lines with zeros around them, so that windows need no bounds; small
// integers as 16 bits without their zero point.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { increase, loopWhileBelow } from "./emit.ts";

/** Lines of elements side by side. */
export interface Stage {
  /** What elements are: f32 stays, the others become i16. */
  readonly from: "f32" | "i8" | "u8" | "i16";
  /** Elements copied of a line, from one to the next in the source, and in the copy. */
  readonly elements: number;
  readonly stride: number;
  readonly pitch: number;
  /** Zeros before the elements of a line; what is left of the pitch follows as zeros. */
  readonly low: number;
  /** Subtracted. */
  readonly zeroPoint: number;
}

/** Bytes of an element of the source, and in the copy. */
export const sourceBytes = ({ from }: Stage): number => (from === "f32" ? 4 : from === "i16" ? 2 : 1);
export const stagedBytes = ({ from }: Stage): number => (from === "f32" ? 4 : 2);

/** Lines of f32 of so many bytes are copied by one instruction: it is a call, which costs as much as a kilobyte. */
const longLine = 2048;

/** Copies `count` lines. All but the stage are locals; `from` and `to` are moved. */
export function emitStage(code: Code, stage: Stage, from: number, to: number, count: number): void {
  const integer = () => code.local(type.i32);
  const bytes = stagedBytes(stage);
  const fromBytes = sourceBytes(stage);
  const { elements, pitch, low } = stage;
  const joined = elements === pitch && elements === stage.stride;
  const [line, length, at, end] = [integer(), integer(), integer(), integer()];
  code.i32(0).set(line);
  if (joined) {
    code.get(count).i32(elements).op(op["i32.mul"]).set(length);
    code.i32(1).set(count);
  } else code.i32(elements).set(length);
  loopWhileBelow(code, line, { local: count }, 1, () => {
    emitZeros(code, to, 0, low * bytes);
    emitZeros(code, to, (low + elements) * bytes, (pitch - low - elements) * bytes);
    code
      .get(to)
      .i32(low * bytes)
      .op(op["i32.add"])
      .set(at);
    code.get(at).get(length).i32(bytes).op(op["i32.mul"]).op(op["i32.add"]).set(end);
    emitLine(code, stage, from, at, end, length);
    if (!joined) {
      increase(code, from, stage.stride * fromBytes);
      increase(code, to, pitch * bytes);
    }
  });
}

function emitZeros(code: Code, address: number, offset: number, bytes: number): void {
  if (bytes === 0) return;
  if (bytes > 256) {
    code.get(address).i32(offset).op(op["i32.add"]).i32(0).i32(bytes).memoryFill();
    return;
  }
  let at = 0;
  for (; at + 16 <= bytes; at += 16)
    code
      .get(address)
      .v128(0, 0, 0, 0)
      .memory(op["v128.store"], offset + at);
  for (; at < bytes; at += 2)
    code
      .get(address)
      .i32(0)
      .memory(op["i32.store16"], offset + at);
}

/** One line from `from` to [at, end), by vectors and then one at a time. */
function emitLine(code: Code, stage: Stage, from: number, at: number, end: number, length: number): void {
  const plain = stage.from === "f32" || stage.from === "i16";
  const bytes = stagedBytes(stage);
  if (plain && stage.elements * bytes >= longLine) {
    code.get(at).get(from).get(length).i32(bytes).op(op["i32.mul"]).memoryCopy();
    return;
  }
  const integer = () => code.local(type.i32);
  const [source, whole] = [integer(), integer()];
  const small = !plain;
  const zero = stage.zeroPoint & 0xffff;
  const zeros = zero | (zero << 16);
  code.get(from).set(source);
  // 16 bytes of the copy at a time.
  code.get(end).i32(15).op(op["i32.sub"]).set(whole);
  const vectors = () => {
    code.get(at).get(source);
    if (!small) code.memory(op["v128.load"]);
    else {
      code.memory(stage.from === "i8" ? op["v128.load8x8_s"] : op["v128.load8x8_u"]);
      if (zero !== 0) code.v128(zeros, zeros, zeros, zeros).op(op["i16x8.sub"]);
    }
    code.memory(op["v128.store"]);
    increase(code, source, small ? 8 : 16);
  };
  loopWhileBelow(code, at, { local: whole }, 16, vectors, { addresses: true });
  const elements = () => {
    code.get(at).get(source);
    if (stage.from === "f32") code.memory(op["i32.load"]).memory(op["i32.store"]);
    else if (stage.from === "i16") code.memory(op["i32.load16_u"]).memory(op["i32.store16"]);
    else {
      code.memory(stage.from === "i8" ? op["i32.load8_s"] : op["i32.load8_u"]);
      code.i32(stage.zeroPoint).op(op["i32.sub"]).memory(op["i32.store16"]);
    }
    increase(code, source, sourceBytes(stage));
  };
  loopWhileBelow(code, at, { local: end }, bytes, elements, { addresses: true });
}
