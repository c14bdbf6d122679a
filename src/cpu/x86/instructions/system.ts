// Flags, segments, identification, hints, and what only a kernel may do.

import { arithmeticFlags, Flag } from "../../ir/flags.ts";
import { offsets, Register, Vector } from "../../state.ts";
import { Condition, type Lift, type Operand, type Size, type Value } from "../lift.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { push } from "./data.ts";

/** EFLAGS bits kept in `otherFlags`: TF, NT, AC, ID. */
const otherFlags = 0x100 | 0x4000 | 0x40000 | 0x200000;
/** Bits that read as set in user mode: bit 1 and IF. */
const fixedFlags = 0x202;

/** EFLAGS as an i32. */
export function packFlags(ir: Lift): Value {
  const direction = ir.shl(2, ir.stateLoad(2, offsets.direction), ir.i32(10));
  const other = ir.or(2, ir.stateLoad(2, offsets.otherFlags), ir.i32(fixedFlags));
  return ir.or(2, ir.or(2, ir.getFlagBits(), direction), other);
}

const popFlags: LiftRow = (ir) => {
  const top = ir.getWord(Register.rsp);
  const value = ir.load(ir.size, top);
  const bits = ir.resize(ir.size, 2, value);
  ir.setWord(Register.rsp, ir.offset(top, 1 << ir.size));
  ir.setFlagBits(ir.and(2, bits, ir.i32(arithmeticFlags)));
  ir.stateStore(2, offsets.direction, ir.and(2, ir.shrU(2, bits, ir.i32(10)), ir.i32(1)));
  let other = ir.and(2, bits, ir.i32(otherFlags));
  if (ir.size === 1)
    other = ir.or(2, other, ir.and(2, ir.stateLoad(2, offsets.otherFlags), ir.i32(otherFlags & ~0xffff)));
  ir.stateStore(2, offsets.otherFlags, other);
};

const byteFlags = Flag.carry | Flag.parity | Flag.adjust | Flag.zero | Flag.sign;

const loadFlagsToAh: LiftRow = (ir) => {
  const bits = ir.or(2, ir.and(2, ir.getFlagBits(), ir.i32(byteFlags)), ir.i32(2));
  ir.op("set8h", bits, undefined, undefined, 0);
};

const storeAhToFlags: LiftRow = (ir) => ir.mergeFlags(byteFlags, ir.and(2, ir.op("get8h"), ir.i32(byteFlags)));

const setDirection =
  (value: number): LiftRow =>
  (ir) =>
    ir.stateStore(2, offsets.direction, ir.i32(value));

const selectorOffset = (segment: number): number => offsets.selectors + 2 * segment;

const moveFromSegment: LiftRow = (ir, to, from) => {
  if (from.number > 5) return ir.trap(Vector.invalidOpcode);
  const selector = ir.stateLoad(1, selectorOffset(from.number));
  ir.write(to, to.kind === "register" ? ir.resize(2, to.size, selector) : selector);
};

/** Loads a segment register with an i32 selector: the surroundings say what it names. */
function loadSegment(ir: Lift, segment: number, selector: Value): void {
  ir.callout("loadSegment", ir.i64(segment), ir.resize(2, 3, ir.trim(1, selector)));
}

const moveToSegment: LiftRow = (ir, to, from) => {
  if (to.number > 5 || to.number === 1) return ir.trap(Vector.invalidOpcode);
  loadSegment(ir, to.number, ir.resize(from.size, 2, ir.read(from)));
};

const pushSegment =
  (segment: number): LiftRow =>
  (ir) =>
    push(ir, ir.size, ir.resize(2, ir.size, ir.stateLoad(1, selectorOffset(segment))));

const popSegment =
  (segment: number): LiftRow =>
  (ir) => {
    const top = ir.getWord(Register.rsp);
    loadSegment(ir, segment, ir.load(1, top));
    ir.setWord(Register.rsp, ir.offset(top, 1 << ir.size));
  };

/** LDS and its kin: an offset and a selector from memory. */
const loadPointer =
  (segment: number): LiftRow =>
  (ir, to) => {
    const at = ir.address();
    const value = ir.load(ir.size, at);
    loadSegment(ir, segment, ir.load(1, ir.offset(at, 1 << ir.size)));
    ir.write(to, value);
  };

const segmentBase =
  (offset: number, write: boolean): LiftRow =>
  (ir, operand: Operand) => {
    const size: Size = operand.size;
    if (write) ir.stateStore(3, offset, ir.resize(size, 3, ir.read(operand)));
    else ir.write(operand, ir.stateLoad(size, offset));
  };

/** ARPL: raises the requested privilege level of a selector. */
const adjustPrivilege: LiftRow = (ir, to, from) => {
  const selector = ir.read(to);
  const level = ir.and(2, ir.read(from), ir.i32(3));
  const lower = ir.binary("lt_u", 2, ir.and(2, selector, ir.i32(3)), level);
  const raised = ir.or(2, ir.and(2, selector, ir.i32(0xfffc)), level);
  ir.write(to, ir.select(2, lower, raised, selector));
  ir.mergeFlags(Flag.zero, ir.shl(2, lower, ir.i32(6)));
};

const timestamp =
  (withProcessor: boolean): LiftRow =>
  (ir) => {
    const now = ir.callout("timestamp");
    ir.set(2, Register.rax, ir.resize(3, 2, now));
    ir.set(2, Register.rdx, ir.resize(3, 2, ir.shrU(3, now, ir.i64(32))));
    if (withProcessor) ir.set(2, Register.rcx, ir.i32(0));
  };

const nothing: LiftRow = () => {};
const refuse: LiftRow = (ir) => ir.trap(Vector.generalProtection);
const privileged = { untested: "privileged" } as const;
const machine = { untested: "depends on the machine" } as const;
const segments = { untested: "segments" } as const;
const stack = { size: "stack" } as const;

const refusing = (rows: readonly (readonly [string, string])[], kinds: readonly string[], options = {}): Row[] =>
  rows.map(([notation, name]) => ins(notation, name, kinds, refuse, options));

/** Rows that fault with #GP in user mode. */
const refused: readonly Row[] = [
  ...refusing(
    [
      ["F4", "hlt"],
      ["FA", "cli"],
      ["FB", "sti"],
      ["6C", "ins"],
      ["6D", "ins"],
      ["6E", "outs"],
      ["6F", "outs"],
      ["EC", "in"],
      ["ED", "in"],
      ["EE", "out"],
      ["EF", "out"],
      ["E4 ib", "in"],
      ["E5 ib", "in"],
      ["E6 ib", "out"],
      ["E7 ib", "out"],
      ["0F 06", "clts"],
      ["0F 08", "invd"],
      ["0F 09", "wbinvd"],
      ["0F 30", "wrmsr"],
      ["0F 32", "rdmsr"],
      ["0F 33", "rdpmc"],
      ["0F 00 /2", "lldt"],
      ["0F 00 /3", "ltr"],
      ["0F 01 /6", "lmsw"],
    ],
    [],
  ),
  ...refusing(
    [
      ["0F 20 /r", "mov from control"],
      ["0F 21 /r", "mov from debug"],
      ["0F 22 /r", "mov to control"],
      ["0F 23 /r", "mov to debug"],
      ["0F 07", "sysret"],
      ["0F 35", "sysexit"],
      ["0F 01 F8", "swapgs"],
    ],
    [],
    { untested: "the reserved forms differ among processors" },
  ),
  ...refusing(
    [
      ["0F 01 /2", "lgdt"],
      ["0F 01 /3", "lidt"],
      ["0F 01 /7", "invlpg"],
    ],
    ["m"],
  ),
  // Refused by processors with UMIP; Linux then pretends.
  ...refusing(
    [
      ["0F 00 /0", "sldt"],
      ["0F 00 /1", "str"],
      ["0F 01 /4", "smsw"],
    ],
    [],
    privileged,
  ),
  ...refusing(
    [
      ["0F 01 /0", "sgdt"],
      ["0F 01 /1", "sidt"],
    ],
    ["m"],
    privileged,
  ),
];

/** NOP and hints: some have a ModRM operand that is not accessed. */
const hints: readonly Row[] = [
  // A REX.B does not make it an exchange with r8.
  ins("F3 90", "pause", [], nothing),
  ...["18", "19", "1A", "1B", "1C", "1D", "1E", "1F"].map((opcode) => ins(`0F ${opcode} /r`, "nop", ["rm"], nothing)),
  ins("0F 0D /r", "prefetchw", ["m"], nothing),
  ins("NP 0F AE /7", "clflush", ["m8"], (ir, at) => void ir.read(at)),
  ins("NP 0F AE E8", "lfence", [], nothing),
  ins("NP 0F AE F0", "mfence", [], nothing),
  ins("NP 0F AE F8", "sfence", [], nothing),
];

export const systemRows: readonly Row[] = [
  ...refused,
  ...hints,
  ins("9C", "pushf", [], (ir) => push(ir, ir.size, ir.resize(2, ir.size, packFlags(ir))), stack),
  ins("9D", "popf", [], popFlags, stack),
  ins("9F", "lahf", [], loadFlagsToAh),
  ins("9E", "sahf", [], storeAhToFlags),
  ins("F5", "cmc", [], (ir) => ir.mergeFlags(Flag.carry, ir.xor(2, ir.test(Condition.carry), ir.i32(1)))),
  ins("F8", "clc", [], (ir) => ir.mergeFlags(Flag.carry, ir.i32(0))),
  ins("F9", "stc", [], (ir) => ir.mergeFlags(Flag.carry, ir.i32(1))),
  ins("FC", "cld", [], setDirection(0)),
  ins("FD", "std", [], setDirection(1)),
  ins("D6", "salc", [], (ir) => ir.set(0, Register.rax, ir.sub(2, ir.i32(0), ir.test(Condition.carry))), { mode: 32 }),
  ins("63 /r", "arpl", ["rm16", "r16"], adjustPrivilege, { mode: 32 }),

  ins("8C /r", "mov", ["r/m16", "sreg"], moveFromSegment, segments),
  ins("8E /r", "mov", ["sreg", "r/m16"], moveToSegment, segments),
  ...(["es", "cs", "ss", "ds"] as const).flatMap((name, i) => [
    ins(`${(6 | (i << 3)).toString(16).toUpperCase().padStart(2, "0")}`, `push ${name}`, [], pushSegment(i), {
      ...stack,
      ...segments,
      mode: 32,
    }),
    ...(i === 1
      ? []
      : [
          ins(`${(7 | (i << 3)).toString(16).toUpperCase().padStart(2, "0")}`, `pop ${name}`, [], popSegment(i), {
            ...stack,
            ...segments,
            mode: 32,
          }),
        ]),
  ]),
  ins("0F A0", "push fs", [], pushSegment(4), { ...stack, ...segments }),
  ins("0F A1", "pop fs", [], popSegment(4), { ...stack, ...segments }),
  ins("0F A8", "push gs", [], pushSegment(5), { ...stack, ...segments }),
  ins("0F A9", "pop gs", [], popSegment(5), { ...stack, ...segments }),
  ins("C4 /r", "les", ["r", "m"], loadPointer(0), { ...segments, mode: 32 }),
  ins("C5 /r", "lds", ["r", "m"], loadPointer(3), { ...segments, mode: 32 }),
  ins("0F B2 /r", "lss", ["r", "m"], loadPointer(2), segments),
  ins("0F B4 /r", "lfs", ["r", "m"], loadPointer(4), segments),
  ins("0F B5 /r", "lgs", ["r", "m"], loadPointer(5), segments),
  ins("F3 0F AE /0", "rdfsbase", ["ry:rm"], segmentBase(offsets.fsBase, false), { ...segments, mode: 64 }),
  ins("F3 0F AE /1", "rdgsbase", ["ry:rm"], segmentBase(offsets.gsBase, false), { ...segments, mode: 64 }),
  ins("F3 0F AE /2", "wrfsbase", ["ry:rm"], segmentBase(offsets.fsBase, true), { ...segments, mode: 64 }),
  ins("F3 0F AE /3", "wrgsbase", ["ry:rm"], segmentBase(offsets.gsBase, true), { ...segments, mode: 64 }),

  ins("0F A2", "cpuid", [], (ir) => void ir.callout("cpuid"), machine),
  ins("0F 31", "rdtsc", [], timestamp(false), machine),
  ins("0F 01 F9", "rdtscp", [], timestamp(true), machine),
];
