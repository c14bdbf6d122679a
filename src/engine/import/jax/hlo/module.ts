// HLO modules (hlo.proto) as MLIR modules: computations become functions, instructions StableHLO operations.

import { FormatError } from "../../../../base/errors.ts";
import { elementCount, stridesOf } from "../../../hlo/tensor.ts";
import {
  type Attribute,
  type Block,
  elementBytes,
  i64,
  type Location,
  maximumDepth,
  type Operation,
  type RankedType,
  type Region,
  type Type,
  type Value,
} from "../mlir/module.ts";
import { attributesOf, operationName } from "./instructions.ts";
import type { ComputationMessage, InstructionMessage, LiteralMessage, ModuleMessage, ShapeMessage } from "./proto.ts";

const integerType = (width: number, sign: "" | "u"): Type => ({ kind: "integer", width, sign });
const floatType = (name: string): Type => ({ kind: "float", name });

/** Element types by their numbers (PrimitiveType of xla_data.proto). */
const elements: Readonly<Record<number, Type>> = {
  1: integerType(1, ""),
  2: integerType(8, ""),
  3: integerType(16, ""),
  4: integerType(32, ""),
  5: integerType(64, ""),
  6: integerType(8, "u"),
  7: integerType(16, "u"),
  8: integerType(32, "u"),
  9: integerType(64, "u"),
  10: floatType("f16"),
  11: floatType("f32"),
  12: floatType("f64"),
  15: { kind: "complex", element: floatType("f32") },
  16: floatType("bf16"),
  18: { kind: "complex", element: floatType("f64") },
  19: floatType("f8E5M2"),
  20: floatType("f8E4M3FN"),
  21: integerType(4, ""),
  22: integerType(4, "u"),
  23: floatType("f8E4M3B11FNUZ"),
  24: floatType("f8E5M2FNUZ"),
  25: floatType("f8E4M3FNUZ"),
  26: integerType(2, ""),
  27: integerType(2, "u"),
  28: floatType("f8E4M3"),
  29: floatType("f8E3M4"),
};
const tupleNumber = 13;
const tokenNumber = 17;

function typeOf(shape: ShapeMessage | undefined, depth = 0): Type {
  if (!shape || depth > maximumDepth) throw new FormatError("HLO: an instruction without a shape");
  if (shape.elementType === tupleNumber) {
    return { kind: "tuple", elements: shape.tupleShapes.map((each) => typeOf(each, depth + 1)) };
  }
  if (shape.elementType === tokenNumber) return { kind: "token" };
  const element = elements[shape.elementType];
  if (!element) throw new FormatError(`HLO: element type ${shape.elementType}`);
  return { kind: "tensor", shape: shape.dimensions.map((n, i) => (shape.dynamic[i] ? null : n)), element };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The elements of a literal as they are stored, by element type. */
function storedBytes(literal: LiteralMessage, number: number): Uint8Array | undefined {
  switch (number) {
    case 1:
      return Uint8Array.from(literal.preds, Number);
    case 2:
      return literal.s8s;
    case 3:
      return literal.s16s;
    case 4:
      return bytesOf(Int32Array.from(literal.s32s));
    case 5:
      return bytesOf(BigInt64Array.from(literal.s64s));
    case 6:
      return literal.u8s;
    case 7:
      return literal.u16s;
    case 8:
      return bytesOf(Uint32Array.from(literal.u32s));
    case 9:
      return bytesOf(BigUint64Array.from(literal.u64s));
    case 10:
      return literal.f16s;
    case 11:
      return joined(literal.f32s);
    case 12:
      return joined(literal.f64s);
    case 15:
      return joined(literal.c64s);
    case 16:
      return literal.bf16s;
    case 18:
      return joined(literal.c128s);
    case 21:
      return literal.s4s;
    case 22:
      return literal.u4s;
    case 26:
      return literal.s2s;
    case 27:
      return literal.u2s;
    default:
      return undefined;
  }
}

function constantOf(literal: LiteralMessage | undefined, name: string): Attribute {
  const shape = literal?.shape;
  const type = typeOf(shape);
  const bytes = literal && storedBytes(literal, shape!.elementType);
  if (type.kind !== "tensor" || !bytes) throw new FormatError(`HLO: constant '${name}' of a type that is not read`);
  const count = elementCount(shape!.dimensions, `HLO: constant '${name}'`);
  const width = elementBytes(type.element)!;
  if (bytes.length !== count * width) {
    throw new FormatError(`HLO: constant '${name}' needs ${count * width} bytes, has ${bytes.length}`);
  }
  return { kind: "dense", type, splat: false, bytes: rowMajor(bytes, shape!, width, name) };
}

/** Elements in row-major order: literals keep them in the order of their layout. */
function rowMajor(bytes: Uint8Array, shape: ShapeMessage, width: number, name: string): Uint8Array {
  const order = shape.layout?.minorToMajor ?? [];
  const { dimensions } = shape;
  const rank = dimensions.length;
  if (order.every((axis, i) => axis === rank - 1 - i)) return bytes;
  if (order.length !== rank || new Set(order).size !== rank || order.some((axis) => !(axis >= 0 && axis < rank))) {
    throw new FormatError(`HLO: constant '${name}' has layout [${order}]`);
  }
  const strides = stridesOf(dimensions);
  const result = new Uint8Array(bytes.length);
  const place = dimensions.map(() => 0);
  for (let from = 0; from < bytes.length; from += width) {
    const to = width * place.reduce((sum, n, axis) => sum + n * strides[axis]!, 0);
    result.set(bytes.subarray(from, from + width), to);
    for (const axis of order) {
      if (++place[axis]! < dimensions[axis]!) break;
      place[axis] = 0;
    }
  }
  return result;
}

const none = { attributes: new Map(), regions: [], location: undefined } as const;

/** Instructions with several results give a tuple of them. */
const several = new Set([
  "batch-norm-grad",
  "batch-norm-training",
  "custom-call",
  "opt-barrier",
  "reduce",
  "reduce-window",
  "rng-bit-generator",
  "scatter",
  "sort",
  "topk",
]);

class Translator {
  private readonly computations = new Map<number, ComputationMessage>();
  /** Shapes of the instructions by their numbers, with layouts. */
  private readonly shapes = new Map<number, ShapeMessage>();

  constructor(module: ModuleMessage) {
    for (const computation of module.computations) this.computations.set(computation.id, computation);
  }

  functionOf(computation: ComputationMessage, name: string): Operation {
    const block = this.block(computation);
    const returned = block.operations.at(-1)!.operands;
    const type: Type = {
      kind: "function",
      inputs: block.parameters.map((value) => value.type),
      results: returned.map((value) => value.type),
    };
    const attributes = new Map<string, Attribute>([
      ["sym_name", { kind: "string", value: name }],
      ["sym_visibility", { kind: "string", value: name === "main" ? "public" : "private" }],
      ["function_type", { kind: "type", type }],
    ]);
    return { name: "func.func", operands: [], results: [], ...none, attributes, regions: [{ blocks: [block] }] };
  }

  private named(id: number | undefined, instruction: InstructionMessage): ComputationMessage {
    const computation = id === undefined ? undefined : this.computations.get(id);
    return computation ?? this.fail(instruction, `computation ${id} is not defined`);
  }

  private fail(instruction: InstructionMessage, message: string): never {
    throw new FormatError(`HLO: ${instruction.opcode} '${instruction.name}': ${message}`);
  }

  private block({ name, instructions, rootId }: ComputationMessage): Block {
    const values = new Map<number, Value>();
    const parameters: Value[] = [];
    const operations: Operation[] = [];
    for (const instruction of instructions) {
      const type = typeOf(instruction.shape);
      this.shapes.set(instruction.id, instruction.shape!);
      const path = instruction.metadata?.opName;
      const location: Location = { name: path !== undefined && path !== "" ? path : instruction.name };
      const value: Value = { type, location };
      if (instruction.opcode === "parameter") {
        const index = instruction.parameterNumber;
        if (!(index >= 0 && index < instructions.length)) this.fail(instruction, `number ${index}`);
        // "x.1" is the first instruction of what the tracer called x.
        const plain = instruction.name.replace(/\.\d+$/, "");
        parameters[index] = { type, location: { name: path !== undefined && path !== "" ? path : plain } };
        values.set(instruction.id, parameters[index]);
        continue;
      }
      const operands = instruction.operandIds.map(
        (id) => values.get(id) ?? this.fail(instruction, `operand ${id} is not defined before it`),
      );
      this.instruction(instruction, operands, value, operations);
      values.set(instruction.id, value);
    }
    const root = values.get(rootId);
    if (!root) throw new FormatError(`HLO: computation '${name}' has no root ${rootId}`);
    for (let i = 0; i < parameters.length; i++) {
      if (!parameters[i]) throw new FormatError(`HLO: computation '${name}' has no parameter ${i}`);
    }
    operations.push({ name: "func.return", operands: [root], results: [], ...none });
    return { parameters, operations };
  }

  private instruction(
    from: InstructionMessage,
    operands: readonly Value[],
    value: Value,
    operations: Operation[],
  ): void {
    const { opcode, calledIds } = from;
    const { location } = value;
    const add = (name: string, given: readonly Value[], results: readonly Value[], more: Partial<Operation> = {}) =>
      operations.push({ name, operands: given, results, ...none, location, ...more });
    const callee = (id: number | undefined): ReadonlyMap<string, Attribute> =>
      new Map([["callee", { kind: "symbol", value: functionName(this.named(id, from).id) }]]);
    switch (opcode) {
      case "constant":
        return void add("stablehlo.constant", [], [value], {
          attributes: new Map([["value", constantOf(from.literal, from.name)]]),
        });
      case "call":
      case "fusion":
        return void add("func.call", operands, [value], { attributes: callee(calledIds[0]) });
      case "while":
        return void add("stablehlo.while", operands, [value], {
          regions: [calledIds[1], calledIds[0]].map((id) => this.calling(id, from, [value.type])),
        });
      case "conditional": {
        const regions = calledIds.map((id, i): Region => {
          const given = operands[i + 1] ?? this.fail(from, `no operand for branch ${i}`);
          return this.calling(id, from, [], [given]);
        });
        const first = operands[0]?.type;
        const boolean = first?.kind === "tensor" && first.element.kind === "integer" && first.element.width === 1;
        return void add(boolean ? "stablehlo.if" : "stablehlo.case", operands.slice(0, 1), [value], { regions });
      }
      case "bitcast":
        return this.bitcast(from, operands, value, operations);
      case "rng": {
        const shape = value.type.kind === "tensor" ? value.type.shape.map((n) => BigInt(n ?? 0)) : [];
        const type: RankedType = { kind: "tensor", shape: [shape.length], element: i64 };
        const extents: Value = { type, location };
        const dense: Attribute = { kind: "dense", type, splat: false, bytes: bytesOf(BigInt64Array.from(shape)) };
        add("stablehlo.constant", [], [extents], { attributes: new Map([["value", dense]]) });
        return void add("stablehlo.rng", [...operands, extents], [value], { attributes: attributesOf(from) });
      }
      default: {
        const regions = regioned.has(opcode)
          ? calledIds.map((id) => ({ blocks: [this.reducer(this.named(id, from))] }))
          : [];
        const more = { attributes: attributesOf(from), regions };
        if (value.type.kind !== "tuple" || !several.has(opcode)) {
          return void add(operationName(opcode), operands, [value], more);
        }
        const parts = value.type.elements.map((type): Value => ({ type, location }));
        // A barrier's operand is one tuple, which passes through.
        if (opcode === "opt-barrier") return void add(operationName(opcode), operands, [value], more);
        add(operationName(opcode), operands, parts, more);
        return void add("stablehlo.tuple", parts, [value]);
      }
    }
  }

  /** The same elements in memory with another shape: through the order in which they lie there. */
  private bitcast(from: InstructionMessage, operands: readonly Value[], value: Value, operations: Operation[]): void {
    const [source] = operands;
    const [a, b] = [this.shapes.get(from.operandIds[0] ?? -1), from.shape];
    if (source?.type.kind !== "tensor" || value.type.kind !== "tensor" || !a || !b)
      return this.fail(from, "of no tensor");
    const { element } = value.type;
    if (elementBytes(element) !== elementBytes(source.type.element)) this.fail(from, "changes the size of elements");
    const add = (name: string, x: Value, shape: readonly number[], permutation?: readonly number[]): Value => {
      const result: Value = { type: { kind: "tensor", shape, element }, location: value.location };
      const attributes = new Map<string, Attribute>();
      if (permutation) attributes.set("permutation", { kind: "list", element: i64, values: permutation.map(BigInt) });
      operations.push({ name, operands: [x], results: [result], ...none, attributes });
      return result;
    };
    // Dimensions from the outermost in memory to the innermost.
    const orderOf = ({ dimensions, layout }: ShapeMessage): number[] => {
      const order = layout?.minorToMajor ?? [];
      const plain = dimensions.map((_, i) => i);
      if (order.length === 0) return plain;
      return plain.every((i) => order.includes(i)) ? [...order].reverse() : this.fail(from, `layout [${order}]`);
    };
    const [before, after] = [orderOf(a), orderOf(b)];
    const lying = add(
      "stablehlo.transpose",
      source,
      before.map((i) => a.dimensions[i]!),
      before,
    );
    const shaped = add(
      "stablehlo.reshape",
      lying,
      after.map((i) => b.dimensions[i]!),
    );
    const inverse = after.map((_, i) => after.indexOf(i));
    const attributes = new Map<string, Attribute>([
      ["permutation", { kind: "list", element: i64, values: inverse.map(BigInt) }],
    ]);
    operations.push({ name: "stablehlo.transpose", operands: [shaped], results: [value], ...none, attributes });
  }

  /** A region that calls a computation with its own parameters, or with values from around it. */
  private calling(
    id: number | undefined,
    from: InstructionMessage,
    types: readonly Type[],
    given: readonly Value[] = [],
  ): Region {
    const target = this.named(id, from);
    const parameters = types.map((type): Value => ({ type, location: undefined }));
    const root = target.instructions.find((each) => each.id === target.rootId);
    const result: Value = { type: typeOf(root?.shape), location: undefined };
    const attributes = new Map<string, Attribute>([["callee", { kind: "symbol", value: functionName(target.id) }]]);
    const operations: Operation[] = [
      { name: "func.call", operands: [...given, ...parameters], results: [result], ...none, attributes },
      { name: "stablehlo.return", operands: [result], results: [], ...none },
    ];
    return { blocks: [{ parameters, operations }] };
  }

  private reducers = new Map<number, Block>();

  /** The computation of a reduction, sort or scatter as the block of a region. */
  private reducer(computation: ComputationMessage): Block {
    const known = this.reducers.get(computation.id);
    if (known) return known;
    if (++this.depth > maximumDepth) throw new FormatError(`HLO: computations nested deeper than ${maximumDepth}`);
    const block = this.block(computation);
    this.depth--;
    this.reducers.set(computation.id, block);
    return block;
  }
  private depth = 0;
}

const regioned = new Set([
  "map",
  "reduce",
  "reduce-window",
  "scatter",
  "select-and-scatter",
  "sort",
  "all-reduce",
  "reduce-scatter",
]);

const functionName = (id: number) => `computation.${id}`;

/** The module with the entry computation as its main function. Throws FormatError. */
export function translate(message: ModuleMessage): Operation {
  const translator = new Translator(message);
  const operations = message.computations.map((computation) =>
    translator.functionOf(computation, computation.id === message.entryId ? "main" : functionName(computation.id)),
  );
  if (!message.computations.some(({ id }) => id === message.entryId)) {
    throw new FormatError(`HLO: entry computation ${message.entryId} is not defined`);
  }
  const block: Block = { parameters: [], operations };
  return { name: "builtin.module", operands: [], results: [], ...none, regions: [{ blocks: [block] }] };
}
