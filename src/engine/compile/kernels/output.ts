// Where a kernel's sums go: through an epilogue, if there is one, into the result.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { dtypes } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import type { OpName } from "../../hlo/ops.ts";
import { emitExpression, type LeafExpression } from "../expression.ts";
import type { Access, Epilogue, Expression, KernelContext, Packing } from "../kernel.ts";
import { loadLanes } from "../lanes.ts";
import { loadSome, scaled, storeSome } from "./emit.ts";
import { emitRequantization, prepare } from "./requantize.ts";

/** A result of rows of `columns` elements, and what is done to each element before it is stored. */
export interface Output {
  readonly columns: number;
  readonly result: Value;
  readonly epilogue: Epilogue | undefined;
}

/** An output with the parameters that hold its addresses. */
export interface Destination extends Output {
  readonly address: number;
  /** Addresses of the epilogue's operands. */
  readonly operands: readonly number[];
  /** Address of `spillBytes` of memory, when there are any. */
  readonly spill: number;
}

/** The values whose addresses an output needs besides the result's. */
export const operandsOf = ({ epilogue }: Output): Value[] => epilogue?.operands.map(({ value }) => value) ?? [];

/** How an output's operands are laid out, when `first` is the index of the first among the kernel's. */
export function packsOf({ epilogue }: Output, first: number): Packing[] {
  return epilogue ? prepare(epilogue).packs.map((pack) => ({ ...pack, operand: first + pack.operand })) : [];
}

/** Everything about an output that its code depends on. */
export function outputKey({ columns, result, epilogue }: Output): string {
  if (!epilogue) return `${columns} ${result.type.dtype}`;
  const operands = epilogue.operands.map(({ value, access }) => `${value.type.dtype} ${access}`);
  const { expression, requantizations } = prepare(epilogue);
  const names = new Map<Expression, string>();
  const fast = requantizations.map(({ input, ...rest }) => `${expressionKey(input, names)} ${JSON.stringify(rest)}`);
  const { dtype } = epilogue.result.type;
  return `${columns} ${dtype} ${operands.join(";")} ${fast.join(";")} ${expressionKey(expression, names)}`;
}

/** A text of an expression; parts that come again are named by number. */
function expressionKey(expression: Expression, names: Map<Expression, string>): string {
  switch (expression.kind) {
    case "accumulator":
      return "sum";
    case "operand":
      return `$${expression.index}`;
    case "constant":
      return `${Object.is(expression.value, -0) ? "-0" : String(expression.value)}${expression.dtype}`;
    case "apply": {
      const known = names.get(expression);
      if (known !== undefined) return known;
      const attributes = JSON.stringify(expression.operation.attributes, (_, value: unknown) =>
        typeof value === "bigint" ? String(value) : value,
      );
      const inputs = expression.inputs.map((input) => expressionKey(input, names)).join();
      names.set(expression, `#${names.size}`);
      return `${expression.op}${attributes === "{}" ? "" : attributes}:${expression.dtype}(${inputs})`;
    }
  }
}

/** Which elements of a result a register tile holds. */
export interface Region {
  /** Locals: the first row, and the first column. */
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  /** From one row of the tile to the next, in rows of the result. */
  readonly rowStep: number;
  readonly vectors: number;
  /** Lanes of the last vector that are stored. */
  readonly lastLanes: number;
}

/** Operations whose code is a few instructions, without calls. */
const short = new Set<OpName>([
  ...([
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "clamp",
    "select",
    "compare",
    "and",
    "or",
  ] as const),
  ...(["negate", "abs", "sqrt", "rsqrt", "floor", "ceil", "convert"] as const),
]);
const isShort = (expression: Expression): boolean =>
  expression.kind !== "apply" || (short.has(expression.op) && expression.inputs.every(isShort));

/** Bytes of scratch memory that an output needs for a tile: sums that live across calls would be spilled in the loops. */
export function spillBytes({ epilogue }: Output): number {
  if (!epilogue) return 0;
  const { expression, requantizations } = prepare(epilogue);
  return [expression, ...requantizations.map(({ input }) => input)].every(isShort) ? 0 : 512;
}

/** Stores the sums of a tile; `sums[r * vectors + v]` are locals of type v128. */
export function emitStore(
  code: Code,
  context: KernelContext,
  to: Destination,
  region: Region,
  sums: readonly number[],
): void {
  const { columns, epilogue } = to;
  const count = region.rows * region.vectors;
  const spilled = spillBytes(to) > 0;
  if (spilled) {
    for (let i = 0; i < count; i++)
      code
        .get(to.spill)
        .get(sums[i]!)
        .memory(op["v128.store"], i * 16);
  }
  // element = row * columns + column; one address for each tensor that is walked like the result.
  const element = code.local(type.i32);
  code.get(region.row).i32(columns).op(op["i32.mul"]).get(region.column).op(op["i32.add"]).set(element);
  const addressOf = (base: number, index: number, bytes: number) => {
    const local = code.local(type.i32);
    scaled(code, index, bytes);
    code.get(base).op(op["i32.add"]).set(local);
    return local;
  };
  const { dtype } = to.result.type;
  const { bytes: resultBytes } = dtypes[dtype];
  const resultAt = addressOf(to.address, element, resultBytes);
  const starts: Record<Access, number | undefined> = {
    element,
    column: region.column,
    row: region.row,
    scalar: undefined,
    table: undefined,
  };
  const operands = (epilogue?.operands ?? []).map(({ value, access }, i) => {
    const { bytes } = dtypes[value.type.dtype];
    const base = to.operands[i]!;
    const start = starts[access];
    const at = start === undefined ? base : addressOf(base, start, bytes);
    return { dtype: value.type.dtype, access, bytes, at, kept: code.local(type.v128) };
  });
  const { expression, requantizations } = epilogue ? prepare(epilogue) : { expression: undefined, requantizations: [] };
  const value = code.local(type.v128);
  for (let v = 0; v < region.vectors; v++) {
    const lanes = v === region.vectors - 1 ? region.lastLanes : 4;
    for (const { dtype: its, access, bytes, at, kept } of operands) {
      if (access === "column") loadSome(code, its, at, v * 4 * bytes, lanes);
      else if (access === "scalar" && v === 0) loadLanes(code.get(at), its, "splat");
      else continue;
      code.set(kept);
    }
    for (let r = 0; r < region.rows; r++) {
      const i = r * region.vectors + v;
      const row = r * region.rowStep;
      const offset = (row * columns + v * 4) * resultBytes;
      if (!expression) {
        storeSome(code, dtype, resultAt, offset, lanes, sums[i]!);
        continue;
      }
      const push = (leaf: LeafExpression): void => {
        if (leaf.kind === "accumulator") {
          if (spilled) code.get(to.spill).memory(op["v128.load"], i * 16);
          else code.get(sums[i]!);
          return;
        }
        const fast = requantizations[leaf.index - operands.length];
        if (fast) {
          emitExpression(code, context, fast.input, 4, push);
          emitRequantization(code, fast, (index) => code.get(operands[index]!.kept));
          return;
        }
        const { dtype: its, access, bytes, at, kept } = operands[leaf.index]!;
        if (access === "element") loadSome(code, its, at, (row * columns + v * 4) * bytes, lanes);
        else if (access === "row") loadLanes(code.get(at), its, "splat", row * bytes);
        else if (access === "table") code.get(at);
        else code.get(kept);
      };
      emitExpression(code, context, expression, 4, push);
      code.set(value);
      storeSome(code, dtype, resultAt, offset, lanes, value);
    }
  }
}
