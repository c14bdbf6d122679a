// The ordinary cases of the commonest x87 callouts as WebAssembly, where 64-bit significands are one value: operands that
// are normal numbers, results in range, the default control word. Everything else goes on to the callouts themselves.

import { Denied, layout } from "../../../memory/layout.ts";
import { ModuleBuilder } from "../../../wasm/module.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { calloutNumber, type CalloutName } from "../../callouts.ts";
import { Compare, Format, Source, storePop, Unary } from "./callouts.ts";
import { defineArithmetic, writeArithmetic, unpack, fromInteger } from "./sums.ts";
import {
  Writer,
  type Expression,
  registers,
  scratch,
  summary,
  c1,
  codes,
  inexact,
  masks,
  rounding,
  least,
} from "./writer.ts";

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
