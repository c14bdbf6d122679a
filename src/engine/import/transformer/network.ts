// Layers of networks, written with a Builder: the compositions that every architecture here is made of.

import { UnsupportedFormat } from "../../../base/errors.ts";
import { Builder } from "../../hlo/build.ts";
import type { Value } from "../../hlo/graph.ts";
import { type Tensor, type TensorType, toNumbers, zeros } from "../../hlo/tensor.ts";
import { lazyTensor } from "../flax/weights.ts";
import type { Matrix, Parameters } from "./parameters.ts";

/** What masked scores are lowered by: far below any score, and still finite, as the reference has it. */
const lowest = -3.4028234663852886e38;

/** Writes one signature's program. */
export class Network extends Builder {
  readonly weights: Parameters;
  /** How many layers of each kind were written. */
  readonly layers = new Map<string, number>();
  private readonly constants = new Map<Tensor, Value>();

  constructor(weights: Parameters, parameters: readonly TensorType[]) {
    super(parameters);
    this.weights = weights;
  }

  private count(kind: string, name: string): void {
    this.layers.set(kind, (this.layers.get(kind) ?? 0) + 1);
    this.origin = `${kind} "${name}"`;
  }

  /** A tensor, written once. */
  private held(tensor: Tensor): Value {
    let value = this.constants.get(tensor);
    if (!value) {
      value = this.constant(tensor);
      this.constants.set(tensor, value);
    }
    return value;
  }

  /** A parameter as f32: shorter ones are widened when the program is compiled, not in every run. */
  weight(tensor: Tensor): Value {
    return this.held(this.weights.widened(tensor));
  }

  parameter(name: string, shape: readonly number[]): Value {
    return this.weight(this.weights.tensor(name, shape));
  }

  /** x times a matrix, without bias. */
  product(x: Value, { tensor, transposed }: Matrix): Value {
    return this.matmul(x, this.weight(tensor), { transposeB: transposed });
  }

  /** A dense layer on the last dimension. `swapped`: see Parameters.matrix. */
  linear(x: Value, name: string, outputs: number, options: { bias?: boolean; swapped?: boolean } = {}): Value {
    this.count("Linear", name);
    const inputs = x.type.shape.at(-1)!;
    const y = this.product(x, this.weights.matrix(`${name}.weight`, inputs, outputs, options.swapped));
    return options.bias === false ? y : this.add(y, this.parameter(`${name}.bias`, [outputs]));
  }

  norm(x: Value, name: string, epsilon: number): Value {
    this.count("LayerNorm", name);
    const shape = [x.type.shape.at(-1)!];
    return this.layerNorm(x, this.parameter(`${name}.weight`, shape), this.parameter(`${name}.bias`, shape), epsilon);
  }

  /** x / sqrt(mean(x^2) + epsilon) * weight: no mean is taken away. */
  rmsNorm(x: Value, name: string, epsilon: number): Value {
    this.count("RMSNorm", name);
    const last = x.type.shape.length - 1;
    const square = this.mean(this.multiply(x, x), [last], { keep: true });
    const normal = this.multiply(x, this.plain("rsqrt", this.with("add", square, epsilon)));
    return this.multiply(normal, this.parameter(`${name}.weight`, [x.type.shape[last]!]));
  }

  /** Rows of a table [n, width] by index: [..., width]. */
  rows(table: Value, indices: Value): Value {
    const [, width] = table.type.shape;
    const rank = indices.type.shape.length;
    return this.op("gather", [table, indices], {
      offsetDims: [rank],
      collapsedSliceDims: [0],
      operandBatchingDims: [],
      startIndicesBatchingDims: [],
      startIndexMap: [0],
      indexVectorDim: rank,
      sliceSizes: [1, width!],
    });
  }

  /**
   * A bias for each head from a table [count, heads] of buckets: [1, heads, rows, columns], where `bucket` says which
   * one a place takes. Made once when the program is compiled: everything about it is known.
   */
  bucketBias(
    name: string,
    table: { readonly count: number; readonly heads: number },
    places: { readonly rows: number; readonly columns: number; bucket(row: number, column: number): number },
  ): Value {
    this.origin = `relative positions "${name}"`;
    const { count, heads } = table;
    const { rows, columns } = places;
    const weight = this.weights.tensor(name, [count, heads]);
    const shape = [1, heads, rows, columns];
    const make = (): Tensor => {
      const values = toNumbers(weight);
      const bias = zeros("f32", shape);
      for (let row = 0, at = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++, at++) {
          const from = places.bucket(row, column) * heads;
          for (let head = 0; head < heads; head++) bias.data[head * rows * columns + at] = values[from + head]!;
        }
      }
      return bias;
    };
    return this.constant(lazyTensor({ dtype: "f32", shape }, make));
  }

  embedding(ids: Value, name: string, count: number, width: number): Value {
    this.count("Embedding", name);
    // Few rows are taken: they are widened then, and a table of 16-bit numbers stays one.
    const table = this.held(this.weights.tensor(`${name}.weight`, [count, width]));
    return this.convert(this.rows(table, ids), "f32");
  }

  /** Activations by Transformers' names ("hidden_act"). */
  activate(x: Value, kind: string): Value {
    switch (kind) {
      case "gelu":
      case "gelu_python":
        return this.gelu(x);
      case "gelu_new":
      case "gelu_fast":
      case "gelu_pytorch_tanh":
      case "gelu_tanh":
        return this.gelu(x, { approximate: true });
      case "quick_gelu":
        return this.multiply(x, this.plain("logistic", this.with("multiply", x, 1.702)));
      case "relu":
        return this.relu(x);
      case "relu6":
        return this.clamp(x, 0, 6);
      case "silu":
      case "swish":
        return this.multiply(x, this.plain("logistic", x));
      case "tanh":
        return this.plain("tanh", x);
      case "sigmoid":
        return this.plain("logistic", x);
      case "elu":
        return this.select(this.compare("GT", x, this.scalar("f32", 0)), x, this.plain("exponentialMinusOne", x));
      case "softplus":
        return this.plain("log", this.with("add", this.plain("exponential", x), 1));
      case "softmax":
        return this.softmax(x, x.type.shape.length - 1);
      case "linear":
      case "none":
        return x;
      default:
        throw new UnsupportedFormat(`config.json: activation "${kind}" is not built`);
    }
  }

  // Attention.

  /** [batch, n, heads * width] -> [batch, heads, n, width]. */
  splitHeads(x: Value, heads: number): Value {
    const [batch, n, size] = x.type.shape as [number, number, number];
    return this.transpose(this.reshape(x, [batch, n, heads, size / heads]), [0, 2, 1, 3]);
  }
  joinHeads(x: Value): Value {
    const [batch, heads, n, width] = x.type.shape as [number, number, number, number];
    return this.reshape(this.transpose(x, [0, 2, 1, 3]), [batch, n, heads * width]);
  }

  /**
   * softmax(q k^T * scale + bias) v over [batch, heads, n, width]. Keys and values may have fewer heads: each then
   * serves several queries.
   */
  attend(q: Value, k: Value, v: Value, options: { scale?: number; bias?: Value | undefined }): Value {
    this.count("Attention", "");
    const [batch, heads, n, width] = q.type.shape as [number, number, number, number];
    const [, groups, m] = k.type.shape as [number, number, number];
    const grouped = groups === heads ? q : this.reshape(q, [batch, groups, (heads / groups) * n, width]);
    let scores = this.matmul(grouped, k, { transposeB: true });
    if (options.scale !== undefined) scores = this.with("multiply", scores, options.scale);
    if (groups !== heads) scores = this.reshape(scores, [batch, heads, n, m]);
    if (options.bias) scores = this.add(scores, options.bias);
    let weights = this.softmax(scores, 3);
    if (groups !== heads) weights = this.reshape(weights, [batch, groups, (heads / groups) * n, m]);
    return this.reshape(this.matmul(weights, v), [batch, heads, n, v.type.shape[3]!]);
  }

  /** What a mask [batch, n] of ones and zeros adds to scores: [batch, 1, 1, n]. */
  maskBias(mask: Value): Value {
    this.origin = "attention mask";
    const [batch, n] = mask.type.shape as [number, number];
    const kept = this.reshape(this.convert(mask, "f32"), [batch, 1, 1, n]);
    return this.with("multiply", this.subtract(this.scalar("f32", 1), kept), lowest);
  }

  /** What hides later tokens: [1, 1, n, m], where query i stands at first + i and key j at j. */
  causalBias(n: number, m: number, first?: Value): Value {
    this.origin = "causal mask";
    const shape = [1, 1, n, m];
    let queries = this.op("iota", [], { dtype: "i32", shape, dimension: 2 });
    if (first) queries = this.add(queries, first);
    const keys = this.op("iota", [], { dtype: "i32", shape, dimension: 3 });
    return this.select(this.compare("LE", keys, queries), this.full("f32", shape, 0), this.full("f32", shape, lowest));
  }

  // States.

  /** A cache [batch, heads, length, width] with new entries from `position` on along its third dimension. */
  append(cache: Value, entries: Value, position: Value): Value {
    this.origin = "cache";
    const zero = this.scalar("i32", 0);
    return this.plain("dynamicUpdateSlice", cache, entries, zero, zero, position, zero);
  }
}
