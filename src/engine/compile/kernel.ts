// What a compiled step is: a WebAssembly function over a range of independent units, made from a template and what is
// fused into it. The seam between the pipeline (which operations go together, where tensors live) and the kernels.

import type { Code } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import type { DType } from "../hlo/dtype.ts";
import type { Operation, Value } from "../hlo/graph.ts";
import type { OpName } from "../hlo/ops.ts";
import type { Tensor } from "../hlo/tensor.ts";

/** What a kernel's emission may use: shared functions of the module, and what the engine may do. */
export interface KernelContext {
  readonly module: ModuleBuilder;
  /** Relaxed SIMD may be used: results may differ in the last bits between machines. */
  readonly relaxed: boolean;
  /** Index of a shared function ("exp4": v128 -> v128), defined on first use by `define`. */
  shared(name: string, define: (module: ModuleBuilder) => number): number;
}

/**
 * A function `(begin: i32, end: i32, ...addresses: i32)` that does units [begin, end). Any division of [0, units) into
 * ranges, in any order and on any threads, gives the same bits.
 */
export interface Kernel {
  /** Kernels with equal keys are the same function: everything that `emit` depends on, but no addresses. */
  readonly key: string;
  /** For profiles and `model show`: "conv 3x3 s2 relu6". */
  readonly name: string;
  readonly units: number;
  /** Roughly how many nanoseconds a unit takes: so many units make a chunk that several run in one thread's turn. */
  readonly unitCost: number;
  /** Values whose addresses are passed, in order; results come after them. */
  readonly operands: readonly Value[];
  readonly results: readonly Value[];
  /** Operands that are wanted in another layout when they are constants: done once, when the model is compiled. */
  readonly packs: readonly Packing[];
  /** Bytes of memory for itself that each thread needs, at an address passed last; 0: none, and no such parameter. */
  readonly scratch: number;
  emit(code: Code, context: KernelContext): void;
}

/** How a constant operand is laid out for a kernel. */
export interface Packing {
  readonly operand: number;
  /** Equal keys on the same tensor share the packed copy. */
  readonly key: string;
  pack(tensor: Tensor): Tensor;
}

/** Elementwise operations as a tree, evaluated for one or four neighbouring elements at a time. */
export type Expression =
  /** What the template computed for this element. */
  | { readonly kind: "accumulator"; readonly dtype: DType }
  /** An operand of the epilogue, by index into `Epilogue.operands`. */
  | { readonly kind: "operand"; readonly index: number; readonly dtype: DType }
  | { readonly kind: "constant"; readonly value: number | bigint; readonly dtype: DType }
  | {
      readonly kind: "apply";
      readonly operation: Operation;
      readonly op: OpName;
      readonly inputs: readonly Expression[];
      readonly dtype: DType;
    };

/** How an epilogue operand is indexed, where the template's result is seen as rows of `columns` elements. */
export type Access =
  /** As the result itself. */
  | "element"
  /** One element a column: a bias. */
  | "column"
  /** One element a row. */
  | "row"
  /** One element in all. */
  | "scalar"
  /** The table of a `lookup`: its leaf pushes the operand's address. */
  | "table";

/** Elementwise operations done on a template's result before it is stored. */
export interface Epilogue {
  readonly expression: Expression;
  readonly operands: readonly { readonly value: Value; readonly access: Access }[];
  /** What is stored; of the template's shape. */
  readonly result: Value;
}

/** A recognised operation (or several) that one kernel does. */
export interface Template {
  /** Operations that the kernel replaces; the last one's result is the template's. */
  readonly covers: readonly Operation[];
  readonly result: Value;
  /** Extent of a row for `Access`: the last dimension; undefined when no epilogue can be taken. */
  readonly columns: number | undefined;
  /** The kernel with an epilogue, or without one. */
  build(epilogue?: Epilogue): Kernel;
}

/** Looks at an operation, and at those that use its result, for something its kernels do. */
export type TemplateRule = (
  operation: Operation,
  users: ReadonlyMap<Value, readonly Operation[]>,
) => Template | undefined;
