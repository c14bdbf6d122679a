// PyTorch's zip files: a pickle that describes tensors, and their storages. The pickle is never run: a handful of
// opcodes build plain values, and only the calls that make tensors are understood. Sources: Python's pickletools,
// torch.serialization and torch._utils.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { Cursor, range } from "../../../base/cursor.ts";
import { hex } from "../../../base/text.ts";
import { type ElementType, elementSizes, arraySize } from "../../../formats/array.ts";
import { zipContent, type ZipEntry } from "../../../formats/zip.ts";
import { maximumBytes } from "../../hlo/tensor.ts";
import { tensorOf } from "../arrays.ts";
import { type Weight, type Weights, weightsOf } from "./weights.ts";

const what = "pytorch";
const pickleLimit = 1 << 26;
const maximumDepth = 100;
const maximumValues = 1 << 20;

const storages: Readonly<Record<string, ElementType>> = {
  DoubleStorage: "f64",
  FloatStorage: "f32",
  HalfStorage: "f16",
  BFloat16Storage: "bf16",
  LongStorage: "i64",
  IntStorage: "i32",
  ShortStorage: "i16",
  CharStorage: "i8",
  ByteStorage: "u8",
  BoolStorage: "i1",
  ComplexFloatStorage: "c64",
  ComplexDoubleStorage: "c128",
};

/** A name that the pickle refers to. Nothing is ever imported. */
class Global {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

interface Storage {
  readonly kind: "storage";
  readonly dtype: ElementType;
  readonly key: string;
}

interface StoredTensor {
  readonly kind: "tensor";
  readonly storage: Storage;
  /** In elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

type Value = null | boolean | number | bigint | string | Global | Storage | StoredTensor | Value[] | Dictionary | Mark;
type Dictionary = Map<Value, Value>;
class Mark {}

export const isTorchArchive = (entries: readonly ZipEntry[]): boolean =>
  entries.some(({ name }) => /(^|\/)data\.pkl$/.test(name));

/** Reads the tensors of a state dictionary, or of a tree of them. Throws FormatError. */
export function readTorch(bytes: Uint8Array, entries: readonly ZipEntry[]): Weights {
  const pickle = entries.find(({ name }) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) throw new FormatError(`${what}: archive has no data.pkl`);
  const folder = pickle.name.slice(0, -"data.pkl".length);
  const order = entries.find(({ name }) => name === `${folder}byteorder`);
  if (order && new TextDecoder().decode(zipContent(bytes, order, 64)).trim() === "big") {
    throw new UnsupportedFormat(`${what}: big-endian storages`);
  }
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const list: Weight[] = [];
  const add = (name: string, tensor: StoredTensor) => {
    const { dtype, key } = tensor.storage;
    const size = arraySize(dtype, tensor.shape, `${what}: "${name}"`);
    if (size > maximumBytes) throw new FormatError(`${what}: "${name}" has ${size} bytes, at most ${maximumBytes}`);
    const entry = byName.get(`${folder}data/${key}`);
    if (!entry) throw new FormatError(`${what}: "${name}" is in storage "${key}", which is missing`);
    const read = () => tensorOf({ dtype, shape: tensor.shape, bytes: elements(bytes, entry, tensor, name) }, name);
    list.push({ name, dtype, shape: tensor.shape, read });
  };
  collect(unpickle(zipContent(bytes, pickle, pickleLimit)), add);
  return weightsOf("pytorch", list, new Map());
}

function isTensor(value: Value): value is StoredTensor {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tensor";
}

/** Finds the tensors of a tree. Values may be shared: what is visited is counted, not what was read. */
function collect(root: Value, add: (name: string, tensor: StoredTensor) => void): void {
  let visited = 0;
  const visit = (value: Value, name: string, depth: number): void => {
    if (depth > maximumDepth) throw new FormatError(`${what}: more than ${maximumDepth} levels`);
    if (++visited > maximumValues) throw new FormatError(`${what}: more than ${maximumValues} values`);
    if (isTensor(value)) add(name, value);
    else if (value instanceof Map) {
      for (const [key, each] of value) {
        if (typeof key === "string") visit(each, name === "" ? key : `${name}.${key}`, depth + 1);
      }
    }
  };
  visit(root, "", 0);
}

/** The elements of a tensor in row-major order: strides may skip, turn round or repeat those of the storage. */
function elements(bytes: Uint8Array, entry: ZipEntry, tensor: StoredTensor, name: string): Uint8Array {
  const { offset, shape, strides } = tensor;
  const width = elementSizes[tensor.storage.dtype];
  const content = zipContent(bytes, entry, maximumBytes);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (count === 0) return new Uint8Array(0);
  const last = shape.reduce((at, extent, i) => at + (extent - 1) * strides[i]!, offset);
  range(content, offset * width, (last + 1 - offset) * width, what, `tensor "${name}"`);
  let expected = 1;
  let plain = true;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) plain = false;
    expected *= shape[i]!;
  }
  if (plain) return content.subarray(offset * width, (offset + count) * width);
  const result = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < result.length; to += width) {
    for (let k = 0; k < width; k++) result[to + k] = content[from * width + k]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}

const isSizes = (value: Value | undefined): value is number[] =>
  Array.isArray(value) && value.every((each) => typeof each === "number" && Number.isSafeInteger(each) && each >= 0);

/** What a call in the pickle gives; null stands for everything that is no tensor. */
function call(callable: Value, given: Value): Value {
  const name = callable instanceof Global ? callable.name : "";
  const parts = Array.isArray(given) ? given : [];
  switch (name) {
    case "collections OrderedDict":
      return new Map();
    case "torch._utils _rebuild_tensor":
    case "torch._utils _rebuild_tensor_v2": {
      const [storage, offset, shape, strides] = parts;
      const isStorage = typeof storage === "object" && storage !== null && "kind" in storage;
      if (!isStorage || storage.kind !== "storage" || typeof offset !== "number" || offset < 0) {
        throw new FormatError(`${what}: a tensor without a storage`);
      }
      if (!isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
        throw new FormatError(`${what}: a tensor without a shape`);
      }
      return { kind: "tensor", storage, offset, shape, strides };
    }
    case "torch._utils _rebuild_parameter":
    case "torch._utils _rebuild_parameter_with_state":
      return parts[0] ?? null;
    default:
      return null;
  }
}

/** ("storage", its class, key, place, count): the only persistent ids there are. */
function storageOf(id: Value): Storage {
  const [kind, type, key] = Array.isArray(id) ? id : [];
  const name = type instanceof Global ? type.name.replace(/^torch /, "") : "";
  const dtype = Object.hasOwn(storages, name) ? storages[name] : undefined;
  if (kind !== "storage" || typeof key !== "string") throw new FormatError(`${what}: a storage without a key`);
  if (!dtype) throw new UnsupportedFormat(`${what}: storages of type ${name} are not built`);
  return { kind: "storage", dtype, key };
}

/** Runs the few opcodes that describe values (pickle protocols 2 to 4). */
function unpickle(bytes: Uint8Array): Value {
  const cursor = new Cursor(bytes, `${what}: data.pkl`);
  const stack: Value[] = [];
  const memo = new Map<number, Value>();
  const pop = (): Value => {
    const value = stack.pop();
    if (value === undefined) throw new FormatError(`${cursor.what}: nothing to take at ${hex(cursor.position)}`);
    return value;
  };
  const popMarked = (): Value[] => {
    const at = stack.findLastIndex((value) => value instanceof Mark);
    if (at < 0) throw new FormatError(`${cursor.what}: no mark before ${hex(cursor.position)}`);
    return stack.splice(at).slice(1);
  };
  const top = (): Value => {
    const value = stack.at(-1);
    if (value === undefined) throw new FormatError(`${cursor.what}: nothing to fill at ${hex(cursor.position)}`);
    return value;
  };
  const text = (length: number) => new TextDecoder().decode(cursor.take(length));
  const line = () => {
    const start = cursor.position;
    while (cursor.u8() !== 10);
    return new TextDecoder().decode(bytes.subarray(start, cursor.position - 1));
  };
  const setItems = (items: Value[]) => {
    const map = top();
    for (let i = 0; i + 1 < items.length; i += 2) if (map instanceof Map) map.set(items[i]!, items[i + 1]!);
  };
  const append = (items: Value[]) => {
    const list = top();
    if (Array.isArray(list)) list.push(...items);
  };
  const recall = (key: number) => {
    const value = memo.get(key);
    if (value === undefined) throw new FormatError(`${cursor.what}: nothing was remembered as ${key}`);
    stack.push(value);
  };
  const signed = (count: number) => {
    let value = 0n;
    cursor.take(count).forEach((byte, i) => (value |= BigInt(byte) << BigInt(8 * i)));
    const number = BigInt.asIntN(8 * count, value);
    return Number.isSafeInteger(Number(number)) ? Number(number) : number;
  };
  const float = () => {
    const data = cursor.take(8);
    return new DataView(data.buffer, data.byteOffset, 8).getFloat64(0);
  };
  const opcodes: Readonly<Record<number, () => void>> = {
    0x80: () => cursor.skip(1),
    0x95: () => cursor.skip(8),
    0x28: () => stack.push(new Mark()),
    0x30: () => void pop(),
    0x31: () => void popMarked(),
    0x4e: () => stack.push(null),
    0x88: () => stack.push(true),
    0x89: () => stack.push(false),
    0x4b: () => stack.push(cursor.u8()),
    0x4d: () => stack.push(cursor.u16()),
    0x4a: () => stack.push(cursor.i32()),
    0x8a: () => stack.push(signed(cursor.u8())),
    0x47: () => stack.push(float()),
    0x58: () => stack.push(text(cursor.u32())),
    0x8c: () => stack.push(text(cursor.u8())),
    0x54: () => stack.push(text(cursor.u32())),
    0x55: () => stack.push(text(cursor.u8())),
    0x5d: () => stack.push([]),
    0x7d: () => stack.push(new Map()),
    0x8f: () => stack.push([]),
    0x29: () => stack.push([]),
    0x85: () => stack.push([pop()]),
    0x86: () => stack.push([pop(), pop()].toReversed()),
    0x87: () => stack.push([pop(), pop(), pop()].toReversed()),
    0x74: () => stack.push(popMarked()),
    0x6c: () => stack.push(popMarked()),
    0x61: () => {
      const item = pop();
      append([item]);
    },
    0x65: () => append(popMarked()),
    0x90: () => append(popMarked()),
    0x73: () => {
      const value = pop();
      const key = pop();
      setItems([key, value]);
    },
    0x75: () => setItems(popMarked()),
    0x63: () => stack.push(new Global(`${line()} ${line()}`)),
    0x93: () => {
      const name = pop();
      const module = pop();
      stack.push(new Global(`${String(module)} ${String(name)}`));
    },
    0x52: () => {
      const given = pop();
      stack.push(call(pop(), given));
    },
    0x81: () => {
      const given = pop();
      stack.push(call(pop(), given));
    },
    // State of an object: of those we make, none has any.
    0x62: () => void pop(),
    0x51: () => stack.push(storageOf(pop())),
    0x71: () => memo.set(cursor.u8(), top()),
    0x72: () => memo.set(cursor.u32(), top()),
    0x94: () => memo.set(memo.size, top()),
    0x68: () => recall(cursor.u8()),
    0x6a: () => recall(cursor.u32()),
  };
  for (;;) {
    const at = cursor.position;
    const code = cursor.u8();
    if (code === 0x2e) return pop();
    const opcode = Object.hasOwn(opcodes, code) ? opcodes[code] : undefined;
    if (!opcode) throw new UnsupportedFormat(`${cursor.what}: opcode ${hex(code)} at ${hex(at)} is not read`);
    opcode();
  }
}
