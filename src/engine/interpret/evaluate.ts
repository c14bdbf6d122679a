// Evaluation: which function does which operation, regions, and what a program gives.

import { CerebroError, FormatError } from "../../base/errors.ts";
import { type Operation, type Program, type Region, type Value } from "../hlo/graph.ts";
import { isElementwise, type OpName } from "../hlo/ops.ts";
import { elementCount, sameType, type Tensor, typeText } from "../hlo/tensor.ts";
import { convolution, dotGeneral } from "./contraction.ts";
import { elementwise } from "./elementwise.ts";
import { indexOf, readerOf, type Scalar, writerOf } from "./elements.ts";
import { fft } from "./fourier.ts";
import { gather, scatter } from "./indexing.ts";
import { cholesky, triangularSolve } from "./linear.ts";
import * as move from "./movement.ts";
import { lookup, requantize } from "./quantised.ts";
import { rng, rngBitGenerator } from "./random.ts";
import { reduce } from "./reduce.ts";
import { type Environment, Run, type RunLimits, scalarRegion, usesOf } from "./run.ts";
import { sort, topK } from "./sort.ts";
import { reduceWindow, selectAndScatter } from "./window.ts";

/** Runs a program: inputs and states in, all results of the body out. `steps` limits operations and calls of regions. */
export function evaluate(program: Program, inputs: readonly Tensor[], options: RunLimits = {}): Tensor[] {
  const { parameters } = program.body;
  if (inputs.length !== parameters.length) {
    throw new FormatError(`${program.name}: takes ${parameters.length} inputs and states, got ${inputs.length}`);
  }
  parameters.forEach(({ type }, i) => {
    if (!sameType(type, inputs[i]!)) {
      throw new FormatError(`${program.name}: input ${i} is ${typeText(inputs[i]!)}, must be ${typeText(type)}`);
    }
  });
  return new Run(new Map(), options, evaluateRegion).call(program.body, inputs);
}

/** The results of one operation whose operands (and captured values) are in the environment. `steps` as for `evaluate`. */
export function evaluateOperation(operation: Operation, environment: Environment, options: RunLimits = {}): Tensor[] {
  return dispatch(operation, new Run(environment, options, evaluateRegion));
}

function evaluateRegion(run: Run, region: Region): Tensor[] {
  const { environment } = run;
  const dead = lastUses(region);
  for (const operation of region.operations) {
    run.spend();
    const results = dispatch(operation, run);
    operation.results.forEach((value, i) => environment.set(value, results[i]!));
    for (const value of dead.get(operation) ?? []) environment.delete(value);
  }
  return region.results.map((value) => run.get(value));
}

const lastUsesOf = new WeakMap<Region, Map<Operation, Value[]>>();

/** After each operation, the region's own values that nothing uses any more: large models would not fit otherwise. */
function lastUses(region: Region): Map<Operation, Value[]> {
  const known = lastUsesOf.get(region);
  if (known) return known;
  const last = new Map<Value, Operation>();
  const own = new Set<Value>(region.parameters);
  for (const operation of region.operations) {
    for (const value of operation.results) own.add(value);
    for (const value of usesOf(operation)) if (own.has(value)) last.set(value, operation);
    for (const value of operation.results) last.set(value, operation);
  }
  for (const value of region.results) last.delete(value);
  const dead = new Map<Operation, Value[]>();
  for (const [value, operation] of last) {
    const list = dead.get(operation);
    if (list) list.push(value);
    else dead.set(operation, [value]);
  }
  lastUsesOf.set(region, dead);
  return dead;
}

type Evaluator<N extends OpName> = (operation: Operation<N>, operands: readonly Tensor[], run: Run) => Tensor[];

/** Everything that is not elementwise. */
const evaluators: { readonly [N in OpName]?: Evaluator<N> } = {
  requantize: (operation, operands) => [requantize(operation, operands)],
  lookup: (_, [x, table]) => [lookup(x!, table!)],
  constant: ({ attributes }) => [attributes.value],
  iota: ({ attributes }) => [move.iota(attributes)],
  bitcastConvert: ({ attributes, results }, [x]) => [move.bitcastConvert(x!, attributes.dtype, results[0]!.type)],
  broadcastInDim: ({ attributes }, [x]) => [move.broadcastInDim(x!, attributes)],
  concatenate: ({ attributes, results }, xs) => [move.concatenate(xs, attributes.dimension, results[0]!.type)],
  dynamicSlice: ({ attributes }, [x, ...starts]) => [move.dynamicSlice(x!, starts, attributes.sizes)],
  dynamicUpdateSlice: (_, [x, update, ...starts]) => [move.dynamicUpdateSlice(x!, update!, starts)],
  gather: (operation, operands) => [gather(operation, operands, operation.results[0]!.type)],
  pad: ({ attributes, results }, [x, value]) => [move.pad(x!, value!, attributes, results[0]!.type)],
  reshape: ({ attributes }, [x]) => [move.reshape(x!, attributes.shape)],
  reverse: ({ attributes }, [x]) => [move.reverse(x!, attributes.dimensions)],
  scatter,
  slice: ({ attributes, results }, [x]) => [move.slice(x!, attributes, results[0]!.type)],
  transpose: ({ attributes }, [x]) => [move.transpose(x!, attributes.permutation)],
  convolution: (operation, operands) => [convolution(operation, operands)],
  dotGeneral: (operation, operands) => [dotGeneral(operation, operands)],
  map,
  reduce,
  reduceWindow,
  selectAndScatter,
  sort,
  topK: ({ attributes }, [x]) => topK(x!, attributes.k),
  cholesky: ({ attributes }, [x]) => [cholesky(x!, attributes)],
  fft: ({ attributes, results }, [x]) => [fft(x!, attributes, results[0]!.type)],
  triangularSolve: ({ attributes }, [a, b]) => [triangularSolve(a!, b!, attributes)],
  rngBitGenerator: ({ attributes }, [state]) => rngBitGenerator(state!, attributes),
  rng: ({ attributes }, [low, high]) => [rng(low!, high!, attributes)],
  case: ({ regions }, [index], run) => {
    const chosen = indexOf(index!);
    return run.call(regions[chosen >= 0 && chosen < regions.length ? chosen : regions.length - 1]!, []);
  },
  if: ({ regions }, [predicate], run) => run.call(regions[indexOf(predicate!) === 0 ? 1 : 0]!, []),
  while: ({ regions }, operands, run) => {
    const [condition, body] = regions as [Region, Region];
    let values = [...operands];
    while (indexOf(run.call(condition, values)[0]!) !== 0) {
      run.spend();
      values = run.call(body, values);
    }
    return values;
  },
};

function map(operation: Operation<"map">, operands: readonly Tensor[], run: Run): Tensor[] {
  const body = scalarRegion(operation.regions[0]!, run);
  const readers = operands.map(readerOf);
  const writers = operation.results.map(({ type }) => writerOf(type.dtype, type.shape));
  const count = elementCount(operands[0]!.shape);
  const results: Scalar[] = [];
  for (let i = 0; i < count; i++) {
    run.spend();
    body(
      readers.map((read) => read(i)),
      results,
    );
    writers.forEach((writer, k) => writer.write(i, results[k]!));
  }
  return writers.map((writer) => writer.finish());
}

function dispatch(operation: Operation, run: Run): Tensor[] {
  const operands = operation.operands.map((value) => run.get(value));
  const evaluator = evaluators[operation.op] as Evaluator<OpName> | undefined;
  if (evaluator) return evaluator(operation, operands, run);
  if (isElementwise(operation.op)) return [elementwise(operation, operands)];
  throw new CerebroError("unsupported", `${operation.origin ?? operation.op}: ${operation.op} cannot be interpreted`);
}
