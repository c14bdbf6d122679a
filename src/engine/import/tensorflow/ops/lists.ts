// Lists of tensors (tensorflow/core/ops/list_ops.cc) and TensorArrays (data_flow_ops.cc), whose flow is the list.

import type { Value } from "../../../hlo/graph.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import { elementCount, sameShape, toNumbers } from "../../../hlo/tensor.ts";
import { type Call, type Importer, NotConstant, type Item, type List } from "../call.ts";
import { elementsOf } from "../loop.ts";
import type { ShapeProto } from "../messages.ts";
import { scatterRows, take } from "./gathers.ts";
import { part } from "./slices.ts";

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** An element shape given as an input: undefined unless all of it is known. */
function shapeAt(c: Call, i: number): number[] | undefined {
  const given = c.known(i);
  if (!given || given.shape.length === 0) return undefined;
  const shape = Array.from(toNumbers(given));
  return shape.some((n) => n < 0) ? undefined : shape;
}
function shapeFrom(proto: ShapeProto | undefined): number[] | undefined {
  if (!proto || proto.unknownRank) return undefined;
  const shape = proto.dim.map(({ size }) => size);
  return shape.some((n) => n < 0) ? undefined : shape;
}

function reserve(c: Call): List {
  const length = c.number(1);
  return { kind: "list", dtype: c.type("element_dtype"), shape: shapeAt(c, 0), length, elements: undefined };
}
const ofStack = (stack: Value): List => ({
  kind: "list",
  dtype: stack.type.dtype,
  shape: stack.type.shape.slice(1),
  length: stack.type.shape[0]!,
  elements: stack,
});

/** The elements stacked; `shape` where the list itself does not say. */
function stackOf(c: Call, list: List, shape?: readonly number[]): Value {
  const known = list.shape ?? shape;
  if (!known && list.length === 0) return c.b.full(list.dtype, [0], 0);
  return elementsOf(c.services, { ...list, shape: known }) ?? c.unsupported("a list whose elements were never set");
}

function get(c: Call, list: List, index: Value, shape?: readonly number[]): Value {
  const { b } = c;
  const stack = stackOf(c, list, shape);
  const inner = stack.type.shape.slice(1);
  if (list.length === 0) return c.fail("an element of an empty list");
  const known = constantOf(index);
  if (known) {
    const at = Number(known.data[0]);
    if (!(at >= 0 && at < list.length)) c.fail(`element ${at} of a list of ${list.length}`);
    return b.reshape(part(b, stack, 0, at, at + 1), inner);
  }
  const zero = b.scalar("i32", 0);
  const at = b.reshape(b.convert(index, "i32"), []);
  const row = b.op("dynamicSlice", [stack, at, ...inner.map(() => zero)], { sizes: [1, ...inner] });
  return b.reshape(row, inner);
}

function set(c: Call, list: List, index: Value, value: Value, dynamic = false): List {
  const { b } = c;
  const { shape } = value.type;
  if (list.shape && !sameShape(list.shape, shape)) {
    if (list.elements) c.unsupported(`a list of elements [${list.shape}] and [${shape}]`);
  }
  const known = constantOf(index);
  const grows = dynamic || c.flag("resize_if_index_out_of_bounds");
  if (!known && (grows || list.length === 0)) {
    throw new NotConstant(`${c.origin}: a list that grows to a length that depends on the inputs`);
  }
  const length = known ? Math.max(list.length, Number(known.data[0]) + 1) : list.length;
  if (known && (Number(known.data[0]) < 0 || (length > list.length && !grows))) {
    c.fail(`element ${Number(known.data[0])} of a list of ${list.length}`);
  }
  const grown = resize(c, { ...list, shape }, length);
  const zero = b.scalar("i32", 0);
  const at = b.reshape(b.convert(index, "i32"), []);
  const row = b.reshape(value, [1, ...shape]);
  const elements =
    length === 1 && known
      ? row
      : b.op("dynamicUpdateSlice", [stackOf(c, grown), row, at, ...shape.map(() => zero)], {} as never);
  return { ...grown, elements };
}

function resize(c: Call, list: List, length: number): List {
  if (length === list.length || !list.elements) return { ...list, length };
  const { b } = c;
  const elements =
    length < list.length
      ? part(b, list.elements, 0, 0, length)
      : b.pad(
          list.elements,
          list.elements.type.shape.map(() => 0),
          list.elements.type.shape.map((_, i) => (i === 0 ? length - list.length : 0)),
        );
  return { ...list, length, elements };
}

function push(c: Call, list: List, value: Value): List {
  const row = c.b.reshape(value, [1, ...value.type.shape]);
  const elements = list.length === 0 ? row : c.b.concatenate([stackOf(c, list, value.type.shape), row], 0);
  return { ...list, shape: value.type.shape, length: list.length + 1, elements };
}

function gather(c: Call, list: List, indices: Value, shape?: readonly number[]): Value {
  const stack = stackOf(c, list, shape);
  const known = constantOf(indices);
  // Usually all of them, in order.
  if (known && known.shape[0] === list.length && toNumbers(known).every((n, i) => n === i)) return stack;
  return take(c.b, stack, indices, 0);
}

function scatter(c: Call, list: List, indices: Value, values: Value): List {
  const { b } = c;
  const shape = values.type.shape.slice(1);
  const known = constantOf(indices);
  const order = known && Array.from(toNumbers(known));
  const length = order ? Math.max(list.length, ...order.map((n) => n + 1)) : list.length;
  if (order && order.length === length && order.every((n, i) => n === i)) {
    return { ...list, shape, length, elements: values };
  }
  const grown = resize(c, { ...list, shape: list.shape ?? shape }, length);
  const rows = b.reshape(indices, [elementCount(indices.type.shape), 1]);
  return { ...grown, elements: scatterRows(b, stackOf(c, grown), rows, values, "replace") };
}

/** Elements one after the other, and how long each is. */
function concatenated(c: Call, list: List, shape?: readonly number[]): Value[] {
  const stack = stackOf(c, list, shape);
  const [count = 0, rows = 0, ...inner] = stack.type.shape;
  const lengths = range(count).map(() => rows);
  return [c.b.reshape(stack, [count * rows, ...inner]), c.b.numbers("i64", [count], lengths)];
}

function splitRows(c: Call, list: List, value: Value, lengths: number[]): List {
  const [length = 0] = lengths;
  if (lengths.some((n) => n !== length)) c.unsupported("a split in parts of different lengths");
  return { ...list, ...ofStack(c.b.reshape(value, [lengths.length, length, ...value.type.shape.slice(1)])) };
}

// TensorArrays: the handle says which one, the flow is the list.

function tensorArray(c: Call): Item[] {
  const list: List = {
    kind: "list",
    dtype: c.type("dtype"),
    shape: shapeFrom(c.shapeOf("element_shape")),
    length: c.number(0),
    elements: undefined,
  };
  return [{ kind: "handle", op: c.node.op, node: c.node }, list];
}
const elementShape = (c: Call) => shapeFrom(c.shapeOf("element_shape"));

export const lists: Readonly<Record<string, Importer>> = {
  TensorListReserve: reserve,
  EmptyTensorList: (c) => ({
    kind: "list",
    dtype: c.type("element_dtype"),
    shape: shapeAt(c, 0),
    length: 0,
    elements: undefined,
  }),
  TensorListFromTensor: (c) => ofStack(c.x(0)),
  TensorListGetItem: (c) => get(c, c.list(0), c.x(1), shapeAt(c, 2)),
  TensorListSetItem: (c) => set(c, c.list(0), c.x(1), c.x(2)),
  TensorListStack: (c) => stackOf(c, c.list(0), shapeAt(c, 1)),
  TensorListPushBack: (c) => push(c, c.list(0), c.x(1)),
  TensorListPopBack: (c) => {
    const list = c.list(0);
    const last = c.b.scalar("i32", list.length - 1);
    return [resize(c, list, list.length - 1), get(c, list, last, shapeAt(c, 1))];
  },
  TensorListLength: (c) => c.b.scalar("i32", c.list(0).length),
  TensorListResize: (c) => resize(c, c.list(0), c.number(1)),
  TensorListElementShape: (c) => {
    const { shape } = c.list(0);
    const dtype = c.type("shape_type");
    return shape ? c.b.numbers(dtype, [shape.length], shape) : c.b.scalar(dtype, -1);
  },
  TensorListGather: (c) => gather(c, c.list(0), c.x(1), shapeAt(c, 2)),
  TensorListScatter: (c) =>
    scatter(
      c,
      { kind: "list", dtype: c.dtype(0), shape: shapeAt(c, 2), length: 0, elements: undefined },
      c.x(1),
      c.x(0),
    ),
  TensorListScatterV2: (c) =>
    scatter(
      c,
      {
        kind: "list",
        dtype: c.dtype(0),
        shape: shapeAt(c, 2),
        length: Math.max(0, c.number(3)),
        elements: undefined,
      },
      c.x(1),
      c.x(0),
    ),
  TensorListScatterIntoExistingList: (c) => scatter(c, c.list(0), c.x(2), c.x(1)),
  TensorListConcat: (c) => concatenated(c, c.list(0)),
  TensorListConcatV2: (c) => concatenated(c, c.list(0), shapeAt(c, 1)),
  TensorListConcatLists: (c) => {
    const [first, second] = [c.list(0), c.list(1)];
    if (first.length === 0) return second;
    if (second.length === 0) return first;
    return ofStack(c.b.concatenate([stackOf(c, first, second.shape), stackOf(c, second, first.shape)], 0));
  },
  TensorListSplit: (c) =>
    splitRows(
      c,
      { kind: "list", dtype: c.dtype(0), shape: undefined, length: 0, elements: undefined },
      c.x(0),
      c.numbers(2),
    ),

  TensorArrayV3: tensorArray,
  TensorArrayWriteV3: (c) => set(c, c.list(3), c.x(1), c.x(2)),
  TensorArrayReadV3: (c) => get(c, c.list(2), c.x(1)),
  TensorArrayGatherV3: (c) => gather(c, c.list(2), c.x(1), elementShape(c)),
  TensorArrayScatterV3: (c) => scatter(c, c.list(3), c.x(1), c.x(2)),
  TensorArraySizeV3: (c) => c.b.scalar("i32", c.list(1).length),
  TensorArrayConcatV3: (c) => concatenated(c, c.list(1)),
  TensorArraySplitV3: (c) => splitRows(c, c.list(3), c.x(1), c.numbers(2)),
  TensorArrayCloseV3: () => [],
};
