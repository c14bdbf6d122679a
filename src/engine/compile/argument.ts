// The kernel of argmax and argmin: a reduction of pairs of an element and its place. What the region does is found by
// trying it on a few pairs.

import type { Code } from "../../wasm/code.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { type DType, dtypes } from "../hlo/dtype.ts";
import { is, type Operation, type Value } from "../hlo/graph.ts";
import { elementCount, fromNumbers, stridesOf, type Tensor, toNumbers } from "../hlo/tensor.ts";
import { evaluateOperation } from "../interpret/interpret.ts";
import { scalarOf } from "./cluster.ts";
import type { Kernel } from "./kernel.ts";
import { repeat } from "./pointers.ts";

/** Which element is taken, and what NaN does: it wins, or is never better than anything. */
interface Choice {
  readonly which: "gt" | "lt";
  readonly nan: boolean;
}

/** Element types and how they are compared. */
const lanes: Partial<Record<DType, "f32" | "f64" | "i32" | "i64">> = {
  f32: "f32",
  f64: "f64",
  i8: "i32",
  u8: "i32",
  i16: "i32",
  u16: "i32",
  i32: "i32",
  i64: "i64",
};

/** The place that a choice makes of a list. */
function expected(list: readonly number[], { which, nan }: Choice): number {
  let best = 0;
  list.forEach((number, i) => {
    const than = list[best]!;
    const better = which === "gt" ? number > than : number < than;
    if (better || (nan && Number.isNaN(number) && !Number.isNaN(than))) best = i;
  });
  return best;
}

/** What a region does, if it is one of the choices. */
function choiceOf(operation: Operation<"reduce">): Choice | undefined {
  const [x, places, start, first] = operation.operands as [Value, Value, Value, Value];
  const startOf = (value: Value) => (is(value.producer, "constant") ? value.producer.attributes.value : undefined);
  const [low, zero] = [startOf(start), startOf(first)];
  if (!low || !zero || Number(toNumbers(zero)[0]) !== 0) return undefined;
  const float = dtypes[x.type.dtype].kind === "float";
  const lists = [
    [1, 2, 0],
    [2, 1, 2],
    [5, 5, 5],
    [0, 3, 3],
    [3, 0, 0],
    [1, 2, 3],
    ...(float
      ? [
          [1, NaN, 2],
          [NaN, 1, NaN],
          [1, 2, NaN],
          [NaN, 2, 3],
          [-Infinity, -Infinity, -Infinity],
          [Infinity, Infinity, Infinity],
        ]
      : []),
  ];
  const made = (dtype: DType, numbers: readonly number[]): Value & { tensor: Tensor } => {
    const tensor = fromNumbers(dtype, [numbers.length], dtype === "i64" ? numbers.map(BigInt) : numbers);
    return { type: tensor, id: -1, producer: undefined, index: 0, tensor };
  };
  const got = lists.map((list) => {
    const [a, b] = [made(x.type.dtype, list), made(places.type.dtype, [0, 1, 2])];
    const trial: Operation<"reduce"> = {
      ...operation,
      operands: [a, b, start, first],
      attributes: { dimensions: [0] },
    };
    const environment = new Map<Value, Tensor>([
      [a, a.tensor],
      [b, b.tensor],
      [start, low],
      [first, zero],
    ]);
    const [value, place] = evaluateOperation(trial as Operation, environment);
    const at = toNumbers(place!)[0]!;
    return Object.is(toNumbers(value!)[0], list[at]) ? at : -1;
  });
  const choices = (["gt", "lt"] as const).flatMap((which) => [true, false].map((nan): Choice => ({ which, nan })));
  return choices.find((choice) => lists.every((list, i) => expected(list, choice) === got[i]));
}

/** The kernel of a reduction to the largest or smallest element and its place; undefined for other operations. */
export function argumentKernel(operation: Operation): Kernel | undefined {
  if (!is(operation, "reduce") || operation.operands.length !== 4) return undefined;
  const [x, places, start] = operation.operands as [Value, Value, Value, Value];
  const { dimensions } = operation.attributes;
  const axis = dimensions[0]!;
  const iota = places.producer;
  const [value, place] = operation.results as readonly [Value, Value];
  if (dimensions.length !== 1 || !is(iota, "iota") || iota.attributes.dimension !== axis) return undefined;
  if (!lanes[x.type.dtype] || (places.type.dtype !== "i32" && places.type.dtype !== "i64")) return undefined;
  if (scalarOf(start) === undefined || elementCount(x.type.shape) === 0) return undefined;
  const choice = choiceOf(operation);
  if (!choice) return undefined;
  const { shape } = x.type;
  const extent = shape[axis]!;
  const stride = stridesOf(shape)[axis]!;
  return {
    key: `argument ${choice.which} ${choice.nan} ${x.type.dtype} ${place.type.dtype} ${extent} ${stride}`,
    name: `${choice.which === "gt" ? "argmax" : "argmin"} [${shape.join("x")}]`,
    units: elementCount(value.type.shape),
    unitCost: extent + 10,
    operands: [x],
    results: [value, place],
    packs: [],
    scratch: 0,
    emit: (code) => emitArgument(code, choice, { dtype: x.type.dtype, index: place.type.dtype, extent, stride }),
  };
}

function emitArgument(
  code: Code,
  { which, nan }: Choice,
  { dtype, index, extent, stride }: { dtype: DType; index: DType; extent: number; stride: number },
): void {
  const lane = lanes[dtype]!;
  const { bytes, kind } = dtypes[dtype];
  const [at, best, next] = [code.local(type.i32), code.local(type[lane]), code.local(type[lane])];
  const [place, count] = [code.local(type.i32), code.local(type.i32)];
  const load = (): void => {
    const sign = kind === "signed" ? "s" : "u";
    if (lane === "i32" && bytes === 1) code.memory(op[`i32.load8_${sign}`]);
    else if (lane === "i32" && bytes === 2) code.memory(op[`i32.load16_${sign}`]);
    else code.memory(op[`${lane}.load`]);
  };
  const out = code.block();
  const units = code.loop();
  code.get(0).get(1).op(op["i32.ge_s"]).brIf(out);
  // Unit u: (u / stride) * extent * stride + u % stride, as rows lie one after the other in blocks of `stride`.
  code
    .get(2)
    .get(0)
    .i32(stride)
    .op(op["i32.div_u"])
    .i32(extent * stride)
    .op(op["i32.mul"]);
  code.get(0).i32(stride).op(op["i32.rem_u"]).op(op["i32.add"]).i32(bytes).op(op["i32.mul"]).op(op["i32.add"]).tee(at);
  load();
  code.set(best).i32(0).set(place).i32(0).set(count);
  repeat(code, extent - 1, () => {
    code.get(count).i32(1).op(op["i32.add"]).set(count);
    code
      .get(at)
      .i32(stride * bytes)
      .op(op["i32.add"])
      .tee(at);
    load();
    code.tee(next).get(best);
    if (lane === "f32" || lane === "f64") {
      code.op(op[`${lane}.${which}`]);
      if (nan) {
        code.get(next).get(next).op(op[`${lane}.ne`]).get(best).get(best).op(op[`${lane}.eq`]);
        code.op(op["i32.and"]).op(op["i32.or"]);
      }
    } else code.op(op[`${lane}.${which}_s`]);
    code.if();
    code.get(next).set(best).get(count).set(place);
    code.end();
  });
  code.get(3).get(0).i32(bytes).op(op["i32.mul"]).op(op["i32.add"]).get(best);
  if (lane === "i32" && bytes < 4) code.memory(bytes === 1 ? op["i32.store8"] : op["i32.store16"]);
  else code.memory(op[`${lane}.store`]);
  code.get(4).get(0).i32(dtypes[index].bytes).op(op["i32.mul"]).op(op["i32.add"]).get(place);
  if (index === "i64") code.op(op["i64.extend_i32_s"]).memory(op["i64.store"]);
  else code.memory(op["i32.store"]);
  code.get(0).i32(1).op(op["i32.add"]).set(0).br(units).end().end();
}
