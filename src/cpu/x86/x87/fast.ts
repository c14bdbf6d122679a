// The ordinary cases of the commonest x87 callouts as WebAssembly, where 64-bit significands are one value: operands that
// are normal numbers, results in range, the default control word. Everything else goes on to the callouts themselves.

import { Denied, layout } from "../../../memory/layout.ts";
import type { Code } from "../../../wasm/code.ts";
import { ModuleBuilder } from "../../../wasm/module.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { calloutNumber, type CalloutName } from "../../callouts.ts";
import { defineHelper } from "../../ir/emit.ts";
import { offsets, stateAddress } from "../../state.ts";
import { Arithmetic, Compare, Format, Source, storePop, Unary } from "./callouts.ts";

/** Pushes a value. */
type Expression = () => void;
type Alu =
  | "add"
  | "sub"
  | "mul"
  | "and"
  | "or"
  | "xor"
  | "shl"
  | "shr_u"
  | "eq"
  | "ne"
  | "lt_s"
  | "lt_u"
  | "gt_u"
  | "ge_u";

const controlWord = stateAddress(offsets.x87Control);
const tagWord = stateAddress(offsets.x87Tags);
const registers = stateAddress(offsets.x87);
const scratch = stateAddress(offsets.scratch);

// Control word in the low half, status word in the high half of one i32.
const summary = 0x80 << 16;
const c1 = 0x200 << 16;
const codes = 0x4700 << 16;
const inexact = 0x20 << 16;
const masks = 0x3f;
const precision = 0x300;
const rounding = 0xc00;
const topUnit = 1 << 27;
const topMask = 7 << 27;
const least = [0, 0x80000000 | 0] as const;

/** Writes one function out of expressions; every fast function returns 1 when it has done the work, else 0. */
class Writer {
  readonly code: Code;
  constructor(code: Code) {
    this.code = code;
  }
  i32(): number {
    return this.code.local(type.i32);
  }
  i64(): number {
    return this.code.local(type.i64);
  }
  n =
    (value: number): Expression =>
    () =>
      void this.code.i32(value);
  l =
    (low: number, high = low < 0 ? -1 : 0): Expression =>
    () =>
      void this.code.i64(low, high);
  $ =
    (local: number): Expression =>
    () =>
      void this.code.get(local);
  /** An i32 operation. */
  w =
    (name: Alu, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      this.code.op(op[`i32.${name}`]);
    };
  /** An i64 operation. */
  q =
    (name: Alu, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      this.code.op(op[`i64.${name}`]);
    };
  one =
    (opcode: number, a: Expression): Expression =>
    () => {
      a();
      this.code.op(opcode);
    };
  long = (a: Expression): Expression => this.one(op["i64.extend_i32_u"], a);
  short = (a: Expression): Expression => this.one(op["i32.wrap_i64"], a);
  zero = (a: Expression): Expression => this.one(op["i64.eqz"], a);
  load =
    (opcode: number, at: Expression, offset: number): Expression =>
    () => {
      at();
      this.code.memory(opcode, offset);
    };
  choose =
    (condition: Expression, a: Expression, b: Expression): Expression =>
    () => {
      a();
      b();
      condition();
      this.code.op(op.select);
    };

  set(local: number, value: Expression): void {
    value();
    this.code.set(local);
  }
  store(opcode: number, at: Expression, offset: number, value: Expression): void {
    at();
    value();
    this.code.memory(opcode, offset);
  }
  if(condition: Expression, then: () => void, otherwise?: () => void): void {
    condition();
    this.code.if();
    then();
    if (otherwise) {
      this.code.else();
      otherwise();
    }
    this.code.end();
  }
  return(value: Expression): void {
    value();
    this.code.op(op.return);
  }
  /** Leaves the case to the callout. */
  giveUpIf(condition: Expression): void {
    this.if(condition, () => this.return(this.n(0)));
  }
  call(index: number, ...values: Expression[]): Expression {
    return () => {
      for (const value of values) value();
      this.code.call(index);
    };
  }

  // The unit's state.

  /** Reads the control and status words; gives up unless `mask` of them is `value`. */
  begin(mask: number, value: number): number {
    const word = this.i32();
    this.set(word, this.load(op["i32.load"], this.n(0), controlWord));
    this.giveUpIf(this.w("ne", this.w("and", this.$(word), this.n(mask)), this.n(value)));
    return word;
  }
  /** 16 times the number of the physical register ST(i). */
  place(word: number, i: Expression): number {
    const at = this.i32();
    const number = this.w("add", this.w("shr_u", this.$(word), this.n(27)), i);
    this.set(at, this.w("shl", this.w("and", number, this.n(7)), this.n(4)));
    return at;
  }
  /** Whether the register at a place is empty. */
  empty(at: number): Expression {
    const tags = this.w(
      "shr_u",
      this.load(op["i32.load16_u"], this.n(0), tagWord),
      this.w("shr_u", this.$(at), this.n(3)),
    );
    return this.w("eq", this.w("and", tags, this.n(3)), this.n(3));
  }
  setTag(at: number, empty: boolean): void {
    const bits = this.w("shl", this.n(3), this.w("shr_u", this.$(at), this.n(3)));
    const old = this.load(op["i32.load16_u"], this.n(0), tagWord);
    const value = empty ? this.w("or", old, bits) : this.w("and", old, this.w("xor", bits, this.n(-1)));
    this.store(op["i32.store16"], this.n(0), tagWord, value);
  }
  significand = (at: number): Expression => this.load(op["i64.load"], this.$(at), registers);
  head = (at: number): Expression => this.load(op["i32.load16_u"], this.$(at), registers + 8);
  write(at: number, head: Expression, significand: Expression): void {
    this.store(op["i64.store"], this.$(at), registers, significand);
    this.store(op["i32.store16"], this.$(at), registers + 8, head);
  }
  /** Moves TOP by a number of registers. */
  turn(word: number, by: number): void {
    const moved = this.w("and", this.w("add", this.$(word), this.n(Math.imul(topUnit, by))), this.n(topMask));
    this.set(word, this.w("or", this.w("and", this.$(word), this.n(~topMask)), moved));
  }
  pop(word: number): void {
    const at = this.place(word, this.n(0));
    this.setTag(at, true);
    this.turn(word, 1);
  }
  /** Stores the words with C1 clear but for `bits`, and reports success. */
  done(word: number, bits: Expression = this.n(0), clear = c1): void {
    const value = this.w("or", this.w("and", this.$(word), this.n(~clear)), bits);
    this.store(op["i32.store"], this.n(0), controlWord, value);
    this.return(this.n(1));
  }
  exponent = (head: number): Expression => this.w("and", this.$(head), this.n(0x7fff));
  /** A normal number: integer bit set, exponent neither 0 nor the greatest. */
  abnormal = (head: number, significand: number): Expression =>
    this.w(
      "or",
      this.one(op["i32.eqz"], this.w("and", this.w("add", this.$(head), this.n(1)), this.n(0x7ffe))),
      this.q("ge_u", this.l(-1, 0x7fffffff), this.$(significand)),
    );
  zeroNumber = (head: number, significand: number): Expression =>
    this.zero(this.q("or", this.$(significand), this.long(this.exponent(head))));
  request = (): Expression => this.load(op["i32.load"], this.n(0), scratch);
  operand = (): Expression => this.load(op["i64.load"], this.n(0), scratch + 8);
}

/** Bytes of the module: imports `env.memory` and `env.callout`, exports a `callout` that does the ordinary cases itself. */
export function fastModule(): Uint8Array<ArrayBuffer> {
  const to = new ModuleBuilder();
  to.importMemory("env", "memory");
  const calloutType = to.type([type.i32], [type.i32]);
  const slow = to.importFunction("env", "callout", calloutType);
  const fast = new Map<CalloutName, number>();
  const nullary = to.type([], [type.i32]);
  const define = (name: CalloutName, body: (writer: Writer) => void): void => {
    const { index, code } = to.function(nullary, name);
    body(new Writer(code));
    code.i32(0);
    fast.set(name, index);
  };

  const arithmetic = defineArithmetic(to);
  define("x87Arithmetic", (f) => writeArithmetic(f, arithmetic));
  define("x87Load", writeLoad);
  define("x87Store", writeStore);
  define("x87Compare", writeCompare);
  define("x87Duplicate", writeDuplicate);
  define("x87StoreRegister", writeStoreRegister);
  define("x87Exchange", writeExchange);
  define("x87Unary", writeUnary);
  define("x87Constant", writeConstant);
  define("x87SetControl", writeSetControl);

  const { index, code } = to.function(calloutType, "callout");
  const numbers = new Map([...fast].map(([name, function_]) => [calloutNumber(name), function_]));
  const count = Math.max(...numbers.keys()) + 1;
  const other = code.block();
  const labels = Array.from({ length: count }, (_, i) => (numbers.has(i) ? code.block() : other));
  code.get(0).brTable(labels, other);
  for (let i = count - 1; i >= 0; i--) {
    const function_ = numbers.get(i);
    if (function_ === undefined) continue;
    code.end();
    code.call(function_).op(op["i32.eqz"]).brIf(other).i32(0).op(op.return);
  }
  code.end();
  code.get(0).call(slow);
  to.exportFunction("callout", index);
  return to.finish({ names: true });
}

interface ArithmeticFunctions {
  readonly add: number;
  readonly multiply: number;
  readonly divide: number;
}

/** Functions (words, place, pop, head a, a, head b, b) -> done. */
function defineArithmetic(to: ModuleBuilder): ArithmeticFunctions {
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
function unpack(f: Writer, double: boolean, bits: number, head: number, significand: number): void {
  const { $, n, l, w, q } = f;
  const field = f.i32();
  f.set(field, w("and", f.short(q("shr_u", $(bits), l(double ? 52 : 23))), n(double ? 0x7ff : 0xff)));
  f.giveUpIf(w("ge_u", w("sub", $(field), n(1)), n(double ? 0x7fe : 0xfe)));
  const sign = w("and", f.short(q("shr_u", $(bits), l(double ? 48 : 16))), n(0x8000));
  f.set(head, w("or", sign, w("add", $(field), n(double ? 15360 : 16256))));
  f.set(significand, q("or", q("shl", $(bits), l(double ? 11 : 40)), l(...least)));
}

/** A signed integer that is not zero as a normal number. */
function fromInteger(f: Writer, value: number, head: number, significand: number): void {
  const { $, n, l, w, q } = f;
  const zeros = f.i64();
  f.set(head, w("shl", q("lt_s", $(value), l(0)), n(15)));
  f.if($(head), () => f.set(value, q("sub", l(0), $(value))));
  f.set(zeros, f.one(op["i64.clz"], $(value)));
  f.set(significand, q("shl", $(value), $(zeros)));
  f.set(head, w("or", $(head), w("sub", n(16383 + 63), f.short($(zeros)))));
}

function writeArithmetic(f: Writer, functions: ArithmeticFunctions): void {
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

function writeLoad(f: Writer): void {
  const { $, n, l, w, q } = f;
  const word = f.begin(summary, 0);
  const [format, head] = [f.i32(), f.i32()];
  const [bits, significand] = [f.i64(), f.i64()];
  const at = f.place(word, n(7));
  f.giveUpIf(f.one(op["i32.eqz"], f.empty(at)));
  f.set(format, f.request());
  f.giveUpIf(w("eq", $(format), n(Format.decimal)));
  f.set(bits, f.operand());
  const isZero = f.i32();
  f.set(
    isZero,
    f.choose(w("eq", $(format), n(Format.double)), f.zero(q("shl", $(bits), l(1))), f.zero(q("shl", $(bits), l(33)))),
  );
  f.if(
    w("lt_u", $(format), n(Format.extended)),
    () =>
      f.if(
        $(isZero),
        () => {
          const sign = f.choose($(format), q("shr_u", $(bits), l(48)), q("shr_u", $(bits), l(16)));
          f.set(head, w("and", f.short(sign), n(0x8000)));
        },
        () =>
          f.if(
            $(format),
            () => unpack(f, true, bits, head, significand),
            () => unpack(f, false, bits, head, significand),
          ),
      ),
    () =>
      f.if(
        w("eq", $(format), n(Format.extended)),
        () => {
          f.set(significand, $(bits));
          f.set(head, f.load(op["i32.load16_u"], n(0), scratch + 16));
        },
        () => f.if(q("ne", $(bits), l(0)), () => fromInteger(f, bits, head, significand)),
      ),
  );
  f.write(at, $(head), $(significand));
  f.setTag(at, false);
  f.turn(word, -1);
  f.done(word);
}

function writeStore(f: Writer): void {
  const { $, n, l, w, q } = f;
  const word = f.begin(summary, 0);
  const [request, format, head, address, bytes, bits] = [f.i32(), f.i32(), f.i32(), f.i32(), f.i32(), f.i32()];
  const [significand, value, tail] = [f.i64(), f.i64(), f.i64()];
  f.set(request, f.request());
  f.set(format, w("and", $(request), n(15)));
  f.giveUpIf(w("eq", $(format), n(Format.decimal)));
  const from = f.place(word, n(0));
  f.giveUpIf(f.empty(from));
  f.set(significand, f.significand(from));
  f.set(head, f.head(from));
  const isDouble = w("eq", $(format), n(Format.double));

  // How many bytes: 4, 8, 10 for the floating formats, then 2, 4, 8 twice.
  f.set(bytes, n(4));
  f.if(isDouble, () => f.set(bytes, n(8)));
  f.if(w("eq", $(format), n(Format.extended)), () => f.set(bytes, n(10)));
  f.if(w("ge_u", $(format), n(Format.word)), () => {
    const size = w(
      "sub",
      $(format),
      f.choose(w("ge_u", $(format), n(Format.truncatedWord)), n(Format.truncatedWord), n(Format.word)),
    );
    f.set(bytes, w("shl", n(2), size));
  });
  f.giveUpIf(q("ne", q("shr_u", f.operand(), l(32)), l(0)));
  f.set(address, f.short(f.operand()));
  const denied = (at: Expression) => f.load(op["i32.load8_u"], w("shr_u", at, n(12)), layout.pageTable);
  const last = w("add", $(address), w("sub", $(bytes), n(1)));
  f.giveUpIf(w("and", w("or", denied($(address)), denied(last)), n(Denied.write)));

  const storeBits = (): void => {
    f.if(w("eq", $(bytes), n(8)), () => f.store(op["i64.store"], $(address), 0, $(value)));
    f.if(w("eq", $(bytes), n(4)), () => f.store(op["i64.store32"], $(address), 0, $(value)));
    f.if(w("eq", $(bytes), n(2)), () => f.store(op["i64.store16"], $(address), 0, $(value)));
    f.if(w("and", $(request), n(storePop)), () => f.pop(word));
    f.done(word, $(bits));
  };

  f.if(w("eq", $(format), n(Format.extended)), () => {
    f.store(op["i64.store"], $(address), 0, $(significand));
    f.store(op["i32.store16"], $(address), 8, $(head));
    f.if(w("and", $(request), n(storePop)), () => f.pop(word));
    f.done(word);
  });
  // From here on something may be rounded: exceptions must be masked.
  f.giveUpIf(w("ne", w("and", $(word), n(masks)), n(masks)));
  f.if(f.zeroNumber(head, significand), () => {
    f.if(w("lt_u", $(format), n(Format.extended)), () => {
      const sign = f.long(w("and", $(head), n(0x8000)));
      f.set(value, f.choose(isDouble, q("shl", sign, l(48)), q("shl", sign, l(16))));
    });
    storeBits();
  });
  f.giveUpIf(f.abnormal(head, significand));

  const exponent = f.i32();
  f.if(w("lt_u", $(format), n(Format.extended)), () => {
    f.giveUpIf(w("and", $(word), n(rounding)));
    const round = (double: boolean): void => {
      const [drop, base, most, shift] = double ? ([11, 15360, 2044, 52] as const) : ([40, 16256, 252, 23] as const);
      f.set(exponent, w("sub", f.exponent(head), n(base)));
      f.giveUpIf(w("gt_u", w("sub", $(exponent), n(1)), n(most)));
      f.set(tail, q("shl", $(significand), l(64 - drop)));
      f.set(value, q("shr_u", $(significand), l(drop)));
      roundUp(f, tail, value, bits, n(1));
      // The integer bit and a carry add to the exponent field.
      const field = q("shl", f.long(w("sub", $(exponent), n(1))), l(shift));
      f.set(value, q("add", field, $(value)));
      const sign = q("shl", f.long(w("and", $(head), n(0x8000))), l(double ? 48 : 16));
      f.set(value, q("or", $(value), sign));
    };
    f.if(
      isDouble,
      () => round(true),
      () => round(false),
    );
    storeBits();
  });

  // Integers, to nearest or towards zero.
  const nearest = f.i32();
  const mode = w("and", $(word), n(rounding));
  f.set(nearest, n(0));
  f.if(w("lt_u", $(format), n(Format.decimal)), () => {
    f.giveUpIf(w("and", q("ne", f.long(mode), l(0)), w("ne", mode, n(rounding))));
    f.set(nearest, f.one(op["i32.eqz"], mode));
  });
  f.set(exponent, w("sub", f.exponent(head), n(16383)));
  // Below the sign bit of the format.
  f.giveUpIf(w("lt_s", w("sub", w("shl", $(bytes), n(3)), n(2)), $(exponent)));
  f.set(value, l(0));
  f.set(tail, l(1));
  f.if(w("lt_s", n(-1), $(exponent)), () => {
    f.set(value, q("shr_u", $(significand), f.long(w("sub", n(63), $(exponent)))));
    f.set(tail, q("shl", q("shl", $(significand), f.long($(exponent))), l(1)));
  });
  f.if(w("eq", $(exponent), n(-1)), () => f.set(tail, $(significand)));
  roundUp(f, tail, value, bits, $(nearest));
  // Rounded up to the sign bit.
  f.giveUpIf(q("ne", q("shr_u", $(value), f.long(w("sub", w("shl", $(bytes), n(3)), n(1)))), l(0)));
  f.if(w("and", $(head), n(0x8000)), () => f.set(value, q("sub", l(0), $(value))));
  storeBits();
}

/** Rounds `value` up when `tail`, what lies below it, and the mode say so; notes status bits. */
function roundUp(f: Writer, tail: number, value: number, bits: number, nearest: Expression): void {
  const { $, n, l, w, q } = f;
  f.set(bits, n(0));
  f.if(q("ne", $(tail), l(0)), () => {
    f.set(bits, n(inexact));
    const odd = q("ne", q("or", q("shl", $(tail), l(1)), q("and", $(value), l(1))), l(0));
    f.if(w("and", w("and", q("lt_s", $(tail), l(0)), odd), nearest), () => {
      f.set(bits, n(inexact | c1));
      f.set(value, q("add", $(value), l(1)));
    });
  });
}

function writeCompare(f: Writer): void {
  const { $, n, l, w, q } = f;
  const word = f.begin(summary, 0);
  const [request, ha, hb, kind, order, sa, sb] = [f.i32(), f.i32(), f.i32(), f.i32(), f.i32(), f.i32(), f.i32()];
  const [a, b, bits] = [f.i64(), f.i64(), f.i64()];
  f.set(request, f.request());
  const first = f.place(word, n(0));
  f.giveUpIf(f.empty(first));
  f.set(a, f.significand(first));
  f.set(ha, f.head(first));
  const unusual = (head: number, value: number) =>
    w("and", f.abnormal(head, value), f.one(op["i32.eqz"], f.zeroNumber(head, value)));
  f.giveUpIf(unusual(ha, a));
  f.if(f.one(op["i32.eqz"], w("and", $(request), n(Compare.zero))), () => {
    f.set(kind, f.load(op["i32.load"], n(0), scratch + 16));
    f.if(
      w("eq", $(kind), n(Source.register)),
      () => {
        const second = f.place(word, $(request));
        f.giveUpIf(f.empty(second));
        f.set(b, f.significand(second));
        f.set(hb, f.head(second));
        f.giveUpIf(unusual(hb, b));
      },
      () => {
        f.giveUpIf(w("gt_u", $(kind), n(Source.double)));
        f.set(bits, f.operand());
        f.if(
          w("eq", $(kind), n(Source.double)),
          () => f.if(q("ne", q("shl", $(bits), l(1)), l(0)), () => unpack(f, true, bits, hb, b)),
          () => f.if(q("ne", q("shl", $(bits), l(33)), l(0)), () => unpack(f, false, bits, hb, b)),
        );
      },
    );
  });
  // 0 for zero, else 1 or -1.
  const sign = (head: number, value: number) =>
    f.choose(f.zero($(value)), n(0), w("sub", n(1), w("shr_u", w("and", $(head), n(0x8000)), n(14))));
  f.set(sa, sign(ha, a));
  f.set(sb, sign(hb, b));
  f.set(order, w("sub", $(sa), $(sb)));
  f.if(f.one(op["i32.eqz"], $(order)), () => {
    f.set(order, w("sub", f.exponent(ha), f.exponent(hb)));
    f.if(f.one(op["i32.eqz"], $(order)), () => f.set(order, w("sub", q("gt_u", $(a), $(b)), q("lt_u", $(a), $(b)))));
    f.set(order, w("mul", $(order), $(sa)));
  });
  const less = w("lt_s", $(order), n(0));
  const equal = f.one(op["i32.eqz"], $(order));
  const result = f.i32();
  f.if(
    w("and", $(request), n(Compare.flags)),
    () => f.store(op["i64.store"], n(0), scratch + 24, f.long(w("or", less, w("shl", equal, n(6))))),
    () => {
      f.set(result, w("or", w("shl", less, n(24)), w("shl", equal, n(30))));
      f.set(word, w("and", $(word), n(~codes)));
    },
  );
  f.if(w("and", $(request), n(Compare.pops)), () => f.pop(word));
  f.if(w("eq", w("and", $(request), n(Compare.popsTwice)), n(Compare.popsTwice)), () => f.pop(word));
  f.done(word, $(result), 0);
}

function writeDuplicate(f: Writer): void {
  const word = f.begin(summary, 0);
  const from = f.place(word, f.request());
  const at = f.place(word, f.n(7));
  f.giveUpIf(f.w("or", f.empty(from), f.one(op["i32.eqz"], f.empty(at))));
  f.write(at, f.head(from), f.significand(from));
  f.setTag(at, false);
  f.turn(word, -1);
  f.done(word);
}

function writeStoreRegister(f: Writer): void {
  const word = f.begin(summary, 0);
  const from = f.place(word, f.n(0));
  f.giveUpIf(f.empty(from));
  const at = f.place(word, f.request());
  f.write(at, f.head(from), f.significand(from));
  f.setTag(at, false);
  f.if(f.w("and", f.request(), f.n(storePop)), () => f.pop(word));
  f.done(word);
}

function writeExchange(f: Writer): void {
  const word = f.begin(summary, 0);
  const from = f.place(word, f.n(0));
  const to = f.place(word, f.request());
  f.giveUpIf(f.w("or", f.empty(from), f.empty(to)));
  const [head, value] = [f.i32(), f.i64()];
  f.set(head, f.head(from));
  f.set(value, f.significand(from));
  f.write(from, f.head(to), f.significand(to));
  f.write(to, f.$(head), f.$(value));
  f.done(word);
}

/** FCHS and FABS. */
function writeUnary(f: Writer): void {
  const { n, w } = f;
  const word = f.begin(summary, 0);
  f.giveUpIf(w("gt_u", f.request(), n(Unary.abs)));
  const at = f.place(word, n(0));
  f.giveUpIf(f.empty(at));
  const head = f.choose(f.request(), w("and", f.head(at), n(0x7fff)), w("xor", f.head(at), n(0x8000)));
  f.store(op["i32.store16"], f.$(at), registers + 8, head);
  f.done(word);
}

/** FLD1 and FLDZ. */
function writeConstant(f: Writer): void {
  const { n, l, w } = f;
  const word = f.begin(summary, 0);
  const at = f.place(word, n(7));
  const other = w("and", w("ne", f.request(), n(0)), w("ne", f.request(), n(6)));
  f.giveUpIf(w("or", other, f.one(op["i32.eqz"], f.empty(at))));
  f.write(at, f.choose(f.request(), n(0), n(0x3fff)), f.choose(f.request(), l(0), l(...least)));
  f.setTag(at, false);
  f.turn(word, -1);
  f.done(word);
}

/** FLDCW that makes no exception pending. */
function writeSetControl(f: Writer): void {
  const { $, n, w } = f;
  const word = f.begin(summary, 0);
  const value = f.i32();
  f.set(value, w("or", w("and", f.request(), n(0x1f3f)), n(0x40)));
  const unmasked = w("and", w("shr_u", $(word), n(16)), w("xor", $(value), n(-1)));
  f.giveUpIf(w("and", unmasked, n(masks)));
  f.set(word, w("or", w("and", $(word), n(~0xffff)), $(value)));
  f.done(word, n(0), 0);
}
