// Bodies of the functions that divide 128 by 64 bits: (high, low, divisor) -> quotient, which is known to fit.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";

/** Unsigned 128 by 64 bits, quotient known to fit: Knuth's algorithm D with 32-bit digits. */
export function divideLong(code: Code): void {
  const [high, low, divisor] = [0, 1, 2];
  const local = () => code.local(type.i64);
  const [shift, top, quotient, rest, digit, trial] = [local(), local(), local(), local(), local(), local()];
  const half = (from: number) => code.get(from).i64(32).op(op["i64.shr_u"]);
  const lower = (from: number) => code.get(from).i64(-1, 0).op(op["i64.and"]);
  // Normalise: the divisor's top bit becomes 1.
  code.get(divisor).op(op["i64.clz"]).set(shift);
  code.get(divisor).get(shift).op(op["i64.shl"]).set(divisor);
  code.get(high).get(shift).op(op["i64.shl"]);
  code.get(low).i64(1).op(op["i64.shr_u"]).i64(63).get(shift).op(op["i64.sub"]).op(op["i64.shr_u"]);
  code.op(op["i64.or"]).set(high);
  code.get(low).get(shift).op(op["i64.shl"]).set(low);
  half(divisor).set(top);
  for (const last of [false, true]) {
    if (last) lower(low).set(digit);
    else half(low).set(digit);
    code.get(high).get(top).op(op["i64.div_u"]).set(trial);
    code.get(high).get(trial).get(top).op(op["i64.mul"]).op(op["i64.sub"]).set(rest);
    // The trial digit is at most two too large.
    const done = code.block();
    const again = code.loop();
    code.get(trial).i64(32).op(op["i64.shr_u"]).i64(0).op(op["i64.ne"]);
    code.get(trial);
    lower(divisor).op(op["i64.mul"]);
    code.get(rest).i64(32).op(op["i64.shl"]).get(digit).op(op["i64.or"]).op(op["i64.gt_u"]);
    code.op(op["i32.or"]).op(op["i32.eqz"]).brIf(done);
    code.get(trial).i64(1).op(op["i64.sub"]).set(trial);
    code.get(rest).get(top).op(op["i64.add"]).tee(rest).i64(32).op(op["i64.shr_u"]).op(op["i64.eqz"]).brIf(again);
    code.end().end();
    code.get(high).i64(32).op(op["i64.shl"]).get(digit).op(op["i64.or"]);
    code.get(trial).get(divisor).op(op["i64.mul"]).op(op["i64.sub"]).set(high);
    code.get(quotient).i64(32).op(op["i64.shl"]).get(trial).op(op["i64.or"]).set(quotient);
  }
  code.get(quotient);
}

/** Signed 128 by 64 bits by way of the magnitudes. */
export function divideLongSigned(code: Code, unsigned: number): void {
  const [high, low, divisor] = [0, 1, 2];
  const sign = code.local(type.i64);
  code.get(high).get(divisor).op(op["i64.xor"]).i64(63).op(op["i64.shr_s"]).set(sign);
  code.get(high).i64(0).op(op["i64.lt_s"]).if();
  code.get(high).i64(-1).op(op["i64.xor"]).get(low).op(op["i64.eqz"]).op(op["i64.extend_i32_u"]).op(op["i64.add"]);
  code.set(high).i64(0).get(low).op(op["i64.sub"]).set(low);
  code.end();
  code.get(divisor).i64(0).op(op["i64.lt_s"]).if();
  code.i64(0).get(divisor).op(op["i64.sub"]).set(divisor);
  code.end();
  code.get(high).get(low).get(divisor).call(unsigned);
  code.get(sign).op(op["i64.xor"]).get(sign).op(op["i64.sub"]);
}
