// Addition, subtraction, multiplication and division of ordinary 80-bit numbers as WebAssembly functions.

import { ModuleBuilder } from "../../../wasm/module.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { defineHelper } from "../../ir/emit.ts";
import { Arithmetic, Source } from "./callouts.ts";
import { Writer, type Expression, summary, c1, inexact, masks, precision, rounding, least } from "./writer.ts";

/** Numbers of the functions that every arithmetic instruction shares. */
export interface ArithmeticFunctions {
  readonly add: number;
  readonly multiply: number;
  readonly divide: number;
}

/** Functions (words, place, pop, head a, a, head b, b) -> done. */
export function defineArithmetic(to: ModuleBuilder): ArithmeticFunctions {
  const { i32: i, i64: l } = type;
  const finish = to.function(to.type([i, i, i, i, i, l, l], [i]), "finish");
  writeFinish(new Writer(finish.code));
  const signature = to.type([i, i, i, i, l, i, l], [i]);
  const divideLong = defineHelper(to, "div128_u", () => 0);
  const function_ = (name: string, body: (f: Writer) => void): number => {
    const { index, code } = to.function(signature, name);
    body(new Writer(code));
    return index;
  };
  return {
    add: function_("add", (f) => writeAdd(f, finish.index)),
    multiply: function_("multiply", (f) => writeMultiply(f, finish.index)),
    divide: function_("divide", (f) => writeDivide(f, finish.index, divideLong)),
  };
}

/** (words, place, pop, sign at bit 15, exponent, significand, rest): rounds to nearest, stores, pops. */
function writeFinish(f: Writer): void {
  const [word, at, pop, sign, exponent, significand, rest] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { $, n, l, w, q } = f;
  const bits = f.i32();
  f.if(
    f.zero(q("or", $(significand), $(rest))),
    () => {
      f.set(exponent, n(0));
      f.set(sign, n(0));
    },
    () => f.giveUpIf(w("ge_u", w("sub", $(exponent), n(1)), n(0x7ffd))),
  );
  f.if(q("ne", $(rest), l(0)), () => {
    f.set(bits, n(inexact));
    const odd = q("or", q("shl", $(rest), l(1)), q("and", $(significand), l(1)));
    f.if(q("lt_s", $(rest), l(0)), () =>
      f.if(q("ne", odd, l(0)), () => {
        f.set(bits, n(inexact | c1));
        f.set(significand, q("add", $(significand), l(1)));
        f.if(f.zero($(significand)), () => {
          f.set(significand, l(...least));
          f.set(exponent, w("add", $(exponent), n(1)));
        });
      }),
    );
  });
  f.write(at, w("or", $(exponent), $(sign)), $(significand));
  f.if($(pop), () => f.pop(word));
  f.done(word, $(bits));
  f.code.i32(0);
}

function writeAdd(f: Writer, finish: number): void {
  const [word, at, pop, ha, a, hb, b] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { $, n, l, w, q } = f;
  const [distance, head] = [f.i32(), f.i32()];
  const [rest, sum] = [f.i64(), f.i64()];
  const swap = () => {
    f.set(head, $(ha));
    f.set(ha, $(hb));
    f.set(hb, $(head));
    f.set(sum, $(a));
    f.set(a, $(b));
    f.set(b, $(sum));
  };
  f.set(distance, w("sub", f.exponent(ha), f.exponent(hb)));
  f.if(w("lt_s", $(distance), n(0)), () => {
    swap();
    f.set(distance, w("sub", n(0), $(distance)));
  });
  const shift = f.long($(distance));
  f.if($(distance), () =>
    f.if(
      w("lt_u", $(distance), n(64)),
      () => {
        f.set(rest, q("shl", $(b), q("sub", l(64), shift)));
        f.set(b, q("shr_u", $(b), shift));
      },
      () => {
        f.if(
          w("lt_u", $(distance), n(128)),
          () => {
            // The last bit is sticky. At a distance of 64 nothing is lost.
            const lost = q("ne", q("shl", q("shl", $(b), l(1)), q("sub", l(127), shift)), l(0));
            f.set(rest, q("or", q("shr_u", $(b), q("sub", shift, l(64))), f.long(lost)));
          },
          () => f.set(rest, l(1)),
        );
        f.set(b, l(0));
      },
    ),
  );
  const exponent = f.i32();
  f.set(exponent, f.exponent(ha));
  const end = () =>
    f.return(f.call(finish, $(word), $(at), $(pop), w("and", $(ha), n(0x8000)), $(exponent), $(sum), $(rest)));
  f.if(f.one(op["i32.eqz"], w("and", w("xor", $(ha), $(hb)), n(0x8000))), () => {
    f.set(sum, q("add", $(a), $(b)));
    f.if(q("lt_u", $(sum), $(a)), () => {
      const sticky = q("or", q("shr_u", $(rest), l(1)), q("and", $(rest), l(1)));
      f.set(rest, q("or", q("shl", $(sum), l(63)), sticky));
      f.set(sum, q("or", q("shr_u", $(sum), l(1)), l(...least)));
      f.set(exponent, w("add", $(exponent), n(1)));
    });
    end();
  });
  f.if(w("and", f.one(op["i32.eqz"], $(distance)), q("lt_u", $(a), $(b))), swap);
  f.set(sum, q("sub", q("sub", $(a), $(b)), f.long(q("ne", $(rest), l(0)))));
  f.set(rest, q("sub", l(0), $(rest)));
  f.if(f.zero($(sum)), () => {
    f.set(sum, $(rest));
    f.set(rest, l(0));
    f.set(exponent, w("sub", $(exponent), n(64)));
  });
  const zeros = f.i64();
  f.set(zeros, f.one(op["i64.clz"], $(sum)));
  f.if(w("and", q("ne", $(zeros), l(0)), q("lt_u", $(zeros), l(64))), () => {
    f.set(sum, q("or", q("shl", $(sum), $(zeros)), q("shr_u", $(rest), q("sub", l(64), $(zeros)))));
    f.set(rest, q("shl", $(rest), $(zeros)));
    f.set(exponent, w("sub", $(exponent), f.short($(zeros))));
  });
  end();
  f.code.i32(0);
}

/** Sign of a product or quotient at bit 15. */
const signOf = (f: Writer, ha: number, hb: number): Expression => f.w("and", f.w("xor", f.$(ha), f.$(hb)), f.n(0x8000));

function writeMultiply(f: Writer, finish: number): void {
  const [word, at, pop, ha, a, hb, b] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { $, n, l, w, q } = f;
  const [exponent, middle, high, low] = [f.i32(), f.i64(), f.i64(), f.i64()];
  f.set(exponent, w("sub", w("add", f.exponent(ha), f.exponent(hb)), n(16382)));
  const bottom = (x: number) => q("and", $(x), l(-1, 0));
  const top = (x: number) => q("shr_u", $(x), l(32));
  f.set(middle, q("add", q("mul", top(a), bottom(b)), q("shr_u", q("mul", bottom(a), bottom(b)), l(32))));
  const other = q("add", q("mul", bottom(a), top(b)), bottom(middle));
  f.set(high, q("add", q("add", q("mul", top(a), top(b)), top(middle)), q("shr_u", other, l(32))));
  f.set(low, q("mul", $(a), $(b)));
  f.if(q("ge_u", l(-1, 0x7fffffff), $(high)), () => {
    f.set(high, q("or", q("shl", $(high), l(1)), q("shr_u", $(low), l(63))));
    f.set(low, q("shl", $(low), l(1)));
    f.set(exponent, w("sub", $(exponent), n(1)));
  });
  f.call(finish, $(word), $(at), $(pop), signOf(f, ha, hb), $(exponent), $(high), $(low))();
}

function writeDivide(f: Writer, finish: number, divideLong: number): void {
  const [word, at, pop, ha, a, hb, b] = [0, 1, 2, 3, 4, 5, 6] as const;
  const { $, n, l, w, q } = f;
  const [exponent, whole, quotient, left, rest] = [f.i32(), f.i32(), f.i64(), f.i64(), f.i64()];
  f.set(whole, q("ge_u", $(a), $(b)));
  f.set(exponent, w("add", w("add", w("sub", f.exponent(ha), f.exponent(hb)), n(16382)), $(whole)));
  f.if($(whole), () => f.set(a, q("sub", $(a), $(b))));
  f.set(quotient, f.call(divideLong, $(a), l(0), $(b)));
  f.set(left, q("sub", l(0), q("mul", $(quotient), $(b))));
  f.if(
    $(whole),
    () => {
      f.set(rest, q("or", q("shl", $(quotient), l(63)), f.long(q("ne", $(left), l(0)))));
      f.set(quotient, q("or", q("shr_u", $(quotient), l(1)), l(...least)));
    },
    () =>
      f.if(q("ne", $(left), l(0)), () => {
        // Twice the remainder against the divisor; it is never equal, the quotient would end there.
        const above = w("or", q("lt_s", $(left), l(0)), q("gt_u", q("shl", $(left), l(1)), $(b)));
        const tie = w("and", q("ge_u", l(-1, 0x7fffffff), $(left)), q("eq", q("shl", $(left), l(1)), $(b)));
        f.set(rest, f.choose(above, l(1, 0x80000000 | 0), f.choose(tie, l(...least), l(1))));
      }),
  );
  f.call(finish, $(word), $(at), $(pop), signOf(f, ha, hb), $(exponent), $(quotient), $(rest))();
}

/** Unpacks the double or single in `bits`; gives up on what is not normal. */
export function unpack(f: Writer, double: boolean, bits: number, head: number, significand: number): void {
  const { $, n, l, w, q } = f;
  const field = f.i32();
  f.set(field, w("and", f.short(q("shr_u", $(bits), l(double ? 52 : 23))), n(double ? 0x7ff : 0xff)));
  f.giveUpIf(w("ge_u", w("sub", $(field), n(1)), n(double ? 0x7fe : 0xfe)));
  const sign = w("and", f.short(q("shr_u", $(bits), l(double ? 48 : 16))), n(0x8000));
  f.set(head, w("or", sign, w("add", $(field), n(double ? 15360 : 16256))));
  f.set(significand, q("or", q("shl", $(bits), l(double ? 11 : 40)), l(...least)));
}

/** A signed integer that is not zero as a normal number. */
export function fromInteger(f: Writer, value: number, head: number, significand: number): void {
  const { $, n, l, w, q } = f;
  const zeros = f.i64();
  f.set(head, w("shl", q("lt_s", $(value), l(0)), n(15)));
  f.if($(head), () => f.set(value, q("sub", l(0), $(value))));
  f.set(zeros, f.one(op["i64.clz"], $(value)));
  f.set(significand, q("shl", $(value), $(zeros)));
  f.set(head, w("or", $(head), w("sub", n(16383 + 63), f.short($(zeros)))));
}

/** FADD, FSUB, FMUL and FDIV in all their forms. */
export function writeArithmetic(f: Writer, functions: ArithmeticFunctions): void {
  const { $, n, w } = f;
  const word = f.begin(summary | masks | precision | rounding, masks | precision);
  const request = f.i32();
  f.set(request, f.request());
  const [ha, hb, kind, digit] = [f.i32(), f.i32(), f.i32(), f.i32()];
  const [a, b, bits] = [f.i64(), f.i64(), f.i64()];
  const first = f.place(word, n(0));
  f.giveUpIf(f.empty(first));
  f.set(kind, w("shr_u", $(request), n(Arithmetic.sourceShift)));
  f.if(
    w("eq", $(kind), n(Source.register)),
    () => {
      const second = f.place(word, w("shr_u", $(request), n(8)));
      f.giveUpIf(f.empty(second));
      f.set(b, f.significand(second));
      f.set(hb, f.head(second));
      f.giveUpIf(f.abnormal(hb, b));
    },
    () => {
      f.set(bits, f.operand());
      f.if(
        w("eq", $(kind), n(Source.double)),
        () => unpack(f, true, bits, hb, b),
        () =>
          f.if(
            w("eq", $(kind), n(Source.single)),
            () => unpack(f, false, bits, hb, b),
            () => {
              f.set(bits, f.one(op["i64.extend32_s"], $(bits)));
              f.giveUpIf(f.zero($(bits)));
              fromInteger(f, bits, hb, b);
            },
          ),
      );
    },
  );
  f.set(a, f.significand(first));
  f.set(ha, f.head(first));
  f.giveUpIf(f.abnormal(ha, a));
  f.set(digit, w("and", $(request), n(7)));
  // The reversed forms: odd digits from 5 on.
  f.if(w("gt_u", w("and", $(digit), n(5)), n(4)), () => {
    const [head, value] = [f.i32(), f.i64()];
    f.set(head, $(ha));
    f.set(ha, $(hb));
    f.set(hb, $(head));
    f.set(value, $(a));
    f.set(a, $(b));
    f.set(b, $(value));
  });
  const to = f.place(word, w("shr_u", $(request), n(4)));
  const pops = w("and", $(request), n(Arithmetic.pop));
  const call = (index: number): void => f.return(f.call(index, $(word), $(to), pops, $(ha), $(a), $(hb), $(b)));
  f.if(w("eq", $(digit), n(1)), () => call(functions.multiply));
  f.if(w("ge_u", $(digit), n(6)), () => call(functions.divide));
  // Subtraction is addition of the opposite.
  f.if($(digit), () => f.set(hb, w("xor", $(hb), n(0x8000))));
  call(functions.add);
}
