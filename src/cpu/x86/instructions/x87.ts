// The x87 instructions. Each is one callout that does the whole instruction on the CPU state (../x87/callouts.ts); what is
// lifted is the access to memory, so that faults are precise, and the note of the instruction's address.

import { Arithmetic, Compare, Format, Source, storePop, storeQuietly, Unary } from "../x87/callouts.ts";
import { Save } from "../x87/environment.ts";
import { ExitKind, offsets, Vector } from "../../state.ts";
import { Condition, type Lift, type Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { mmxEnter, mmxWait } from "./vector.ts";

/** Notes the address of the last instruction that is not a control instruction (FIP). */
function note(ir: Lift): void {
  const { pc } = ir.current;
  ir.stateStore(3, offsets.x87Pc, ir.i64(pc | 0, Math.floor(pc / 0x1_0000_0000)));
}

/** A memory operand's address as i64. */
const addressOf = (ir: Lift): Value => ir.resize(ir.wordSize, 3, ir.address());

/** The callout's operand for a memory source, sign-extended from 16 bits. */
function loadSource(ir: Lift, source: number): Value {
  if (source === Source.double) return ir.load(3, ir.address());
  if (source === Source.word) return ir.resize(1, 3, ir.load(1, ir.address()), true);
  return ir.resize(2, 3, ir.load(2, ir.address()));
}

const digits = ["add", "mul", "com", "comp", "sub", "subr", "div", "divr"] as const;
const isCompare = (digit: number): boolean => digit === 2 || digit === 3;

/** Arithmetic or comparison of ST(0) with memory. */
const withMemory =
  (digit: number, source: number): LiftRow =>
  (ir) => {
    const value = loadSource(ir, source);
    if (isCompare(digit)) ir.callout("x87Compare", ir.i64(digit === 3 ? Compare.pops : 0), value, ir.i64(source));
    else ir.callout("x87Arithmetic", ir.i64(digit | (source << Arithmetic.sourceShift)), value);
    note(ir);
  };

/** Arithmetic of ST(0) and ST(i), into either. */
const withRegister =
  (digit: number, toStack: boolean, pops: boolean): LiftRow =>
  (ir, to, from) => {
    const i = (toStack ? to : from)!.number;
    const destination = toStack ? i : 0;
    ir.callout("x87Arithmetic", ir.i64(digit | (destination << 4) | (i << 8) | (pops ? Arithmetic.pop : 0)));
    note(ir);
  };

const compareWith =
  (request: number): LiftRow =>
  (ir, _st, from) => {
    const result = ir.callout("x87Compare", ir.i64(request | (from?.number ?? 1)), ir.i64(0), ir.i64(Source.register));
    if (request & Compare.flags) ir.setFlagBits(ir.resize(3, 2, result));
    note(ir);
  };

const load =
  (format: number): LiftRow =>
  (ir) => {
    const at = ir.address();
    const [low, high] = loadParts(ir, format, at);
    ir.callout("x87Load", ir.i64(format), low, high);
    note(ir);
  };

function loadParts(ir: Lift, format: number, at: Value): [Value, Value?] {
  switch (format) {
    case Format.single:
      return [ir.resize(2, 3, ir.load(2, at))];
    case Format.word:
      return [ir.resize(1, 3, ir.load(1, at), true)];
    case Format.dword:
      return [ir.resize(2, 3, ir.load(2, at), true)];
    case Format.extended:
    case Format.decimal:
      return [ir.load(3, at), ir.resize(1, 3, ir.load(1, ir.offset(at, 8)))];
    default:
      return [ir.load(3, at)];
  }
}

const store =
  (format: number, pops: boolean): LiftRow =>
  (ir) => {
    ir.callout("x87Store", ir.i64(format | (pops ? storePop : 0)), addressOf(ir));
    note(ir);
  };

const unary =
  (operation: number): LiftRow =>
  (ir) => {
    ir.callout("x87Unary", ir.i64(operation));
    note(ir);
  };

type RegisterCallout = "x87Duplicate" | "x87Exchange" | "x87StoreRegister";
const onRegister =
  (name: RegisterCallout, bits = 0): LiftRow =>
  (ir, to) => {
    ir.callout(name, ir.i64(to!.number | bits));
    note(ir);
  };

const simple =
  (name: "x87Constant" | "x87Extract" | "x87Pair" | "x87Examine" | "x87Stack", request = 0): LiftRow =>
  (ir) => {
    ir.callout(name, ir.i64(request));
    note(ir);
  };

/** FCMOVcc. */
const moves: readonly Row[] = [
  [0xda, 0xc0, "b", Condition.carry],
  [0xda, 0xc8, "e", Condition.zero],
  [0xda, 0xd0, "be", Condition.belowOrEqual],
  [0xda, 0xd8, "u", Condition.parity],
  [0xdb, 0xc0, "nb", Condition.carry | Condition.not],
  [0xdb, 0xc8, "ne", Condition.zero | Condition.not],
  [0xdb, 0xd0, "nbe", Condition.belowOrEqual | Condition.not],
  [0xdb, 0xd8, "nu", Condition.parity | Condition.not],
].map(([opcode, modrm, name, condition]) =>
  ins(`${hex(opcode as number)} ${hex(modrm as number)}+i`, `fcmov${name}`, ["st0", "st(i)"], (ir, _to, from) => {
    ir.callout("x87Move", ir.i64(from!.number), ir.resize(2, 3, ir.test(condition as number)));
    note(ir);
  }),
);

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}

const arithmeticRows: readonly Row[] = digits.flatMap((name, digit) => [
  ins(`D8 /${digit}`, `f${name}`, ["m32"], withMemory(digit, Source.single)),
  ins(`DC /${digit}`, `f${name}`, ["m64"], withMemory(digit, Source.double)),
  ins(`DA /${digit}`, `fi${name}`, ["m32"], withMemory(digit, Source.dword)),
  ins(`DE /${digit}`, `fi${name}`, ["m16"], withMemory(digit, Source.word)),
  ...(isCompare(digit)
    ? []
    : [
        ins(`D8 ${hex(0xc0 + digit * 8)}+i`, `f${name}`, ["st0", "st(i)"], withRegister(digit, false, false)),
        // The opcodes of the reversed forms are exchanged when ST(i) is the destination, so the digit says the same.
        ins(
          `DC ${hex(0xc0 + digit * 8)}+i`,
          `f${digits[digit < 4 ? digit : digit ^ 1]}`,
          ["st(i)", "st0"],
          withRegister(digit, true, false),
        ),
        ins(
          `DE ${hex(0xc0 + digit * 8)}+i`,
          `f${digits[digit < 4 ? digit : digit ^ 1]}p`,
          ["st(i)", "st0"],
          withRegister(digit, true, true),
        ),
      ]),
]);

const { pops, popsTwice, unordered, flags } = Compare;
const comparisonRows: readonly Row[] = [
  ins("D8 D0+i", "fcom", ["st0", "st(i)"], compareWith(0)),
  ins("DC D0+i", "fcom", ["st0", "st(i)"], compareWith(0)),
  ins("D8 D8+i", "fcomp", ["st0", "st(i)"], compareWith(pops)),
  ins("DC D8+i", "fcomp", ["st0", "st(i)"], compareWith(pops)),
  ins("DE D0+i", "fcomp", ["st0", "st(i)"], compareWith(pops)),
  ins("DE D9", "fcompp", [], compareWith(popsTwice)),
  ins("DD E0+i", "fucom", ["st0", "st(i)"], compareWith(unordered)),
  ins("DD E8+i", "fucomp", ["st0", "st(i)"], compareWith(unordered | pops)),
  ins("DA E9", "fucompp", [], compareWith(unordered | popsTwice)),
  ins("DB F0+i", "fcomi", ["st0", "st(i)"], compareWith(flags)),
  ins("DF F0+i", "fcomip", ["st0", "st(i)"], compareWith(flags | pops)),
  ins("DB E8+i", "fucomi", ["st0", "st(i)"], compareWith(flags | unordered)),
  ins("DF E8+i", "fucomip", ["st0", "st(i)"], compareWith(flags | unordered | pops)),
  ins("D9 E4", "ftst", [], compareWith(Compare.zero)),
  ins("D9 E5", "fxam", [], simple("x87Examine")),
];

const transferRows: readonly Row[] = [
  ins("D9 /0", "fld", ["m32"], load(Format.single)),
  ins("DD /0", "fld", ["m64"], load(Format.double)),
  ins("DB /5", "fld", ["m80"], load(Format.extended)),
  ins("DF /0", "fild", ["m16"], load(Format.word)),
  ins("DB /0", "fild", ["m32"], load(Format.dword)),
  ins("DF /5", "fild", ["m64"], load(Format.quad)),
  ins("DF /4", "fbld", ["m80"], load(Format.decimal)),
  ins("D9 /2", "fst", ["m32"], store(Format.single, false)),
  ins("D9 /3", "fstp", ["m32"], store(Format.single, true)),
  ins("DD /2", "fst", ["m64"], store(Format.double, false)),
  ins("DD /3", "fstp", ["m64"], store(Format.double, true)),
  ins("DB /7", "fstp", ["m80"], store(Format.extended, true)),
  ins("DF /2", "fist", ["m16"], store(Format.word, false)),
  ins("DF /3", "fistp", ["m16"], store(Format.word, true)),
  ins("DB /2", "fist", ["m32"], store(Format.dword, false)),
  ins("DB /3", "fistp", ["m32"], store(Format.dword, true)),
  ins("DF /7", "fistp", ["m64"], store(Format.quad, true)),
  ins("DF /1", "fisttp", ["m16"], store(Format.truncatedWord, true)),
  ins("DB /1", "fisttp", ["m32"], store(Format.truncatedDword, true)),
  ins("DD /1", "fisttp", ["m64"], store(Format.truncatedQuad, true)),
  ins("DF /6", "fbstp", ["m80"], store(Format.decimal, true)),
  ins("D9 C0+i", "fld", ["st(i)"], onRegister("x87Duplicate")),
  ins("DD D0+i", "fst", ["st(i)"], onRegister("x87StoreRegister")),
  ins("D9 D8+i", "fstp", ["st(i)"], onRegister("x87StoreRegister", storePop | storeQuietly)),
  ...["DD D8+i", "DF D0+i", "DF D8+i"].map((notation) =>
    ins(notation, "fstp", ["st(i)"], onRegister("x87StoreRegister", storePop)),
  ),
  ...["D9 C8+i", "DD C8+i", "DF C8+i"].map((notation) => ins(notation, "fxch", ["st(i)"], onRegister("x87Exchange"))),
  ...["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"].map((name, i) =>
    ins(`D9 ${hex(0xe8 + i)}`, name, [], simple("x87Constant", i)),
  ),
];

const transcendental = new Set<number>([Unary.f2xm1, Unary.yl2x, Unary.yl2xp1, Unary.patan, Unary.sin, Unary.cos]);
const approximate = { untested: "within one unit in the last place of the processor: softfloat/functions.test.ts" };

const unaryRows: readonly Row[] = (
  [
    ["E0", "fchs", Unary.chs],
    ["E1", "fabs", Unary.abs],
    ["F0", "f2xm1", Unary.f2xm1],
    ["F1", "fyl2x", Unary.yl2x],
    ["F3", "fpatan", Unary.patan],
    ["F5", "fprem1", Unary.prem1],
    ["F8", "fprem", Unary.prem],
    ["F9", "fyl2xp1", Unary.yl2xp1],
    ["FA", "fsqrt", Unary.sqrt],
    ["FC", "frndint", Unary.rint],
    ["FD", "fscale", Unary.scale],
    ["FE", "fsin", Unary.sin],
    ["FF", "fcos", Unary.cos],
  ] as const
).map(([modrm, name, operation]) =>
  ins(`D9 ${modrm}`, name, [], unary(operation), transcendental.has(operation) ? approximate : {}),
);

const short = (ir: Lift): number => (ir.size === 1 ? Save.short : 0);
const imageSize = (ir: Lift, registers: boolean): number => (ir.size === 1 ? 14 : 28) + (registers ? 80 : 0);
const save =
  (registers: boolean): LiftRow =>
  (ir) => {
    // The processor looks at both ends of the image first.
    const size = imageSize(ir, registers);
    ir.probeWrite(ir.address(), ir.size === 1 ? 2 : 4);
    ir.probeWrite(ir.offset(ir.address(), size - 1), 1);
    ir.callout("x87Save", ir.i64(short(ir) | (registers ? Save.registers : 0)), addressOf(ir));
  };
const restore =
  (registers: boolean): LiftRow =>
  (ir) => {
    // Both ends are read so that a fault is precise.
    ir.load(ir.size === 1 ? 1 : 2, ir.address());
    ir.load(0, ir.offset(ir.address(), imageSize(ir, registers) - 1));
    ir.callout("x87Restore", ir.i64(short(ir) | (registers ? Save.registers : 0)), addressOf(ir));
  };

const aligned = (ir: Lift): void =>
  ir.trapIf(ir.and(2, ir.fromWord(ir.address()), ir.i32(15)), Vector.generalProtection);
const fx = (ir: Lift): Value => ir.i64((ir.long ? Save.long : 0) | (ir.current.wide ? Save.wide : 0));

const controlRows: readonly Row[] = [
  ins("D9 /5", "fldcw", ["m16"], (ir) => void ir.callout("x87SetControl", ir.resize(1, 3, ir.load(1, ir.address())))),
  ins("D9 /7", "fnstcw", ["m16"], (ir) => ir.store(1, ir.address(), ir.stateLoad(1, offsets.x87Control))),
  ins("DD /7", "fnstsw", ["m16"], (ir) => ir.store(1, ir.address(), ir.stateLoad(1, offsets.x87Status))),
  ins("DF E0", "fnstsw", ["ax"], (ir, to) => ir.write(to!, ir.stateLoad(1, offsets.x87Status))),
  ins("9B", "fwait", [], (ir) => void ir.callout("x87Wait")),
  ins("DB E2", "fnclex", [], (ir) => void ir.callout("x87Clear")),
  ins("DB E3", "fninit", [], (ir) => void ir.callout("x87Initialize")),
  ...["E0", "E1", "E4"].map((modrm) => ins(`DB ${modrm}`, "fneni", [], () => {})),
  ins("D9 D0", "fnop", [], simple("x87Stack", 4)),
  ins("D9 F7", "fincstp", [], simple("x87Stack", 0)),
  ins("D9 F6", "fdecstp", [], simple("x87Stack", 1)),
  ins("DD C0+i", "ffree", ["st(i)"], (ir, to) => {
    ir.callout("x87Stack", ir.i64(2 | (to!.number << 4)));
    note(ir);
  }),
  ins("DF C0+i", "ffreep", ["st(i)"], (ir, to) => {
    ir.callout("x87Stack", ir.i64(3 | (to!.number << 4)));
    note(ir);
  }),
  ins("D9 /6", "fnstenv", ["m"], save(false)),
  ins("DD /6", "fnsave", ["m"], save(true)),
  ins("D9 /4", "fldenv", ["m"], restore(false)),
  ins("DD /4", "frstor", ["m"], restore(true)),
  ins("NP 0F 77", "emms", [], (ir) => {
    mmxWait(ir);
    mmxEnter(ir);
    ir.stateStore(1, offsets.x87Tags, ir.i32(0xffff));
  }),
  ins("NP 0F AE /0", "fxsave", ["m"], (ir) => {
    aligned(ir);
    ir.probeWrite(ir.offset(ir.address(), 511), 1);
    ir.probeWrite(ir.address(), 512);
    ir.callout("fxsave", fx(ir), addressOf(ir));
  }),
  ins("NP 0F AE /1", "fxrstor", ["m"], (ir) => {
    aligned(ir);
    ir.load(0, ir.offset(ir.address(), 511));
    ir.load(0, ir.address());
    ir.callout("fxrstor", fx(ir), addressOf(ir));
    ir.exit(ExitKind.untranslated, ir.next);
  }),
  ins("NP 0F AE /2", "ldmxcsr", ["m32"], (ir) => {
    ir.callout("loadMxcsr", ir.resize(2, 3, ir.load(2, ir.address())));
    // The code behind it may have to be translated another way.
    ir.exit(ExitKind.untranslated, ir.next);
  }),
  ins("NP 0F AE /3", "stmxcsr", ["m32"], (ir) => ir.store(2, ir.address(), ir.stateLoad(2, offsets.mxcsr))),
  ins("NP 0F C3 /r", "movnti", ["my", "ry"], (ir, to, from) => ir.write(to!, ir.read(from!))),
];

export const x87Rows: readonly Row[] = [
  ...arithmeticRows,
  ...comparisonRows,
  ...transferRows,
  ...unaryRows,
  ...moves,
  ins("D9 F4", "fxtract", [], simple("x87Extract")),
  ins("D9 F2", "fptan", [], simple("x87Pair", 0), approximate),
  ins("D9 FB", "fsincos", [], simple("x87Pair", 1), approximate),
  ...controlRows,
];
