// Code for elementwise expressions: four lanes at a time, or one.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes, integerRange } from "../hlo/dtype.ts";
import { is, type Operation } from "../hlo/graph.ts";
import type { Direction, OpName } from "../hlo/ops.ts";
import { eachInteger, eachLane, emitFunction, fixedProduct, type FunctionName } from "./functions.ts";
import type { Expression, KernelContext } from "./kernel.ts";
import { isFloatLane, isLaneType, isUnsigned, roundLanes, splatF32, splatI32 } from "./lanes.ts";

export type LeafExpression = Expression & { readonly kind: "accumulator" | "operand" };
type Apply = Expression & { readonly kind: "apply" };

/**
 * Pushes the value of a leaf: a v128 for four lanes, a scalar for one (f32 for all floats, i32 for integers and i1,
 * where it is 0 or 1). The table of a `lookup` is pushed as its address.
 */
export type Leaf = (leaf: LeafExpression) => void;

/** How an operation's lanes are made once its operands are on the stack. */
interface Rule {
  readonly accepts: (dtype: DType) => boolean;
  readonly emit: (code: Code, at: Apply, context: KernelContext) => void;
}

const float: Rule["accepts"] = isFloatLane;
const integer: Rule["accepts"] = (dtype) => !isFloatLane(dtype) && dtype !== "i1";
const number: Rule["accepts"] = (dtype) => dtype !== "i1";
const anyLanes: Rule["accepts"] = () => true;
/** f16 and bf16 are rounded when an operation is done; small integers are cut. */
const rule = (accepts: Rule["accepts"], emit: Rule["emit"]): Rule => ({ accepts, emit });
const plain = (accepts: Rule["accepts"], opcode: number) => rule(accepts, (code) => void code.op(opcode));
const function1 = (name: FunctionName) =>
  rule(float, (code, _, context) => {
    const x = code.local(type.v128);
    code.set(x);
    emitFunction(code, context, name, x);
  });
const math1 = (name: string) => rule(float, (code, _, context) => void code.call(eachLane(context, name, 1)));
const math2 = (name: string) => rule(float, (code, _, context) => void code.call(eachLane(context, name, 2)));
/** By the type of the operands: floats, integers, and i1 (as masks). */
const typed = (floats: number, integers: number, booleans?: number): Rule =>
  rule(booleans === undefined ? number : anyLanes, (code, at) => {
    const { dtype } = at.inputs[0]!;
    code.op(dtype === "i1" ? booleans! : isFloatLane(dtype) ? floats : integers);
  });

/** A constant that is a number: NaN has to reach results through the slower instructions. */
const isConstant = (expression: Expression | undefined): expression is Expression & { kind: "constant" } =>
  expression?.kind === "constant" && !Number.isNaN(expression.value);

/** Maximum or minimum. With a constant that is no NaN, the single instruction that keeps the other operand's NaN does. */
function extremum(which: "max" | "min"): Rule {
  return rule(anyLanes, (code, at) => {
    const { dtype } = at.inputs[0]!;
    if (dtype === "i1") code.op(which === "max" ? op["v128.or"] : op["v128.and"]);
    else if (!isFloatLane(dtype)) code.op(op[`i32x4.${which}_${isUnsigned(dtype) ? "u" : "s"}`]);
    else code.op(isConstant(at.inputs[1]) ? op[`f32x4.p${which}`] : op[`f32x4.${which}`]);
  });
}

/** A shift by amounts of its own in every lane: all bits are gone when the amount is the width or more. */
function shift(which: "shl" | "shr_s" | "shr_u"): Rule {
  return rule(integer, (code, at, context) => {
    const { dtype } = at.inputs[0]!;
    const { bits } = dtypes[dtype];
    const amount = at.inputs[1]!;
    // Logical shifts of signed small types work on their bits alone.
    const mask = which === "shr_u" && bits < 32 ? (1 << bits) - 1 : undefined;
    if (isConstant(amount)) {
      code.op(op.drop);
      if (mask !== undefined) splatI32(code, mask).op(op["v128.and"]);
      const by = Number(amount.value) >>> 0;
      if (by >= bits && which !== "shr_s") {
        code.op(op.drop);
        splatI32(code, 0);
      } else code.i32(Math.min(by, bits - 1)).op(op[`i32x4.${which}`]);
      return;
    }
    const index = eachInteger(context, `${which} ${bits}`, 2, (scalar, a, b) => {
      scalar.get(a);
      if (mask !== undefined) scalar.i32(mask).op(op["i32.and"]);
      scalar.get(b);
      if (which === "shr_s") {
        scalar
          .i32(bits - 1)
          .get(b)
          .i32(bits)
          .op(op["i32.lt_u"])
          .op(op.select)
          .op(op["i32.shr_s"]);
        return;
      }
      scalar.op(op[`i32.${which}`]).i32(0).get(b).i32(bits).op(op["i32.lt_u"]).op(op.select);
    });
    code.call(index);
  });
}

/** Integer quotient or remainder: by zero all ones and the dividend, as XLA has it; the smallest by -1 wraps. */
function quotient(which: "div" | "rem"): Rule["emit"] {
  return (code, at, context) => {
    const { dtype } = at.inputs[0]!;
    const sign = isUnsigned(dtype) ? "u" : "s";
    const index = eachInteger(context, `${which}_${sign}`, 2, (scalar, a, b) => {
      scalar.get(b).op(op["i32.eqz"]).if(type.i32);
      if (which === "div") scalar.i32(-1);
      else scalar.get(a);
      scalar.else();
      if (sign === "s") {
        scalar.get(b).i32(-1).op(op["i32.eq"]).if(type.i32);
        if (which === "div") scalar.i32(0).get(a).op(op["i32.sub"]);
        else scalar.i32(0);
        scalar.else().get(a).get(b).op(op[`i32.${which}_s`]).end();
      } else scalar.get(a).get(b).op(op[`i32.${which}_u`]);
      scalar.end();
    });
    code.call(index);
  };
}

const comparisons: Record<Direction, "eq" | "ne" | "lt" | "le" | "gt" | "ge"> = {
  EQ: "eq",
  NE: "ne",
  LT: "lt",
  LE: "le",
  GT: "gt",
  GE: "ge",
};

function emitCompare(code: Code, at: Apply): void {
  const operation = at.operation as Operation<"compare">;
  const which = comparisons[operation.attributes.direction];
  const { dtype } = at.inputs[0]!;
  if (isFloatLane(dtype)) {
    code.op(op[`f32x4.${which}`]);
    return;
  }
  if (which === "eq" || which === "ne") code.op(op[`i32x4.${which}`]);
  // Masks: true is -1, so that unsigned comparison has false below true.
  else code.op(op[`i32x4.${which}_${isUnsigned(dtype) ? "u" : "s"}`]);
}

/** Cuts i32 lanes to a smaller integer type. */
function wrap(code: Code, dtype: DType): void {
  const { bits } = dtypes[dtype];
  if (bits === 32) return;
  if (isUnsigned(dtype)) splatI32(code, (1 << bits) - 1).op(op["v128.and"]);
  else {
    code
      .i32(32 - bits)
      .op(op["i32x4.shl"])
      .i32(32 - bits)
      .op(op["i32x4.shr_s"]);
  }
}

function emitConvert(code: Code, at: Apply): void {
  const from = at.inputs[0]!.dtype;
  const to = at.dtype;
  if (to === "i1") {
    if (from === "i1") return;
    splatI32(code, 0).op(isFloatLane(from) ? op["f32x4.ne"] : op["i32x4.ne"]);
    return;
  }
  if (from === "i1") {
    if (isFloatLane(to)) splatF32(code, 1).op(op["v128.and"]);
    else splatI32(code, 1).op(op["v128.and"]);
    return;
  }
  if (isFloatLane(to)) {
    if (!isFloatLane(from)) code.op(op[`f32x4.convert_i32x4_${from === "u32" ? "u" : "s"}`]);
    roundLanes(code, to);
    return;
  }
  if (!isFloatLane(from)) {
    wrap(code, to);
    return;
  }
  // Saturates; NaN becomes 0.
  code.op(op[`i32x4.trunc_sat_f32x4_${to === "u32" ? "u" : "s"}`]);
  if (dtypes[to].bits === 32) return;
  const { min, max } = integerRange(to);
  splatI32(code, Number(min)).op(op["i32x4.max_s"]);
  splatI32(code, Number(max)).op(op["i32x4.min_s"]);
}

function emitSign(code: Code, at: Apply): void {
  const x = code.local(type.v128);
  code.set(x);
  if (isFloatLane(at.dtype)) {
    // The value itself where it is zero or NaN.
    splatF32(code, 1);
    code.get(x);
    splatI32(code, -0x80000000).op(op["v128.and"]).op(op["v128.or"]).get(x);
    code.get(x).op(op["f32x4.abs"]);
    splatF32(code, 0).op(op["f32x4.gt"]).op(op["v128.bitselect"]);
  } else {
    code
      .get(x)
      .i32(31)
      .op(isUnsigned(at.dtype) ? op["i32x4.shr_u"] : op["i32x4.shr_s"]);
    code.get(x);
    splatI32(code, 0).op(op["i32x4.ne"]);
    splatI32(code, 1).op(op["v128.and"]).op(op["v128.or"]);
    if (isUnsigned(at.dtype)) splatI32(code, 1).op(op["v128.and"]);
  }
}

/** bitselect with the predicate, the first operand, on top. */
function emitSelect(code: Code): void {
  const [yes, no] = [code.local(type.v128), code.local(type.v128)];
  const predicate = code.local(type.v128);
  code.set(no).set(yes).set(predicate).get(yes).get(no).get(predicate).op(op["v128.bitselect"]);
}

function emitClamp(code: Code, at: Apply): void {
  const [low, x, high] = [code.local(type.v128), code.local(type.v128), code.local(type.v128)];
  code.set(high).set(x).set(low);
  const prefix = isFloatLane(at.dtype) ? (isConstant(at.inputs[0]) && isConstant(at.inputs[2]) ? "p" : "f") : "i";
  const sign = isUnsigned(at.dtype) ? "u" : "s";
  const name = (which: "max" | "min") =>
    prefix === "p" ? op[`f32x4.p${which}`] : prefix === "f" ? op[`f32x4.${which}`] : op[`i32x4.${which}_${sign}`];
  code.get(x).get(low).op(name("max")).get(high).op(name("min"));
}

function emitRequantize(code: Code, at: Apply, context: KernelContext): void {
  const { zeroPoint, min, max } = (at.operation as Operation<"requantize">).attributes;
  code.call(fixedProduct(context));
  splatI32(code, zeroPoint).op(op["i32x4.add"]);
  splatI32(code, min).op(op["i32x4.max_s"]);
  splatI32(code, max).op(op["i32x4.min_s"]);
}

/** Half away from zero: the largest number below a half is added, so that 0.49999997 stays below 1. */
function emitRoundAfz(code: Code): void {
  const x = code.local(type.v128);
  code.tee(x);
  splatF32(code, 0.49999997);
  code.get(x);
  splatI32(code, -0x80000000).op(op["v128.and"]).op(op["v128.or"]).op(op["f32x4.add"]).op(op["f32x4.trunc"]);
}

const rules: { readonly [N in OpName]?: Rule } = {
  abs: rule(number, (code, at) => {
    if (isFloatLane(at.dtype)) code.op(op["f32x4.abs"]);
    else if (!isUnsigned(at.dtype)) code.op(op["i32x4.abs"]);
  }),
  acos: math1("acos"),
  acosh: math1("acosh"),
  asin: math1("asin"),
  asinh: math1("asinh"),
  atan: math1("atan"),
  atanh: math1("atanh"),
  cbrt: math1("cbrt"),
  ceil: plain(float, op["f32x4.ceil"]),
  cosine: function1("cos"),
  cosh: math1("cosh"),
  erf: function1("erf"),
  erfc: function1("erfc"),
  exponential: function1("exp"),
  exponentialMinusOne: function1("expm1"),
  floor: plain(float, op["f32x4.floor"]),
  isFinite: rule(float, (code) => {
    code.op(op["f32x4.abs"]);
    splatF32(code, Infinity).op(op["f32x4.lt"]);
  }),
  isInf: rule(float, (code) => {
    code.op(op["f32x4.abs"]);
    splatF32(code, Infinity).op(op["f32x4.eq"]);
  }),
  log: function1("log"),
  logPlusOne: function1("log1p"),
  logistic: function1("logistic"),
  negate: typed(op["f32x4.neg"], op["i32x4.neg"]),
  not: rule(
    (dtype) => !isFloatLane(dtype),
    (code) => void code.op(op["v128.not"]),
  ),
  populationCount: rule(
    (dtype) => integer(dtype),
    (code, at) => {
      if (dtypes[at.dtype].bits < 32) splatI32(code, (1 << dtypes[at.dtype].bits) - 1).op(op["v128.and"]);
      code.op(op["i8x16.popcnt"]).op(op["i16x8.extadd_pairwise_i8x16_u"]).op(op["i32x4.extadd_pairwise_i16x8_u"]);
    },
  ),
  countLeadingZeros: rule(
    (dtype) => integer(dtype),
    (code, at, context) => {
      const { bits } = dtypes[at.dtype];
      code.call(
        eachInteger(context, `clz ${bits}`, 1, (scalar, a) => {
          scalar.get(a);
          if (bits < 32) scalar.i32((1 << bits) - 1).op(op["i32.and"]);
          scalar.op(op["i32.clz"]);
          if (bits < 32) scalar.i32(32 - bits).op(op["i32.sub"]);
        }),
      );
    },
  ),
  roundNearestAfz: rule(float, emitRoundAfz),
  roundNearestEven: plain(float, op["f32x4.nearest"]),
  rsqrt: rule(float, (code) => {
    const x = code.local(type.v128);
    code.set(x);
    splatF32(code, 1);
    code.get(x).op(op["f32x4.sqrt"]).op(op["f32x4.div"]);
  }),
  sign: rule(number, emitSign),
  sine: function1("sin"),
  sinh: math1("sinh"),
  sqrt: plain(float, op["f32x4.sqrt"]),
  tan: math1("tan"),
  tanh: function1("tanh"),
  convert: rule(anyLanes, emitConvert),

  add: typed(op["f32x4.add"], op["i32x4.add"], op["v128.or"]),
  and: rule(
    (dtype) => !isFloatLane(dtype),
    (code) => void code.op(op["v128.and"]),
  ),
  atan2: math2("atan2"),
  divide: rule(number, (code, at, context) => {
    if (isFloatLane(at.dtype)) code.op(op["f32x4.div"]);
    else quotient("div")(code, at, context);
  }),
  maximum: extremum("max"),
  minimum: extremum("min"),
  multiply: typed(op["f32x4.mul"], op["i32x4.mul"], op["v128.and"]),
  or: rule(
    (dtype) => !isFloatLane(dtype),
    (code) => void code.op(op["v128.or"]),
  ),
  power: math2("pow"),
  remainder: rule(number, (code, at, context) => {
    if (isFloatLane(at.dtype)) code.call(eachLane(context, "remainder", 2));
    else quotient("rem")(code, at, context);
  }),
  shiftLeft: shift("shl"),
  shiftRightArithmetic: shift("shr_s"),
  shiftRightLogical: shift("shr_u"),
  subtract: typed(op["f32x4.sub"], op["i32x4.sub"]),
  xor: rule(
    (dtype) => !isFloatLane(dtype),
    (code) => void code.op(op["v128.xor"]),
  ),
  compare: rule(anyLanes, emitCompare),
  clamp: rule(number, emitClamp),
  select: rule(anyLanes, emitSelect),
  requantize: rule((dtype) => dtype === "i32", emitRequantize),
  lookup: rule(anyLanes, () => {}),
};

/** Operations whose integer results may leave a small type. */
const wraps = new Set<OpName>([
  ...(["add", "subtract", "multiply", "negate", "abs", "shiftLeft", "divide", "not", "sign"] as const),
  ...(["shiftRightLogical", "populationCount"] as const),
]);
/** Operations whose float results are exact in the type of their operands. */
const exact = new Set<OpName>([
  ...(["abs", "negate", "maximum", "minimum", "clamp", "select", "sign", "ceil", "floor", "compare"] as const),
  ...(["roundNearestAfz", "roundNearestEven", "remainder", "isFinite", "isInf", "convert", "lookup"] as const),
]);

/** Brings the vector on the stack into its type: small integers are cut, f16 and bf16 rounded. */
export function settle(code: Code, dtype: DType): void {
  if (isFloatLane(dtype)) roundLanes(code, dtype);
  else if (dtype !== "i1") wrap(code, dtype);
}

/** Whether there is code for one operation on its types. */
export function canEmitOperation(operation: Operation): boolean {
  const found = rules[operation.op];
  const [first] = operation.operands;
  if (!found || !first || operation.results.length !== 1) return false;
  const types = [...operation.operands, ...operation.results].map((value) => value.type.dtype);
  if (!types.every(isLaneType)) return false;
  if (is(operation, "compare") && operation.attributes.total === true) return false;
  // The types of the operands decide, but select's predicate does not.
  return found.accepts(is(operation, "select") ? types[1]! : types[0]!);
}

/** Whether there is code for every operation of an expression on its types. */
export function canEmit(expression: Expression): boolean {
  if (!isLaneType(expression.dtype)) return false;
  return expression.kind !== "apply" || (canEmitOperation(expression.operation) && expression.inputs.every(canEmit));
}

/** Pushes the vectors of expressions that may share parts, each part computed once. */
export class ExpressionEmitter {
  private readonly uses = new Map<Expression, number>();
  private readonly locals = new Map<Expression, number>();
  private readonly kept = new Map<Expression, number>();
  private readonly code: Code;
  private readonly context: KernelContext;
  /** Pushes a leaf as a vector. */
  private readonly leaf: Leaf;

  constructor(code: Code, context: KernelContext, roots: readonly Expression[], leaf: Leaf) {
    this.code = code;
    this.context = context;
    this.leaf = leaf;
    for (const root of roots) this.count(root);
  }

  private count(expression: Expression): void {
    const before = this.uses.get(expression) ?? 0;
    this.uses.set(expression, before + 1);
    if (before === 0 && expression.kind === "apply") for (const input of expression.inputs) this.count(input);
  }

  /** Computes an expression once for all: before a loop over elements that it is the same for. */
  keep(expression: Expression): void {
    if (this.kept.has(expression)) return;
    this.push(expression);
    const local = this.code.local(type.v128);
    this.code.set(local);
    this.kept.set(expression, local);
  }

  /** Forgets what was computed but not kept: the next elements begin. */
  restart(): void {
    this.locals.clear();
  }

  /** The expression's value is in a vector local from now on. */
  remember(expression: Expression, local: number): void {
    this.kept.set(expression, local);
  }

  /** Pushes an expression's vector; i1 is a mask. */
  push(expression: Expression): void {
    const { code } = this;
    const known = this.kept.get(expression) ?? this.locals.get(expression);
    if (known !== undefined) {
      code.get(known);
      return;
    }
    if (expression.kind === "constant") {
      this.constant(expression.value, expression.dtype);
      return;
    }
    if (expression.kind === "apply") this.apply(expression);
    else {
      this.leaf(expression);
      if (expression.dtype === "i1") code.op(op["i32x4.neg"]);
    }
    if (this.uses.get(expression)! > 1) {
      const local = code.local(type.v128);
      code.tee(local);
      this.locals.set(expression, local);
    }
  }

  private constant(value: number | bigint, dtype: DType): void {
    if (isFloatLane(dtype)) splatF32(this.code, Number(value));
    else if (dtype === "i1") splatI32(this.code, value ? -1 : 0);
    else splatI32(this.code, Number(BigInt.asIntN(32, BigInt(value))));
  }

  private apply(expression: Apply): void {
    const { code } = this;
    const name = expression.operation.op;
    if (name === "lookup") {
      this.lookup(expression);
      return;
    }
    // The constant of an extremum comes second.
    const [first, second] = expression.inputs;
    const swapped = (name === "maximum" || name === "minimum") && isConstant(first) && !isConstant(second);
    const at = swapped ? { ...expression, inputs: [second!, first] } : expression;
    for (const input of at.inputs) this.push(input);
    rules[name]!.emit(code, at, this.context);
    const { dtype } = expression;
    if (isFloatLane(dtype)) {
      if (!exact.has(name)) roundLanes(code, dtype);
    } else if (wraps.has(name) && dtype !== "i1") wrap(code, dtype);
  }

  /** Elements as indices into a table of 256, one at a time. */
  private lookup(expression: Apply): void {
    const { code } = this;
    const [x, table] = expression.inputs as [Expression, LeafExpression];
    const smallest = x.dtype === "i8" ? 128 : 0;
    const { bytes, kind } = dtypes[expression.dtype];
    const [indices, base, result] = [code.local(type.v128), code.local(type.i32), code.local(type.v128)];
    this.push(x);
    code.set(indices);
    this.leaf(table);
    code.set(base);
    const load =
      bytes === 4 ? op["i32.load"] : op[`i32.load${bytes === 2 ? "16" : "8"}_${kind === "signed" ? "s" : "u"}`];
    // Not as an offset of the load: addresses below the table do not wrap.
    if (smallest !== 0)
      code
        .get(base)
        .i32(smallest * bytes)
        .op(op["i32.add"])
        .set(base);
    for (let lane = 0; lane < 4; lane++) {
      code.get(result).get(base).get(indices).lane(op["i32x4.extract_lane"], lane);
      code.i32(Math.log2(bytes)).op(op["i32.shl"]).op(op["i32.add"]).memory(load);
      code.lane(op["i32x4.replace_lane"], lane).set(result);
    }
    code.get(result);
  }
}

/** What the code of expressions depends on, as text: equal keys, equal code. Shared parts are written once. */
export function expressionKey(roots: readonly Expression[], leaf: (leaf: LeafExpression) => string): string {
  const numbers = new Map<Expression, number>();
  const parts: string[] = [];
  const write = (at: Expression): number => {
    const known = numbers.get(at);
    if (known !== undefined) return known;
    let text: string;
    if (at.kind === "apply") {
      const inputs = at.inputs.map(write);
      const attributes = JSON.stringify(at.operation.attributes);
      text = `${at.op}${attributes === "{}" ? "" : attributes}:${at.dtype}(${inputs.join()})`;
    } else if (at.kind === "constant") {
      text = `${Object.is(at.value, -0) ? "-0" : String(at.value)}:${at.dtype}`;
    } else text = leaf(at);
    const number = parts.push(text) - 1;
    numbers.set(at, number);
    return number;
  };
  const ends = roots.map(write);
  return `${parts.join(";")}>${ends.join()}`;
}

/** Pushes an expression's value. Types of 32 bits have four lanes; the smaller ones are widened to them when loaded. */
export function emitExpression(
  code: Code,
  context: KernelContext,
  expression: Expression,
  lanes: 1 | 4,
  leaf: Leaf,
): void {
  const tables = new Set<Expression>();
  const find = (node: Expression): void => {
    if (node.kind !== "apply") return;
    if (node.operation.op === "lookup") tables.add(node.inputs[1]!);
    for (const input of node.inputs) find(input);
  };
  find(expression);
  const push: Leaf = (at) => {
    leaf(at);
    // One lane is done as four equal ones: the same code, the same bits.
    if (lanes === 1 && !tables.has(at)) code.op(isFloatLane(at.dtype) ? op["f32x4.splat"] : op["i32x4.splat"]);
  };
  new ExpressionEmitter(code, context, [expression], push).push(expression);
  const { dtype } = expression;
  if (dtype === "i1") splatI32(code, 1).op(op["v128.and"]);
  if (lanes === 1) code.lane(isFloatLane(dtype) ? op["f32x4.extract_lane"] : op["i32x4.extract_lane"], 0);
}
