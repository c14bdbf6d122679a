// Where a kernel's sums go: through an epilogue, if there is one, into the result.

import type { Code } from "../../../wasm/code.ts";
import { op, type } from "../../../wasm/opcodes.ts";
import { dtypes } from "../../hlo/dtype.ts";
import type { Value } from "../../hlo/graph.ts";
import { emitExpression, type Leaf } from "../expression.ts";
import { sharedBlock } from "../functions.ts";
import type { Access, Epilogue, Expression, KernelContext, Packing } from "../kernel.ts";
import { loadLanes } from "../lanes.ts";
import { loadSome, scaled, storeSome } from "./emit.ts";
import { prepare } from "./prepare.ts";
import { emitRequantization } from "./requantize.ts";
import { emitWide } from "./wide.ts";

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
  /** Address of `spillBytes` of memory, if it needs any. */
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
  const { expression, parts } = prepare(epilogue);
  const names = new Map<Expression, string>();
  const fast = parts.map((part) => {
    if (part.kind === "function") return `${part.name} ${expressionKey(part.input, names)}`;
    const { input, ...rest } = part.kind === "wide" ? part.wide : part.requantization;
    return `${JSON.stringify(rest)} ${expressionKey(input, names)}`;
  });
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

/** Bytes for one vector of each sum of the largest tile. */
const slotBytes = 256;

/** Bytes of scratch memory that an output needs: sums, then the results of functions. */
export function spillBytes({ epilogue }: Output): number {
  if (!epilogue) return 0;
  const { calls, parts } = prepare(epilogue);
  return calls ? slotBytes * (1 + parts.length) : 0;
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
  const { expression, parts, calls } = epilogue
    ? prepare(epilogue)
    : { expression: undefined, parts: [], calls: false };
  const count = region.rows * region.vectors;
  const keep = (slot: number, i: number, push: () => void) => {
    code.get(to.spill);
    push();
    code.memory(op["v128.store"], slot * slotBytes + i * 16);
  };
  if (calls) for (let i = 0; i < count; i++) keep(0, i, () => code.get(sums[i]!));
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
  const sumAt = (i: number) => {
    if (calls) code.get(to.spill).memory(op["v128.load"], i * 16);
    else code.get(sums[i]!);
  };
  /** Goes through the vectors of the tile; `push` is for the leaves of expressions there. */
  const each = (at: (i: number, row: number, v: number, lanes: number, push: Leaf) => void) => {
    for (let v = 0; v < region.vectors; v++) {
      const lanes = v === region.vectors - 1 ? region.lastLanes : 4;
      for (const { dtype: its, access, bytes, at: address, kept } of operands) {
        // What is added in 64 bits is loaded where it is used.
        if (its === "i64") continue;
        if (access === "column") loadSome(code, its, address, v * 4 * bytes, lanes);
        else if (access === "scalar" && v === 0) loadLanes(code.get(address), its, "splat");
        else continue;
        code.set(kept);
      }
      for (let r = 0; r < region.rows; r++) {
        const i = r * region.vectors + v;
        const row = r * region.rowStep;
        const push: Leaf = (leaf) => {
          if (leaf.kind === "accumulator") {
            sumAt(i);
            return;
          }
          const number = leaf.index - operands.length;
          const part = parts[number];
          if (part?.kind === "function") {
            code.get(to.spill).memory(op["v128.load"], (1 + number) * slotBytes + i * 16);
            return;
          }
          if (part?.kind === "requantization") {
            emitExpression(code, context, part.requantization.input, 4, push);
            emitRequantization(code, part.requantization, (index) => push({ kind: "operand", index, dtype: "i32" }));
            return;
          }
          if (part?.kind === "wide") {
            const { wide } = part;
            emitExpression(code, context, wide.input, 4, push);
            emitWide(
              code,
              wide,
              (index) => push({ kind: "operand", index, dtype: "f32" }),
              () =>
                code
                  .get(operands[wide.bias!]!.at)
                  .i32(v * 32)
                  .op(op["i32.add"]),
            );
            return;
          }
          const { dtype: its, access, bytes, at: address, kept } = operands[leaf.index]!;
          if (access === "element") loadSome(code, its, address, (row * columns + v * 4) * bytes, lanes);
          else if (access === "row") loadLanes(code.get(address), its, "splat", row * bytes);
          else if (access === "table") code.get(address);
          else code.get(kept);
        };
        at(i, row, v, lanes, push);
      }
    }
  };
  parts.forEach((part, number) => {
    if (part.kind !== "function") return;
    each((i, _row, _v, _lanes, push) => {
      keep(1 + number, i, () => emitExpression(code, context, part.input, 4, push));
    });
    code
      .get(to.spill)
      .i32((1 + number) * slotBytes)
      .op(op["i32.add"]);
    code
      .get(to.spill)
      .i32((1 + number) * slotBytes + count * 16)
      .op(op["i32.add"]);
    code.call(sharedBlock(context, part.name));
  });
  const value = code.local(type.v128);
  each((i, row, v, lanes, push) => {
    if (expression) {
      emitExpression(code, context, expression, 4, push);
      code.set(value);
    }
    const offset = (row * columns + v * 4) * resultBytes;
    storeSome(code, dtype, resultAt, offset, lanes, expression ? value : sums[i]!);
  });
}
