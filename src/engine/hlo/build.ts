// Builds graphs: what importers call. Operations by name with their types inferred, and the common compositions.

import { CerebroError, FormatError } from "../../base/errors.ts";
import { type DType, integerRange, isFloat } from "./dtype.ts";
import type { Operation, Region, Value } from "./graph.ts";
import { TypeMismatch } from "./infer.ts";
import { type AttributesOf, type Direction, inferTypes, type None, type OpName } from "./ops.ts";
import {
  byteSize,
  fromNumbers,
  maximumBytes,
  sameShape,
  scalar,
  type Tensor,
  type TensorType,
  typeText,
} from "./tensor.ts";

/** Names of operations without attributes. */
type Plain = {
  [N in OpName]: AttributesOf<N> extends None ? (None extends AttributesOf<N> ? N : never) : never;
}[OpName];

/** Most operations of one program: what a hostile file could make of nested calls. */
const maximumOperations = 1 << 20;

interface Counter {
  values: number;
  operations: number;
}

/** Writes one region. `origin` is set by the importer before each of its own operations and stands in every message. */
export class Builder {
  origin: string | undefined;
  readonly parameters: readonly Value[];
  private readonly operations: Operation[] = [];
  private readonly counter: Counter;

  constructor(parameters: readonly TensorType[] = [], counter: Counter = { values: 0, operations: 0 }) {
    this.counter = counter;
    this.parameters = parameters.map((type, index) => this.value(type, undefined, index));
  }

  private value(type: TensorType, producer: Operation | undefined, index: number): Value {
    return { type, id: this.counter.values++, producer, index };
  }

  /** Adds an operation; gives all its results. */
  all<N extends OpName>(
    op: N,
    operands: readonly Value[],
    attributes: AttributesOf<N>,
    regions: readonly Region[] = [],
  ): readonly Value[] {
    if (++this.counter.operations > maximumOperations) {
      throw new CerebroError("limit", `model has more than ${maximumOperations} operations`);
    }
    let types: TensorType[];
    try {
      types = inferTypes(op, operands, attributes, regions);
      for (const type of types) {
        if (byteSize(type) > maximumBytes) throw new TypeMismatch(`${op}: result ${typeText(type)} is too large`);
      }
    } catch (error) {
      if (error instanceof FormatError && this.origin !== undefined) {
        throw new FormatError(`${this.origin}: ${error.message}`, { cause: error });
      }
      throw error;
    }
    const results: Value[] = [];
    const operation: Operation<N> = { op, operands, attributes, regions, results, origin: this.origin };
    types.forEach((type, index) => results.push(this.value(type, operation as unknown as Operation, index)));
    this.operations.push(operation as unknown as Operation);
    return results;
  }

  /** Adds an operation with one result. */
  op<N extends OpName>(
    name: N,
    operands: readonly Value[],
    attributes: AttributesOf<N>,
    regions: readonly Region[] = [],
  ): Value {
    return this.all(name, operands, attributes, regions)[0]!;
  }

  /** Adds an operation without attributes. */
  plain(name: Plain, ...operands: Value[]): Value {
    return this.op(name, operands, {} as AttributesOf<Plain>);
  }

  /** A region that sees the values here. */
  region(
    parameters: readonly TensorType[],
    write: (inner: Builder, ...parameters: Value[]) => readonly Value[],
  ): Region {
    const inner = new Builder(parameters, this.counter);
    inner.origin = this.origin;
    return inner.finish(write(inner, ...inner.parameters));
  }

  /** What was written, as a region. */
  finish(results: readonly Value[]): Region {
    return { parameters: this.parameters, operations: this.operations, results };
  }

  // Constants.

  constant(value: Tensor): Value {
    return this.op("constant", [], { value });
  }
  scalar(dtype: DType, value: number | bigint): Value {
    return this.constant(scalar(dtype, value));
  }
  numbers(dtype: DType, shape: readonly number[], numbers: readonly (number | bigint)[]): Value {
    return this.constant(fromNumbers(dtype, shape, numbers));
  }
  /** A tensor full of one number: a broadcast scalar. */
  full(dtype: DType, shape: readonly number[], value: number | bigint): Value {
    return this.broadcast(this.scalar(dtype, value), shape);
  }
  /** The smallest (largest) value of a type: what a maximum (minimum) starts from. */
  lowest(dtype: DType): Value {
    return this.scalar(dtype, isFloat(dtype) ? -Infinity : integerRange(dtype).min);
  }
  highest(dtype: DType): Value {
    return this.scalar(dtype, isFloat(dtype) ? Infinity : integerRange(dtype).max);
  }

  // Shapes.

  reshape(x: Value, shape: readonly number[]): Value {
    return sameShape(x.type.shape, shape) ? x : this.op("reshape", [x], { shape });
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return permutation.every((from, to) => from === to) ? x : this.op("transpose", [x], { permutation });
  }
  /** Stretches as NumPy does: dimensions are matched from the last one, extents of 1 repeat. */
  broadcast(x: Value, shape: readonly number[]): Value {
    if (sameShape(x.type.shape, shape)) return x;
    const from = shape.length - x.type.shape.length;
    if (from < 0)
      throw new FormatError(`${this.origin ?? "broadcast"}: ${typeText(x.type)} does not stretch to [${shape}]`);
    return this.op("broadcastInDim", [x], { shape, dimensions: x.type.shape.map((_, i) => from + i) });
  }
  /** Puts x's only dimension (or none) at `dimension` of a shape and repeats it along the others. */
  along(x: Value, shape: readonly number[], dimension: number): Value {
    return this.op("broadcastInDim", [x], { shape, dimensions: x.type.shape.length === 0 ? [] : [dimension] });
  }
  slice(x: Value, start: readonly number[], limit: readonly number[], strides?: readonly number[]): Value {
    if (start.every((n) => n === 0) && sameShape(limit, x.type.shape) && !strides?.some((n) => n !== 1)) return x;
    return this.op("slice", [x], { start, limit, strides: strides ?? start.map(() => 1) });
  }
  concatenate(list: readonly Value[], dimension: number): Value {
    return list.length === 1 ? list[0]! : this.op("concatenate", list, { dimension });
  }
  pad(x: Value, low: readonly number[], high: readonly number[], value?: Value): Value {
    if ([...low, ...high].every((n) => n === 0)) return x;
    const interior = low.map(() => 0);
    return this.op("pad", [x, value ?? this.scalar(x.type.dtype, 0)], { low, high, interior });
  }
  convert(x: Value, dtype: DType): Value {
    return x.type.dtype === dtype ? x : this.op("convert", [x], { dtype });
  }

  // Elements.

  /** The shape that two shapes stretch to together (NumPy's rule). */
  common(a: readonly number[], b: readonly number[]): number[] {
    const rank = Math.max(a.length, b.length);
    return Array.from({ length: rank }, (_, i) => {
      const [m, n] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
      if (m !== n && m !== 1 && n !== 1) {
        throw new FormatError(`${this.origin ?? "broadcast"}: shapes [${a}] and [${b}] do not fit`);
      }
      return m === 1 ? n : m;
    });
  }
  /** A binary operation on operands that are stretched to each other first. */
  binary(name: Plain, a: Value, b: Value): Value {
    const shape = this.common(a.type.shape, b.type.shape);
    return this.plain(name, this.broadcast(a, shape), this.broadcast(b, shape));
  }
  add(a: Value, b: Value): Value {
    return this.binary("add", a, b);
  }
  subtract(a: Value, b: Value): Value {
    return this.binary("subtract", a, b);
  }
  multiply(a: Value, b: Value): Value {
    return this.binary("multiply", a, b);
  }
  divide(a: Value, b: Value): Value {
    return this.binary("divide", a, b);
  }
  compare(direction: Direction, a: Value, b: Value): Value {
    const shape = this.common(a.type.shape, b.type.shape);
    return this.op("compare", [this.broadcast(a, shape), this.broadcast(b, shape)], { direction });
  }
  /** Where the predicate holds a, elsewhere b; all stretched to each other. */
  select(predicate: Value, a: Value, b: Value): Value {
    const shape = this.common(this.common(a.type.shape, b.type.shape), predicate.type.shape);
    return this.plain("select", this.broadcast(predicate, shape), this.broadcast(a, shape), this.broadcast(b, shape));
  }
  /** x combined with a number of its type: ("multiply", x, 2). */
  with(name: Plain, x: Value, number: number): Value {
    return this.binary(name, x, this.scalar(x.type.dtype, number));
  }
  relu(x: Value): Value {
    return this.with("maximum", x, 0);
  }
  clamp(x: Value, low: number, high: number): Value {
    const { dtype } = x.type;
    return this.plain("clamp", this.scalar(dtype, low), x, this.scalar(dtype, high));
  }

  // Reductions.

  /** Combines along dimensions with an operation that is associative: add, multiply, maximum, minimum, and, or. */
  reduce(name: Plain, x: Value, dimensions: readonly number[], options: { keep?: boolean } = {}): Value {
    const { dtype, shape } = x.type;
    const start =
      name === "maximum"
        ? this.lowest(dtype)
        : name === "minimum"
          ? this.highest(dtype)
          : this.scalar(dtype, name === "multiply" ? 1 : name === "and" ? (dtype === "i1" ? 1 : -1) : 0);
    const element = { dtype, shape: [] };
    const region = this.region([element, element], (inner, a, b) => [inner.plain(name, a!, b!)]);
    const reduced = this.op("reduce", [x, start], { dimensions }, [region]);
    if (!options.keep) return reduced;
    return this.reshape(
      reduced,
      shape.map((extent, i) => (dimensions.includes(i) ? 1 : extent)),
    );
  }
  mean(x: Value, dimensions: readonly number[], options: { keep?: boolean } = {}): Value {
    const count = dimensions.reduce((product, axis) => product * x.type.shape[axis]!, 1);
    return this.with("divide", this.reduce("add", x, dimensions, options), count);
  }
  /** Where along one dimension the largest (smallest) element is; the first of equal ones. */
  argument(which: "GT" | "LT", x: Value, dimension: number, index: DType = "i32"): Value {
    const { dtype, shape } = x.type;
    const [element, place] = [
      { dtype, shape: [] },
      { dtype: index, shape: [] },
    ];
    const region = this.region([element, place, element, place], (inner, a, i, b, j) => {
      const better = inner.compare(which, a!, b!);
      const nan = inner.compare("NE", a!, a!);
      const equal = inner.compare("EQ", a!, b!);
      const first = inner.plain("and", equal, inner.compare("LT", i!, j!));
      const takeValue = inner.plain("or", better, nan);
      const takePlace = inner.plain("or", takeValue, first);
      return [inner.select(takeValue, a!, b!), inner.select(takePlace, i!, j!)];
    });
    const places = this.op("iota", [], { dtype: index, shape, dimension });
    const start = which === "GT" ? this.lowest(dtype) : this.highest(dtype);
    return this.all("reduce", [x, places, start, this.scalar(index, 0)], { dimensions: [dimension] }, [region])[1]!;
  }

  // What networks are made of.

  /** Matrix product of the last two dimensions; the ones before are stretched to each other. */
  matmul(a: Value, b: Value, options: { transposeA?: boolean; transposeB?: boolean; dtype?: DType } = {}): Value {
    const outer = this.common(a.type.shape.slice(0, -2), b.type.shape.slice(0, -2));
    const rank = outer.length + 2;
    // A matrix times a weight without batch dimensions needs no stretching.
    if (b.type.shape.length === 2) {
      const last = a.type.shape.length - 1;
      const free = options.transposeA ? last - 1 : last;
      const product = this.op("dotGeneral", [a, b], {
        lhsBatching: [],
        rhsBatching: [],
        lhsContracting: [free],
        rhsContracting: [options.transposeB ? 1 : 0],
        ...(options.dtype && { dtype: options.dtype }),
      });
      return product;
    }
    const stretch = (x: Value) => this.broadcast(x, [...outer, ...x.type.shape.slice(-2)]);
    const batching = outer.map((_, i) => i);
    return this.op("dotGeneral", [stretch(a), stretch(b)], {
      lhsBatching: batching,
      rhsBatching: batching,
      lhsContracting: [rank - (options.transposeA ? 2 : 1)],
      rhsContracting: [rank - (options.transposeB ? 1 : 2)],
      ...(options.dtype && { dtype: options.dtype }),
    });
  }
  /** exp(x - max) / sum along a dimension. */
  softmax(x: Value, dimension: number): Value {
    const shifted = this.subtract(x, this.reduce("maximum", x, [dimension], { keep: true }));
    const powers = this.plain("exponential", shifted);
    return this.divide(powers, this.reduce("add", powers, [dimension], { keep: true }));
  }
  /** (x - mean) / sqrt(variance + epsilon) * scale + offset along the last dimension. */
  layerNorm(x: Value, scale: Value | undefined, offset: Value | undefined, epsilon: number): Value {
    const last = [x.type.shape.length - 1];
    const centred = this.subtract(x, this.mean(x, last, { keep: true }));
    const variance = this.mean(this.multiply(centred, centred), last, { keep: true });
    const normal = this.multiply(centred, this.plain("rsqrt", this.with("add", variance, epsilon)));
    const scaled = scale ? this.multiply(normal, scale) : normal;
    return offset ? this.add(scaled, offset) : scaled;
  }
  /** x/2 (1 + erf(x / sqrt 2)), or its approximation by tanh. */
  gelu(x: Value, options: { approximate?: boolean } = {}): Value {
    const inner = options.approximate
      ? this.plain(
          "tanh",
          this.with(
            "multiply",
            this.add(x, this.with("multiply", this.multiply(this.multiply(x, x), x), 0.044715)),
            Math.sqrt(2 / Math.PI),
          ),
        )
      : this.plain("erf", this.with("multiply", x, Math.SQRT1_2));
    return this.multiply(this.with("multiply", x, 0.5), this.with("add", inner, 1));
  }
  /**
   * Convolution of [batch, ...spatial, features] with a kernel [...spatial, features / groups, outputs], as TensorFlow
   * lays them out.
   */
  convolution(
    x: Value,
    kernel: Value,
    options: {
      strides: readonly number[];
      padding: readonly (readonly [number, number])[];
      dilations?: readonly number[];
      groups?: number;
      dtype?: DType;
      zeroPoints?: readonly [number, number];
    },
  ): Value {
    const rank = x.type.shape.length;
    const spatial = options.strides.map((_, i) => i + 1);
    return this.op("convolution", [x, kernel], {
      strides: options.strides,
      padding: options.padding,
      lhsDilation: spatial.map(() => 1),
      rhsDilation: options.dilations ?? spatial.map(() => 1),
      inputBatch: 0,
      inputFeature: rank - 1,
      inputSpatial: spatial,
      kernelInputFeature: rank - 2,
      kernelOutputFeature: rank - 1,
      kernelSpatial: spatial.map((axis) => axis - 1),
      outputBatch: 0,
      outputFeature: rank - 1,
      outputSpatial: spatial,
      featureGroups: options.groups ?? 1,
      batchGroups: 1,
      ...(options.dtype && { dtype: options.dtype }),
      ...(options.zeroPoints && { zeroPoints: options.zeroPoints }),
    });
  }
  /** A reduction over windows: maximum for max pooling, add for sums. Padding counts as the starting value. */
  window(
    name: "maximum" | "minimum" | "add",
    x: Value,
    options: { size: readonly number[]; strides: readonly number[]; padding: readonly (readonly [number, number])[] },
  ): Value {
    const { dtype } = x.type;
    const start =
      name === "add" ? this.scalar(dtype, 0) : name === "maximum" ? this.lowest(dtype) : this.highest(dtype);
    const element = { dtype, shape: [] };
    const ones = options.size.map(() => 1);
    return this.op(
      "reduceWindow",
      [x, start],
      {
        windowDimensions: options.size,
        windowStrides: options.strides,
        padding: options.padding,
        baseDilations: ones,
        windowDilations: ones,
      },
      [this.region([element, element], (inner, a, b) => [inner.plain(name, a!, b!)])],
    );
  }
}
