// Builds a program from subgraphs: tensors become values, operators builder calls, variables states.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { Builder } from "../../hlo/build.ts";
import type { DType } from "../../hlo/dtype.ts";
import type { Region, Value } from "../../hlo/graph.ts";
import { byteSize, fromNumbers, sameType, type Tensor, type TensorType, typeText, zeros } from "../../hlo/tensor.ts";
import { type Bound, isRagged, isResource, NeedsValue, Node, Unsupported } from "./node.ts";
import { customOperators, operators } from "./operators.ts";
import { hiddenState } from "./ops/signal.ts";
import { options, readOptions } from "./options.ts";
import type { ElementType, ModelFile, OperatorInfo, SubgraphInfo, TensorInfo } from "./schema.ts";
import { readConstant } from "./weights.ts";

/** Most operators imported, and how deep subgraphs may call each other. */
const maximumSteps = 1 << 20;
const maximumDepth = 64;

/** Most bytes of one variable. */
const maximumVariable = 1 << 28;

/** The tensors of one use of a subgraph. */
export interface Scope {
  readonly subgraph: SubgraphInfo;
  readonly values: Map<number, Bound>;
  readonly depth: number;
}

interface Variable {
  readonly name: string;
  readonly initial: Tensor;
  /** Whether anything but its initialiser writes it. */
  readonly assigned: boolean;
}

/** Something that one operator needs and that is not built. */
export interface Problem {
  readonly operator: string;
  readonly where: string;
  readonly reason: string | undefined;
}

export function concrete(type: ElementType, what: string): DType {
  if (type === "string") throw new Unsupported("string tensors");
  if (type === "resource" || type === "variant") throw new FormatError(`${what} is a ${type}, not numbers`);
  return type;
}

const resourceKey = (operator: OperatorInfo): string => {
  const { container, name } = readOptions(options.variable, operator.options);
  return `${container}/${name}`;
};
const tensorKey = (subgraph: SubgraphInfo, index: number): string => `tensor ${subgraph.index}.${index}`;

/** Subgraphs that an operator calls, and which of its inputs they take from which on. */
function calls(operator: OperatorInfo): { readonly subgraph: number; readonly from: number }[] {
  switch (operator.name) {
    case "IF": {
      const { yes, no } = readOptions(options.if, operator.options);
      return [yes, no].map((subgraph) => ({ subgraph, from: 1 }));
    }
    case "WHILE":
    case "STABLEHLO_WHILE": {
      const { condition, body } = readOptions(options.while, operator.options);
      return [condition, body].map((subgraph) => ({ subgraph, from: 0 }));
    }
    case "CALL":
      return [{ subgraph: readOptions(options.call, operator.options).subgraph, from: 0 }];
    case "STABLEHLO_COMPOSITE":
      return [{ subgraph: readOptions(options.stablehloComposite, operator.options).subgraph, from: 0 }];
    case "STABLEHLO_CASE":
      return readOptions(options.stablehloCase, operator.options).branches.map((subgraph) => ({ subgraph, from: 1 }));
    default:
      return [];
  }
}

export class Importer {
  readonly file: ModelFile;
  /** What was not built so far: with `lenient` importing goes on with zeros in its place. */
  readonly problems: Problem[] = [];
  readonly variables = new Map<string, Variable>();
  /** Inputs whose numbers shapes are made from, and that were not given. */
  readonly needed = new Set<Value>();
  private inputs: readonly Value[] = [];
  private readonly lenient: boolean;
  private readonly current = new Map<string, Value>();
  private readonly constants = new Map<TensorInfo, Tensor>();
  private steps = 0;

  constructor(file: ModelFile, lenient = false) {
    this.file = file;
    this.lenient = lenient;
  }

  subgraph(index: number): SubgraphInfo {
    const subgraph = this.file.subgraphs[index];
    if (!subgraph) throw new FormatError(`TFLite: subgraph ${index} of ${this.file.subgraphs.length}`);
    return subgraph;
  }
  dtypeOf(info: TensorInfo): DType {
    return concrete(info.type, `TFLite: tensor ${info.index} '${info.name}'`);
  }
  typeOf(info: TensorInfo): TensorType {
    return { dtype: this.dtypeOf(info), shape: info.shape };
  }

  /** The constant that a tensor is; undefined when it is computed. */
  constant(info: TensorInfo): Tensor | undefined {
    const known = this.constants.get(info);
    if (known) return known;
    const bytes = this.file.buffers[info.buffer];
    const empty = info.shape.includes(0);
    if ((!bytes && !empty) || info.variable) return undefined;
    const tensor = readConstant(info, this.dtypeOf(info), bytes ?? new Uint8Array());
    this.constants.set(info, tensor);
    return tensor;
  }

  /** What a tensor is bound to where it is used. */
  boundOf(scope: Scope, b: Builder, index: number): Bound {
    const bound = scope.values.get(index);
    if (bound) return bound;
    const info = scope.subgraph.tensors[index]!;
    const state = info.variable && this.current.get(tensorKey(scope.subgraph, index));
    if (state) return state;
    const tensor = this.constant(info);
    if (!tensor) {
      throw new FormatError(
        `TFLite: tensor ${index} '${info.name}' of subgraph ${scope.subgraph.index} is used before it is made`,
      );
    }
    const value = b.constant(tensor);
    scope.values.set(index, value);
    return value;
  }

  /** Imports a subgraph's operators; gives its results. */
  run(index: number, b: Builder, args: readonly Bound[], depth: number): Bound[] {
    const subgraph = this.subgraph(index);
    if (depth > maximumDepth) throw new FormatError(`TFLite: subgraph ${index} is called ${depth} calls deep`);
    if (args.length !== subgraph.inputs.length) {
      throw new FormatError(`TFLite: subgraph ${index} takes ${subgraph.inputs.length} inputs, got ${args.length}`);
    }
    const scope: Scope = { subgraph, values: new Map(), depth };
    subgraph.inputs.forEach((tensor, i) => scope.values.set(tensor, args[i]!));
    const { origin } = b;
    subgraph.operators.forEach((operator, i) => {
      if (++this.steps > maximumSteps) throw new CerebroError("limit", `model has more than ${maximumSteps} operators`);
      b.origin = `${operator.name} ${i}${index > 0 ? ` of subgraph ${index}` : ""}`;
      this.operator(new Node(this, scope, b, operator), i);
    });
    b.origin = origin;
    return subgraph.outputs.map((tensor) => this.boundOf(scope, b, tensor));
  }

  private operator(node: Node, place: number): void {
    const { operator, scope, b } = node;
    const lower = operator.name.startsWith("custom:")
      ? customOperators.get(operator.name.slice(7))
      : operators.get(operator.name);
    const where = `operator ${place} of subgraph ${scope.subgraph.index}`;
    let results: readonly Bound[];
    try {
      if (!lower) throw new Unsupported("");
      const made = lower(node);
      results = Array.isArray(made) ? (made as readonly Bound[]) : [made as Bound];
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      if (error instanceof NeedsValue) for (const input of error.inputs) this.needed.add(input);
      else this.problems.push({ operator: operator.name, where, reason: error.reason || undefined });
      if (!this.lenient) throw error;
      results = operator.outputs.map((tensor): Bound => {
        const info = scope.subgraph.tensors[tensor]!;
        if (info.type === "string" || info.type === "resource" || info.type === "variant") {
          return { resource: `unknown ${info.name}` };
        }
        return b.full(info.type, info.shape, 0);
      });
    }
    operator.outputs.forEach((tensor, i) => {
      const result = results[i];
      if (!result) throw new FormatError(`TFLite: ${b.origin} has ${operator.outputs.length} results, made ${i}`);
      const info = scope.subgraph.tensors[tensor]!;
      if (!isResource(result) && !isRagged(result) && result.type.dtype !== info.type) {
        throw new FormatError(
          `TFLite: ${b.origin}: result ${i} is ${typeText(result.type)}, the file says ${info.type}`,
        );
      }
      scope.values.set(tensor, result);
    });
  }

  /** Imports a subgraph as a region with parameters of its own; the variables it may assign are more of them. */
  region(
    outer: Builder,
    index: number,
    parameters: readonly TensorType[],
    bind: (inner: Builder, values: readonly Value[]) => { args: readonly Bound[]; variables: readonly Value[] },
    finish: (inner: Builder, results: readonly Bound[]) => readonly Value[],
    keys: readonly string[],
    depth: number,
  ): Region {
    const before = new Map(this.current);
    const region = outer.region(parameters, (inner, ...values) => {
      const { args, variables } = bind(inner, values);
      variables.forEach((value, i) => this.current.set(keys[i]!, value));
      return finish(inner, this.run(index, inner, args, depth + 1));
    });
    this.current.clear();
    for (const [key, value] of before) this.current.set(key, value);
    return region;
  }

  // Variables.

  /** Keys of the variables that a subgraph (or what it calls) assigns. */
  assignedBy(index: number, args: readonly Bound[], depth = 0): Set<string> {
    const keys = new Set<string>();
    const subgraph = this.subgraph(index);
    if (depth > maximumDepth) throw new FormatError(`TFLite: subgraph ${index} is called ${depth} calls deep`);
    const handles = new Map<number, string>();
    subgraph.inputs.forEach((tensor, i) => {
      const bound = args[i];
      if (bound && isResource(bound)) handles.set(tensor, bound.resource);
    });
    for (const operator of subgraph.operators) {
      if (++this.steps > maximumSteps) throw new CerebroError("limit", `model has more than ${maximumSteps} operators`);
      if (operator.name === "VAR_HANDLE") {
        for (const tensor of operator.outputs) handles.set(tensor, resourceKey(operator));
      }
      if (operator.name === "ASSIGN_VARIABLE") {
        const key = handles.get(operator.inputs[0] ?? -1);
        if (key !== undefined) keys.add(key);
      }
      const hidden = hiddenState(subgraph, operator);
      if (hidden) keys.add(hidden.key);
      for (const tensor of operator.inputs) {
        if (tensor >= 0 && subgraph.tensors[tensor]!.variable) keys.add(tensorKey(subgraph, tensor));
      }
      for (const { subgraph: called, from } of calls(operator)) {
        const passed = operator.inputs.slice(from).map((tensor): Bound => ({ resource: handles.get(tensor) ?? "" }));
        for (const key of this.assignedBy(called, passed, depth + 1)) keys.add(key);
      }
    }
    keys.delete("");
    return keys;
  }

  read(key: string, info: TensorInfo): Value {
    const value = this.current.get(key);
    if (!value) throw new FormatError(`TFLite: variable '${key}' (${info.name}) is read before it is given a value`);
    return value;
  }
  assign(key: string, value: Value): void {
    const declared = this.variables.get(key)?.initial;
    if (declared && !sameType(declared, value.type)) {
      throw new Unsupported(`variable of ${typeText(declared)} that becomes ${typeText(value.type)}`);
    }
    this.current.set(key, value);
  }
  currentOf(key: string): Value | undefined {
    return this.current.get(key);
  }
  /** Key of the variable tensor that an operator's input is. */
  variableKey(scope: Scope, operator: OperatorInfo, i: number): string | undefined {
    const tensor = operator.inputs[i] ?? -1;
    return tensor >= 0 && scope.subgraph.tensors[tensor]!.variable ? tensorKey(scope.subgraph, tensor) : undefined;
  }

  /** Finds the variables that a subgraph uses, with their first values. */
  findVariables(index: number): void {
    const seen = new Set<number>();
    const handles: { key: string; subgraph: SubgraphInfo; tensors: readonly number[] }[] = [];
    const initial = new Map<string, Tensor>();
    const visit = (at: number, depth: number): void => {
      if (seen.has(at)) return;
      if (depth > maximumDepth) throw new FormatError(`TFLite: subgraph ${at} is called ${depth} calls deep`);
      seen.add(at);
      const subgraph = this.subgraph(at);
      for (const operator of subgraph.operators) {
        if (operator.name === "CALL_ONCE") {
          const { subgraph: once } = readOptions(options.callOnce, operator.options);
          for (const [key, tensor] of this.initialValues(once)) initial.set(key, tensor);
        }
        if (operator.name === "VAR_HANDLE") {
          handles.push({ key: resourceKey(operator), subgraph, tensors: operator.outputs });
        }
        const hidden = hiddenState(subgraph, operator);
        if (hidden) this.variables.set(hidden.key, { name: hidden.key, initial: hidden.initial, assigned: true });
        for (const { subgraph: called } of calls(operator)) visit(called, depth + 1);
      }
      for (const info of subgraph.tensors) {
        if (info.variable) {
          const key = tensorKey(subgraph, info.index);
          this.variables.set(key, { name: info.name || key, initial: this.resetValue(info), assigned: true });
        }
      }
    };
    visit(index, 0);
    const assigned = this.assignedAnywhere();
    for (const { key, subgraph, tensors } of handles) {
      if (this.variables.has(key)) continue;
      const value = initial.get(key) ?? this.declaredType(subgraph, tensors);
      if (!value) continue;
      this.variables.set(key, { name: key.replace(/^\//, ""), initial: value, assigned: assigned.has(key) });
    }
  }

  /** What interpreters reset variable tensors to: zero points for int8, else zeros. */
  private resetValue(info: TensorInfo): Tensor {
    const type = this.variableType(info);
    const zero = info.quantization?.zeroPoints[0] ?? 0;
    return type.dtype === "i8" && zero !== 0 ? fromNumbers("i8", type.shape, [zero]) : zeros(type.dtype, type.shape);
  }
  private variableType(info: TensorInfo): TensorType {
    const type = this.typeOf(info);
    if (byteSize(type) > maximumVariable) {
      throw new FormatError(`TFLite: variable '${info.name}' of ${typeText(type)} is too large`);
    }
    return type;
  }
  /** Zeros of the type that a handle is read or written with. */
  private declaredType(subgraph: SubgraphInfo, handles: readonly number[]): Tensor | undefined {
    for (const operator of subgraph.operators) {
      if (!handles.includes(operator.inputs[0] ?? -1)) continue;
      const tensor =
        operator.name === "READ_VARIABLE"
          ? operator.outputs[0]
          : operator.name === "ASSIGN_VARIABLE"
            ? operator.inputs[1]
            : undefined;
      const info = subgraph.tensors[tensor ?? -1];
      if (!info) continue;
      const { dtype, shape } = this.variableType(info);
      return zeros(dtype, shape);
    }
    return undefined;
  }
  private assignedAnywhere(): Set<string> {
    const once = new Set<number>();
    for (const { operators: list } of this.file.subgraphs) {
      for (const operator of list) {
        if (operator.name === "CALL_ONCE") once.add(readOptions(options.callOnce, operator.options).subgraph);
      }
    }
    const keys = new Set<string>();
    for (const { index } of this.file.subgraphs) {
      if (!once.has(index)) for (const key of this.assignedBy(index, [])) keys.add(key);
    }
    return keys;
  }
  /** Runs an initialiser: the variables it assigns and their values. */
  private initialValues(index: number): Map<string, Tensor> {
    const inner = new Importer(this.file, this.lenient);
    const b = new Builder();
    try {
      inner.run(index, b, [], 0);
    } finally {
      this.problems.push(...inner.problems);
    }
    const values = new Map<string, Tensor>();
    for (const [key, value] of inner.current) {
      const tensor = constantOf(value, Infinity);
      if (!tensor) throw new FormatError(`TFLite: first value of variable '${key}' is not constant`);
      values.set(key, tensor);
    }
    return values;
  }

  /** Whether a value is an input of the program that may hold a shape: few integers. */
  isSmallInput(value: Value): boolean {
    const { dtype, shape } = value.type;
    return this.inputs.includes(value) && (dtype === "i32" || dtype === "i64") && shape.length <= 1;
  }

  /** Sets the states' values at the start of a program: constants for the ones nothing assigns. */
  begin(b: Builder, inputs: readonly Value[], states: readonly Value[]): void {
    this.inputs = inputs;
    const keys = this.stateKeys();
    for (const [key, { initial, assigned }] of this.variables) {
      this.current.set(key, assigned ? states[keys.indexOf(key)]! : b.constant(initial));
    }
  }
  stateKeys(): string[] {
    return [...this.variables].filter(([, { assigned }]) => assigned).map(([key]) => key);
  }

  /** The message of one problem, with its place. */
  static describe({ operator, where, reason }: Problem): string {
    return `${operator} (${where})${reason ? `: ${reason}` : ""}`;
  }
}
