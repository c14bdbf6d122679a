// What evaluation carries with it, and regions as functions of scalars.

import { CerebroError } from "../../base/errors.ts";
import { is, type Operation, type Region, type Value } from "../hlo/graph.ts";
import { isElementwise, type OpName } from "../hlo/ops.ts";
import { elementCount, type Tensor } from "../hlo/tensor.ts";
import { readerOf, type Scalar, writerOf } from "./elements.ts";
import { type ElementFunction, exactFunctionOf } from "./scalars.ts";

/** Values by the graph's values; regions see what is around them. */
export type Environment = Map<Value, Tensor>;

/** What ends a run that would go on for too long. */
export interface RunLimits {
  /** Most operations and calls of regions. */
  readonly steps?: number;
  /** Called now and then; throws to end the run. */
  readonly check?: () => void;
}

/** One evaluation of a program or an operation. */
export class Run {
  readonly environment: Environment;
  /** Evaluates a region in this environment. */
  readonly call: (region: Region, inputs: readonly Tensor[]) => Tensor[];
  private steps: number;
  private readonly check: (() => void) | undefined;
  private looked = 0;

  constructor(
    environment: Environment,
    { steps = Infinity, check }: RunLimits,
    evaluate: (run: Run, region: Region) => Tensor[],
  ) {
    this.environment = environment;
    this.steps = steps;
    this.check = check;
    this.call = (region, inputs) => {
      region.parameters.forEach((parameter, i) => this.environment.set(parameter, inputs[i]!));
      return evaluate(this, region);
    };
  }

  /** Counts an operation, or a call of a region. Throws when there have been too many. */
  spend(): void {
    if (this.check && (++this.looked & 1023) === 0) this.check();
    if (--this.steps < 0) throw new CerebroError("limit", "the program does not end within its limit of steps");
  }

  get(value: Value): Tensor {
    const found = this.environment.get(value);
    if (!found) throw new CerebroError("internal", `internal error: value ${value.id} is used before it is made`);
    return found;
  }
}

/** A region of scalars: reads its parameters from the one array and writes its results to the other. */
export type ScalarRegion = (inputs: readonly Scalar[], results: Scalar[]) => void;

/** The region as a function; its operations become calls on slots when all of them are scalar. */
export function scalarRegion(region: Region, run: Run): ScalarRegion {
  return compiled(region, run) ?? interpreted(region, run);
}

interface Step {
  readonly apply: ElementFunction;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly to: number;
}

function compiled(region: Region, run: Run): ScalarRegion | undefined {
  const slots: Scalar[] = [];
  const places = new Map<Value, number>();
  const add = (value: Value, scalar: Scalar = 0) => {
    places.set(value, slots.length);
    slots.push(scalar);
  };
  region.parameters.forEach((parameter) => add(parameter));
  const placeOf = (value: Value | undefined): number | undefined => {
    if (!value) return 0;
    if (!places.has(value)) {
      const outside = run.environment.get(value);
      if (!outside || outside.shape.length > 0) return undefined;
      add(value, readerOf(outside)(0));
    }
    return places.get(value);
  };
  const steps: Step[] = [];
  for (const operation of region.operations) {
    const [result] = operation.results;
    if (!result || result.type.shape.length > 0) return undefined;
    if (is(operation, "constant")) add(result, readerOf(operation.attributes.value)(0));
    else if (operation.op === "reshape" || operation.op === "broadcastInDim") {
      const place = placeOf(operation.operands[0]);
      if (place === undefined || elementCount(operation.operands[0]!.type.shape) !== 1) return undefined;
      places.set(result, place);
    } else if (isElementwise(operation.op) && operation.op !== "requantize" && operation.op !== "lookup") {
      const [a, b, c] = [0, 1, 2].map((i) => placeOf(operation.operands[i]));
      if (a === undefined || b === undefined || c === undefined) return undefined;
      add(result);
      steps.push({ apply: exactFunctionOf(operation), a, b, c, to: slots.length - 1 });
    } else return undefined;
  }
  const results: number[] = [];
  for (const value of region.results) {
    const place = placeOf(value);
    if (place === undefined) return undefined;
    results.push(place);
  }
  const parameters = region.parameters.length;
  return (inputs, out) => {
    for (let i = 0; i < parameters; i++) slots[i] = inputs[i]!;
    for (const { apply, a, b, c, to } of steps) slots[to] = apply(slots[a]!, slots[b]!, slots[c]!);
    for (let i = 0; i < results.length; i++) out[i] = slots[results[i]!]!;
  };
}

function interpreted(region: Region, run: Run): ScalarRegion {
  const types = region.parameters.map(({ type }) => type);
  return (inputs, out) => {
    const tensors = types.map(({ dtype, shape }, i) => {
      const writer = writerOf(dtype, shape);
      writer.write(0, inputs[i]!);
      return writer.finish();
    });
    run.call(region, tensors).forEach((tensor, i) => (out[i] = readerOf(tensor)(0)));
  };
}

const monoids: ReadonlySet<OpName> = new Set(["add", "and", "maximum", "minimum", "multiply", "or", "xor"]);

/** The one associative, commutative operation that a region does on its two parameters; undefined for any other body. */
export function reducerOf(region: Region): OpName | undefined {
  const [operation] = region.operations;
  if (region.operations.length !== 1 || !operation || !monoids.has(operation.op)) return undefined;
  if (region.parameters.length !== 2 || region.results.length !== 1 || region.results[0] !== operation.results[0]) {
    return undefined;
  }
  const [a, b] = region.parameters;
  const [x, y] = operation.operands;
  return (x === a && y === b) || (x === b && y === a) ? operation.op : undefined;
}

/** Which parameter a region gives back unchanged as its only result; undefined for any other body. */
export function forwardedParameter(region: Region): number | undefined {
  if (region.operations.length > 0 || region.results.length !== 1) return undefined;
  const place = region.parameters.indexOf(region.results[0]!);
  return place < 0 ? undefined : place;
}

/** What an operation and the regions within it use. */
export function usesOf(operation: Operation): Value[] {
  const uses = [...operation.operands];
  for (const region of operation.regions) {
    uses.push(...region.results);
    for (const inner of region.operations) uses.push(...usesOf(inner));
  }
  return uses;
}
