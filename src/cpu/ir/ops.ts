// The operations of the intermediate representation: one row each. Names and semantics follow WebAssembly wherever
// WebAssembly has the operation (WebAssembly Core Specification 2.0), so a row with `wasm` is emitted as that opcode.

/** Type of an IR value. `word` is the guest's address width: i64 in 64-bit mode, i32 in 32-bit mode. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128" | "word" | "none";

/** How an operation may be moved or dropped. A `terminator` ends its block; `pure` may be dropped when unused. */
export type Effect = "pure" | "reads" | "writes" | "faults" | "terminator";

export interface OpRow {
  readonly name: string;
  readonly result: ValueType;
  /** Types of the value operands, at most three. */
  readonly args: readonly ValueType[];
  readonly effect: Effect;
  /** The WebAssembly opcode when the operation is exactly that instruction; SIMD opcodes are 0xfd00 + number. */
  readonly wasm?: number;
  /** What the 16-bit immediate means, when there is one. */
  readonly immediate?: string;
}

const letters: Record<string, ValueType> = { i: "i32", l: "i64", f: "f32", d: "f64", v: "v128", w: "word", _: "none" };

/** `signature` is result then arguments, one letter each: "ill" is (i64, i64) -> i32. */
function row(signature: string, effect: Effect, rest: { wasm?: number; immediate?: string } = {}): Omit<OpRow, "name"> {
  const [result, ...args] = [...signature].map((letter) => letters[letter]!);
  return { result: result!, args, effect, ...rest };
}

const wasm = (opcode: number, signature: string) => row(signature, "pure", { wasm: opcode });
const simd = (opcode: number, signature: string) => wasm(0xfd00 + opcode, signature);
const lane = (opcode: number, signature: string) =>
  row(signature, "pure", { wasm: 0xfd00 + opcode, immediate: "lane number" });

/** A family of WebAssembly opcodes that follow one another and share a signature. */
function run<const Names extends readonly string[]>(prefix: string, first: number, signature: string, names: Names) {
  return Object.fromEntries(names.map((name, i) => [`${prefix}.${name}`, wasm(first + i, signature)]));
}

const rows: Record<string, Omit<OpRow, "name">> = {
  // Constants. The operand words hold the value: i32 in a; i64 in a (low) and b (high); v128 is 4 words in the pool,
  // a = index of its first word in the block's pool.
  "i32.const": row("i", "pure"),
  "i64.const": row("l", "pure"),
  "f64.const": row("d", "pure"),
  "v128.const": row("v", "pure"),

  // Guest general registers; the immediate is the register number 0-15. get8h/set8h are AH CH DH BH (immediate 0-3).
  // Narrow reads zero-extend. set32 zero-extends into the full register in 64-bit mode; set8/set16 keep the rest.
  get8: row("i", "reads", { immediate: "register" }),
  get8h: row("i", "reads", { immediate: "register" }),
  get16: row("i", "reads", { immediate: "register" }),
  get32: row("i", "reads", { immediate: "register" }),
  get64: row("l", "reads", { immediate: "register" }),
  set8: row("_i", "writes", { immediate: "register" }),
  set8h: row("_i", "writes", { immediate: "register" }),
  set16: row("_i", "writes", { immediate: "register" }),
  set32: row("_i", "writes", { immediate: "register" }),
  set64: row("_l", "writes", { immediate: "register" }),
  // Vector registers XMM0-15.
  getx: row("v", "reads", { immediate: "register" }),
  setx: row("_v", "writes", { immediate: "register" }),
  // Other fields of the CPU state (segment bases, x87, MMX, MXCSR, DF): the immediate is the byte offset in cpu/state.ts.
  "state.load8": row("i", "reads", { immediate: "offset" }),
  "state.load16": row("i", "reads", { immediate: "offset" }),
  "state.load32": row("i", "reads", { immediate: "offset" }),
  "state.load64": row("l", "reads", { immediate: "offset" }),
  "state.loadf64": row("d", "reads", { immediate: "offset" }),
  "state.store8": row("_i", "writes", { immediate: "offset" }),
  "state.store16": row("_i", "writes", { immediate: "offset" }),
  "state.store32": row("_i", "writes", { immediate: "offset" }),
  "state.store64": row("_l", "writes", { immediate: "offset" }),
  "state.storef64": row("_d", "writes", { immediate: "offset" }),

  // Guest memory: the address is checked against the page table; a refused access faults at the current instruction
  // with nothing changed. Little-endian, any alignment.
  load8: row("iw", "faults"),
  load16: row("iw", "faults"),
  load32: row("iw", "faults"),
  load64: row("lw", "faults"),
  loadf32: row("fw", "faults"),
  loadf64: row("dw", "faults"),
  load128: row("vw", "faults"),
  // The low 4 or 8 bytes of a vector whose rest is zero: v128.load32_zero, v128.load64_zero (MOVSS, MOVSD, MOVD, MOVQ).
  load32_zero: row("vw", "faults"),
  load64_zero: row("vw", "faults"),
  store8: row("_wi", "faults"),
  store16: row("_wi", "faults"),
  store32: row("_wi", "faults"),
  store64: row("_wl", "faults"),
  storef32: row("_wf", "faults"),
  storef64: row("_wd", "faults"),
  store128: row("_wv", "faults"),
  // Checks that `bytes` (immediate) at the address may be written, without writing: for read-modify-write of several
  // places, so that nothing is half done when the second faults.
  probeWrite: row("_w", "faults", { immediate: "bytes" }),

  // Lazy flags (cpu/ir/flags.ts): what set the arithmetic flags last, and its operands. The immediate of set is a
  // FlagKind | size << 8. Unused operands repeat the first. cc.bits computes EFLAGS bits (CF PF AF ZF SF OF) from
  // operands alone, cc.get from the current state; cc.test evaluates condition code 0-15 (tttn of the opcode).
  "cc.set32": row("_iii", "writes", { immediate: "kind" }),
  "cc.set64": row("_lll", "writes", { immediate: "kind" }),
  "cc.bits32": row("iiii", "pure", { immediate: "kind" }),
  "cc.bits64": row("illl", "pure", { immediate: "kind" }),
  "cc.get": row("i", "reads"),
  "cc.test": row("i", "reads", { immediate: "condition" }),

  // Faults and services. trapif: when the condition is not zero, the current instruction faults with the vector
  // (cpu/state.ts Vector) and nothing of it has happened.
  trapif: row("_i", "faults", { immediate: "vector" }),
  // Runs callout number `immediate` (cpu/callouts.ts) with all guest state in memory; it may read and write any
  // register and guest memory, and may fault. Absent operands are -1.
  callout: row("llll", "faults", { immediate: "callout" }),

  // Ends of a block. Program counters are the low 32 bits; the block holds the high half.
  // jump a=target. branch a=condition value b=taken c=fallthrough. call a=target b=return address (the push is
  // explicit, before it; return address is a hint). *Indirect and ret take the target as value a; callIndirect has
  // b=return address. exit: immediate is an ExitKind, a=address to resume at, b=detail.
  jump: row("_", "terminator"),
  branch: row("_i", "terminator"),
  call: row("_", "terminator"),
  jumpIndirect: row("_w", "terminator"),
  callIndirect: row("_w", "terminator"),
  ret: row("_w", "terminator"),
  exit: row("_", "terminator", { immediate: "exit kind" }),

  // Choice: a ? b : c with a the i32 condition.
  "i32.select": row("iiii", "pure"),
  "i64.select": row("lill", "pure"),
  "f32.select": row("fiff", "pure"),
  "f64.select": row("didd", "pure"),
  "v128.select": row("vivv", "pure"),

  // 64-bit arithmetic that WebAssembly lacks: high half of a product; 128-by-64 division (high, low, divisor) whose
  // divisor is not 0 and whose quotient is known to fit (guard with trapif).
  "i64.mulhi_u": row("lll", "pure"),
  "i64.mulhi_s": row("lll", "pure"),
  "i64.div128_u": row("llll", "pure"),
  "i64.rem128_u": row("llll", "pure"),
  "i64.div128_s": row("llll", "pure"),
  "i64.rem128_s": row("llll", "pure"),
  // i8x16.shuffle with its 16 lane numbers in the block's pool: c = index of the first of 4 pool words.
  "i8x16.shuffle": row("vvv", "pure", { wasm: 0xfd00 + 13 }),

  "i32.eqz": wasm(0x45, "ii"),
  ...run("i32", 0x46, "iii", ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
  "i64.eqz": wasm(0x50, "il"),
  ...run("i64", 0x51, "ill", ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
  ...run("f32", 0x5b, "iff", ["eq", "ne", "lt", "gt", "le", "ge"]),
  ...run("f64", 0x61, "idd", ["eq", "ne", "lt", "gt", "le", "ge"]),
  ...run("i32", 0x67, "ii", ["clz", "ctz", "popcnt"]),
  // Division traps in WebAssembly where x86 faults: guard with trapif first.
  ...run("i32", 0x6a, "iii", ["add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor"]),
  ...run("i32", 0x74, "iii", ["shl", "shr_s", "shr_u", "rotl", "rotr"]),
  ...run("i64", 0x79, "ll", ["clz", "ctz", "popcnt"]),
  ...run("i64", 0x7c, "lll", ["add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor"]),
  ...run("i64", 0x86, "lll", ["shl", "shr_s", "shr_u", "rotl", "rotr"]),
  ...run("f32", 0x8b, "ff", ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"]),
  ...run("f32", 0x92, "fff", ["add", "sub", "mul", "div", "min", "max", "copysign"]),
  ...run("f64", 0x99, "dd", ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"]),
  ...run("f64", 0xa0, "ddd", ["add", "sub", "mul", "div", "min", "max", "copysign"]),
  "i32.wrap_i64": wasm(0xa7, "il"),
  "i64.extend_i32_s": wasm(0xac, "li"),
  "i64.extend_i32_u": wasm(0xad, "li"),
  "f32.convert_i32_s": wasm(0xb2, "fi"),
  "f32.convert_i32_u": wasm(0xb3, "fi"),
  "f32.convert_i64_s": wasm(0xb4, "fl"),
  "f32.convert_i64_u": wasm(0xb5, "fl"),
  "f32.demote_f64": wasm(0xb6, "fd"),
  "f64.convert_i32_s": wasm(0xb7, "di"),
  "f64.convert_i32_u": wasm(0xb8, "di"),
  "f64.convert_i64_s": wasm(0xb9, "dl"),
  "f64.convert_i64_u": wasm(0xba, "dl"),
  "f64.promote_f32": wasm(0xbb, "df"),
  "i32.reinterpret_f32": wasm(0xbc, "if"),
  "i64.reinterpret_f64": wasm(0xbd, "ld"),
  "f32.reinterpret_i32": wasm(0xbe, "fi"),
  "f64.reinterpret_i64": wasm(0xbf, "dl"),
  "i32.extend8_s": wasm(0xc0, "ii"),
  "i32.extend16_s": wasm(0xc1, "ii"),
  "i64.extend8_s": wasm(0xc2, "ll"),
  "i64.extend16_s": wasm(0xc3, "ll"),
  "i64.extend32_s": wasm(0xc4, "ll"),
  "i32.trunc_sat_f32_s": wasm(0xfc00, "if"),
  "i32.trunc_sat_f32_u": wasm(0xfc01, "if"),
  "i32.trunc_sat_f64_s": wasm(0xfc02, "id"),
  "i32.trunc_sat_f64_u": wasm(0xfc03, "id"),
  "i64.trunc_sat_f32_s": wasm(0xfc04, "lf"),
  "i64.trunc_sat_f32_u": wasm(0xfc05, "lf"),
  "i64.trunc_sat_f64_s": wasm(0xfc06, "ld"),
  "i64.trunc_sat_f64_u": wasm(0xfc07, "ld"),

  "i8x16.swizzle": simd(14, "vvv"),
  "i8x16.splat": simd(15, "vi"),
  "i16x8.splat": simd(16, "vi"),
  "i32x4.splat": simd(17, "vi"),
  "i64x2.splat": simd(18, "vl"),
  "f32x4.splat": simd(19, "vf"),
  "f64x2.splat": simd(20, "vd"),
  "i8x16.extract_lane_s": lane(21, "iv"),
  "i8x16.extract_lane_u": lane(22, "iv"),
  "i8x16.replace_lane": lane(23, "vvi"),
  "i16x8.extract_lane_s": lane(24, "iv"),
  "i16x8.extract_lane_u": lane(25, "iv"),
  "i16x8.replace_lane": lane(26, "vvi"),
  "i32x4.extract_lane": lane(27, "iv"),
  "i32x4.replace_lane": lane(28, "vvi"),
  "i64x2.extract_lane": lane(29, "lv"),
  "i64x2.replace_lane": lane(30, "vvl"),
  "f32x4.extract_lane": lane(31, "fv"),
  "f32x4.replace_lane": lane(32, "vvf"),
  "f64x2.extract_lane": lane(33, "dv"),
  "f64x2.replace_lane": lane(34, "vvd"),
  ...run("i8x16", 0xfd00 + 35, "vvv", ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
  ...run("i16x8", 0xfd00 + 45, "vvv", ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
  ...run("i32x4", 0xfd00 + 55, "vvv", ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]),
  ...run("f32x4", 0xfd00 + 65, "vvv", ["eq", "ne", "lt", "gt", "le", "ge"]),
  ...run("f64x2", 0xfd00 + 71, "vvv", ["eq", "ne", "lt", "gt", "le", "ge"]),
  "v128.not": simd(77, "vv"),
  ...run("v128", 0xfd00 + 78, "vvv", ["and", "andnot", "or", "xor"]),
  "v128.bitselect": simd(82, "vvvv"),
  "v128.any_true": simd(83, "iv"),
  "f32x4.demote_f64x2_zero": simd(94, "vv"),
  "f64x2.promote_low_f32x4": simd(95, "vv"),
  ...run("i8x16", 0xfd00 + 96, "vv", ["abs", "neg", "popcnt"]),
  "i8x16.all_true": simd(99, "iv"),
  "i8x16.bitmask": simd(100, "iv"),
  "i8x16.narrow_i16x8_s": simd(101, "vvv"),
  "i8x16.narrow_i16x8_u": simd(102, "vvv"),
  ...run("f32x4", 0xfd00 + 103, "vv", ["ceil", "floor", "trunc", "nearest"]),
  "i8x16.shl": simd(107, "vvi"),
  "i8x16.shr_s": simd(108, "vvi"),
  "i8x16.shr_u": simd(109, "vvi"),
  ...run("i8x16", 0xfd00 + 110, "vvv", ["add", "add_sat_s", "add_sat_u", "sub", "sub_sat_s", "sub_sat_u"]),
  "f64x2.ceil": simd(116, "vv"),
  "f64x2.floor": simd(117, "vv"),
  ...run("i8x16", 0xfd00 + 118, "vvv", ["min_s", "min_u", "max_s", "max_u"]),
  "f64x2.trunc": simd(122, "vv"),
  "i8x16.avgr_u": simd(123, "vvv"),
  "i16x8.extadd_pairwise_i8x16_s": simd(124, "vv"),
  "i16x8.extadd_pairwise_i8x16_u": simd(125, "vv"),
  "i32x4.extadd_pairwise_i16x8_s": simd(126, "vv"),
  "i32x4.extadd_pairwise_i16x8_u": simd(127, "vv"),
  "i16x8.abs": simd(128, "vv"),
  "i16x8.neg": simd(129, "vv"),
  "i16x8.q15mulr_sat_s": simd(130, "vvv"),
  "i16x8.all_true": simd(131, "iv"),
  "i16x8.bitmask": simd(132, "iv"),
  "i16x8.narrow_i32x4_s": simd(133, "vvv"),
  "i16x8.narrow_i32x4_u": simd(134, "vvv"),
  ...run("i16x8", 0xfd00 + 135, "vv", [
    "extend_low_i8x16_s",
    "extend_high_i8x16_s",
    "extend_low_i8x16_u",
    "extend_high_i8x16_u",
  ]),
  "i16x8.shl": simd(139, "vvi"),
  "i16x8.shr_s": simd(140, "vvi"),
  "i16x8.shr_u": simd(141, "vvi"),
  ...run("i16x8", 0xfd00 + 142, "vvv", ["add", "add_sat_s", "add_sat_u", "sub", "sub_sat_s", "sub_sat_u"]),
  "f64x2.nearest": simd(148, "vv"),
  ...run("i16x8", 0xfd00 + 149, "vvv", ["mul", "min_s", "min_u", "max_s", "max_u"]),
  "i16x8.avgr_u": simd(155, "vvv"),
  ...run("i16x8", 0xfd00 + 156, "vvv", [
    "extmul_low_i8x16_s",
    "extmul_high_i8x16_s",
    "extmul_low_i8x16_u",
    "extmul_high_i8x16_u",
  ]),
  "i32x4.abs": simd(160, "vv"),
  "i32x4.neg": simd(161, "vv"),
  "i32x4.all_true": simd(163, "iv"),
  "i32x4.bitmask": simd(164, "iv"),
  ...run("i32x4", 0xfd00 + 167, "vv", [
    "extend_low_i16x8_s",
    "extend_high_i16x8_s",
    "extend_low_i16x8_u",
    "extend_high_i16x8_u",
  ]),
  "i32x4.shl": simd(171, "vvi"),
  "i32x4.shr_s": simd(172, "vvi"),
  "i32x4.shr_u": simd(173, "vvi"),
  "i32x4.add": simd(174, "vvv"),
  "i32x4.sub": simd(177, "vvv"),
  ...run("i32x4", 0xfd00 + 181, "vvv", ["mul", "min_s", "min_u", "max_s", "max_u", "dot_i16x8_s"]),
  ...run("i32x4", 0xfd00 + 188, "vvv", [
    "extmul_low_i16x8_s",
    "extmul_high_i16x8_s",
    "extmul_low_i16x8_u",
    "extmul_high_i16x8_u",
  ]),
  "i64x2.abs": simd(192, "vv"),
  "i64x2.neg": simd(193, "vv"),
  "i64x2.all_true": simd(195, "iv"),
  "i64x2.bitmask": simd(196, "iv"),
  ...run("i64x2", 0xfd00 + 199, "vv", [
    "extend_low_i32x4_s",
    "extend_high_i32x4_s",
    "extend_low_i32x4_u",
    "extend_high_i32x4_u",
  ]),
  "i64x2.shl": simd(203, "vvi"),
  "i64x2.shr_s": simd(204, "vvi"),
  "i64x2.shr_u": simd(205, "vvi"),
  "i64x2.add": simd(206, "vvv"),
  "i64x2.sub": simd(209, "vvv"),
  "i64x2.mul": simd(213, "vvv"),
  ...run("i64x2", 0xfd00 + 214, "vvv", ["eq", "ne", "lt_s", "gt_s", "le_s", "ge_s"]),
  ...run("i64x2", 0xfd00 + 220, "vvv", [
    "extmul_low_i32x4_s",
    "extmul_high_i32x4_s",
    "extmul_low_i32x4_u",
    "extmul_high_i32x4_u",
  ]),
  ...run("f32x4", 0xfd00 + 224, "vv", ["abs", "neg"]),
  "f32x4.sqrt": simd(227, "vv"),
  ...run("f32x4", 0xfd00 + 228, "vvv", ["add", "sub", "mul", "div", "min", "max", "pmin", "pmax"]),
  ...run("f64x2", 0xfd00 + 236, "vv", ["abs", "neg"]),
  "f64x2.sqrt": simd(239, "vv"),
  ...run("f64x2", 0xfd00 + 240, "vvv", ["add", "sub", "mul", "div", "min", "max", "pmin", "pmax"]),
  "i32x4.trunc_sat_f32x4_s": simd(248, "vv"),
  "i32x4.trunc_sat_f32x4_u": simd(249, "vv"),
  "f32x4.convert_i32x4_s": simd(250, "vv"),
  "f32x4.convert_i32x4_u": simd(251, "vv"),
  "i32x4.trunc_sat_f64x2_s_zero": simd(252, "vv"),
  "i32x4.trunc_sat_f64x2_u_zero": simd(253, "vv"),
  "f64x2.convert_low_i32x4_s": simd(254, "vv"),
  "f64x2.convert_low_i32x4_u": simd(255, "vv"),
};

/** Every operation, indexed by its number. */
export const opRows: readonly OpRow[] = Object.entries(rows).map(([name, rest]) => ({ name, ...rest }));

/** Number of the operation with this name; throws when there is none. */
export function opNumber(name: string): number {
  const number = numbers.get(name);
  if (number === undefined) throw new RangeError(`IR: no operation is named ${name}`);
  return number;
}
const numbers = new Map(opRows.map(({ name }, i) => [name, i]));
