// Epilogues as kernels do them: what takes more than a few instructions is done apart, for a whole tile at a time.

import type { OpName } from "../../hlo/ops.ts";
import type { FunctionName } from "../functions.ts";
import type { Epilogue, Expression, Packing } from "../kernel.ts";
import { powersOfTwo, type Requantization, requantizationOf } from "./requantize.ts";
import { wideOf, type WideRequantization } from "./wide.ts";

/** A part of an epilogue that is a leaf to the rest: an operand numbered after the real ones. */
export type Part =
  | { readonly kind: "requantization"; readonly requantization: Requantization }
  | { readonly kind: "wide"; readonly wide: WideRequantization }
  /** Done for all vectors of a tile by one call, before what uses it. */
  | { readonly kind: "function"; readonly name: FunctionName; readonly input: Expression };

export interface Prepared {
  readonly expression: Expression;
  /** Those that others use come first. */
  readonly parts: readonly Part[];
  /** Operands are counted from the epilogue's first. */
  readonly packs: readonly Packing[];
  /** There are calls: sums that live across them would be spilled in the innermost loops, so they wait in memory. */
  readonly calls: boolean;
}

const functions: Partial<Record<OpName, FunctionName>> = {
  erf: "erf",
  erfc: "erfc",
  exponential: "exp",
  exponentialMinusOne: "expm1",
  log: "log",
  logPlusOne: "log1p",
  logistic: "logistic",
  tanh: "tanh",
};

/** Operations whose code is a few instructions, without calls. */
const short = new Set<OpName>([
  ...(["add", "subtract", "multiply", "divide", "maximum", "minimum", "clamp", "select", "compare"] as const),
  ...(["and", "or", "negate", "abs", "sqrt", "rsqrt", "floor", "ceil", "convert"] as const),
]);

const prepared = new WeakMap<Epilogue, Prepared>();

export function prepare(epilogue: Epilogue): Prepared {
  let result = prepared.get(epilogue);
  if (!result) prepared.set(epilogue, (result = rewrite(epilogue)));
  return result;
}

function rewrite(epilogue: Epilogue): Prepared {
  const parts: Part[] = [];
  const packs: Packing[] = [];
  const known = new Map<Expression, Expression>();
  let calls = false;
  const leaf = (part: Part, { dtype }: Expression): Expression => ({
    kind: "operand",
    index: epilogue.operands.length + parts.push(part) - 1,
    dtype,
  });
  const visit = (node: Expression): Expression => {
    if (node.kind !== "apply") return node;
    let made = known.get(node);
    if (made) return made;
    const inputs = node.inputs.map(visit);
    const wide = wideOf(node, inputs);
    const requantization = wide ? undefined : requantizationOf(epilogue, node, inputs);
    const name = node.dtype === "f32" ? functions[node.op] : undefined;
    if (wide) {
      packs.push(...wide.packs);
      made = leaf({ kind: "wide", wide: wide.wide }, node);
    } else if (requantization) {
      const { shift } = requantization;
      if ("operand" in shift) packs.push({ operand: shift.operand, key: "powers of two", pack: powersOfTwo });
      made = leaf({ kind: "requantization", requantization }, node);
    } else if (name) {
      calls = true;
      made = leaf({ kind: "function", name, input: inputs[0]! }, node);
    } else {
      if (!short.has(node.op)) calls = true;
      made = { ...node, inputs };
    }
    known.set(node, made);
    return made;
  };
  return { expression: visit(epilogue.expression), parts, packs, calls };
}
