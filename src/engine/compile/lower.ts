// Operations become steps, from the results backwards: only what is needed is done, and what one kernel can do together
// is one step. The interpreter does what has no kernel; control flow becomes blocks.

import { dtypes } from "../hlo/dtype.ts";
import { is, type Operation, operationsOf, type Region, usersOf, type Value } from "../hlo/graph.ts";
import { elementCount, stridesOf, type Tensor } from "../hlo/tensor.ts";
import { argumentKernel } from "./argument.ts";
import { type Cluster, clusterOf, type ClusterOptions, scalarOf } from "./cluster.ts";
import { withEpilogue } from "./epilogue.ts";
import { copyKernel, gatherKernel, movesNothing, sliceKernel } from "./gather.ts";
import type { Kernel, Template } from "./kernel.ts";
import { templates } from "./kernels/index.ts";
import { isLaneType } from "./lanes.ts";
import { loopKernel, type Target, whole } from "./loop.ts";
import { identity, operandMap, type Walk, walkOf } from "./map.ts";
import { Aliases } from "./memory.ts";
import { reductionKernel } from "./reduction.ts";
import { transposeKernel } from "./transpose.ts";
import { type Block, capturesOf, type KernelStep, type Step } from "./step.ts";

/** What lowering leaves: steps, and where values are views or constants. */
export interface Lowered {
  readonly block: Block;
  readonly aliases: Aliases;
  readonly constants: ReadonlyMap<Value, Tensor>;
}

/** Most operations of one kernel, so that its function stays small. */
const largestCluster = 64;

/** Lowers a program's body. */
export function lower(body: Region): Lowered {
  const lowering = new Lowering(body);
  const block = lowering.region(body);
  return { block, aliases: lowering.aliases, constants: lowering.constants };
}

class Lowering {
  readonly aliases = new Aliases();
  readonly constants = new Map<Value, Tensor>();
  private readonly users: ReadonlyMap<Value, readonly Operation[]>;
  private readonly packed = new Map<string, Value>();
  private readonly offsets = new Map<string, Value>();
  private readonly bases = new Map<Value, Value>();
  /** Values that steps use. */
  private readonly needed = new Set<Value>();
  /** Templates by the operation they end in. */
  private readonly templates = new Map<Operation, Template>();

  constructor(body: Region) {
    this.users = usersOf(body);
    const covered = new Set<Operation>();
    for (const operation of operationsOf(body)) {
      if (is(operation, "constant")) this.constants.set(operation.results[0]!, operation.attributes.value);
      if (covered.has(operation)) continue;
      for (const rule of templates) {
        const template = rule(operation, this.users);
        if (!template || template.covers.some((other) => covered.has(other))) continue;
        const last = template.result.producer!;
        for (const other of template.covers) if (other !== last) covered.add(other);
        covered.add(last);
        this.templates.set(last, template);
        break;
      }
    }
  }

  region(region: Region): Block {
    return new RegionLowering(this, region).lower();
  }

  need(values: Iterable<Value>): void {
    for (const value of values) this.needed.add(this.bases.get(value) ?? value);
  }
  /** A value from some element on: kernels that differ only in where they begin are the same function. */
  private from(value: Value, elements: number): Value {
    if (elements === 0) return value;
    const key = `${value.id} ${elements}`;
    let part = this.offsets.get(key);
    if (!part) {
      part = { type: value.type, id: value.id, producer: undefined, index: value.index };
      this.offsets.set(key, part);
      this.bases.set(part, value);
      this.aliases.set(part, value, elements * dtypes[value.type.dtype].bytes);
    }
    return part;
  }
  /** A cluster whose sources in memory all begin at their first element. */
  based(cluster: Cluster): Cluster {
    const sources = cluster.sources.map((source) =>
      source.kind === "memory"
        ? { ...source, value: this.from(source.value, source.walk.offset), walk: { ...source.walk, offset: 0 } }
        : source,
    );
    return { ...cluster, sources };
  }
  basedTarget({ value, walk }: Target): Target {
    return { value: this.from(value, walk.offset), walk: { ...walk, offset: 0 } };
  }
  isNeeded(value: Value): boolean {
    return this.needed.has(value);
  }
  usersOf(value: Value): readonly Operation[] {
    return this.users.get(value) ?? [];
  }
  get allUsers(): ReadonlyMap<Value, readonly Operation[]> {
    return this.users;
  }
  templateAt(operation: Operation | undefined): Template | undefined {
    return operation && this.templates.get(operation);
  }

  /** A step of a kernel; its constants are laid out as it wants them. */
  step(kernel: Kernel, inPlace: KernelStep["inPlace"] = []): KernelStep {
    const operands = [...kernel.operands];
    for (const { operand, key, pack } of kernel.packs) {
      const value = operands[operand]!;
      const tensor = this.constants.get(value);
      if (!tensor) continue;
      const name = `${value.id} ${key}`;
      let packed = this.packed.get(name);
      if (!packed) {
        const laidOut = pack(tensor);
        packed = { type: { dtype: laidOut.dtype, shape: laidOut.shape }, id: value.id, producer: undefined, index: 0 };
        this.packed.set(name, packed);
        this.constants.set(packed, laidOut);
      }
      operands[operand] = packed;
    }
    this.need(operands);
    return { kind: "kernel", kernel, operands, inPlace };
  }
}

class RegionLowering {
  private readonly whole: Lowering;
  private readonly inner: Region;
  private readonly order = new Map<Operation, number>();
  /** In reverse. */
  private readonly steps: Step[] = [];

  constructor(lowering: Lowering, region: Region) {
    this.whole = lowering;
    this.inner = region;
    region.operations.forEach((operation, i) => this.order.set(operation, i));
  }

  lower(): Block {
    const { whole: all, inner } = this;
    all.need(inner.results);
    for (const operation of inner.operations.toReversed()) {
      if (operation.results.some((value) => all.isNeeded(value))) this.operation(operation);
    }
    return { region: inner, steps: this.steps.reverse() };
  }

  private operation(operation: Operation): void {
    const { whole: all, steps } = this;
    const { operands, results } = operation;
    if (is(operation, "constant")) return;
    if (is(operation, "while")) {
      const [condition, body] = operation.regions as readonly [Region, Region];
      results.forEach((result, i) => {
        all.aliases.set(condition.parameters[i]!, result);
        all.aliases.set(body.parameters[i]!, result);
      });
      steps.push({ kind: "while", operation, condition: all.region(condition), body: all.region(body) });
      all.need(operands);
      return;
    }
    if (is(operation, "if") || is(operation, "case")) {
      steps.push({ kind: "branch", operation, blocks: operation.regions.map((region) => all.region(region)) });
      all.need(operands);
      return;
    }
    if (results.every(({ type }) => elementCount(type.shape) === 0)) return;
    if (this.alias(operation)) return;
    const template = all.templateAt(operation);
    if (template) {
      steps.push(all.step(template.build()));
      return;
    }
    if (this.moves(operation)) return;
    if (this.parts(operation)) return;
    if (results.length === 1 && (this.cluster(results[0]!) || this.wide(operation))) return;
    all.need(operands);
    all.need(capturesOf(operation));
    steps.push({ kind: "interpret", operation });
  }

  /** Moves that leave all elements side by side are views. */
  private alias(operation: Operation): boolean {
    const [operand] = operation.operands;
    const [result] = operation.results;
    if (!operand || operation.results.length !== 1) return false;
    const { shape, dtype } = result!.type;
    const bytesAlone = [dtype, operand.type.dtype].every((each) => dtypes[each].bits >= 8);
    if (operation.op === "reshape" || (operation.op === "bitcastConvert" && bytesAlone)) {
      this.whole.aliases.set(result!, operand);
    } else {
      const map = operandMap(operation, identity(shape, 0, shape.length), shape);
      if (!map) return false;
      const { offset, strides } = walkOf(map, operand.type.shape, shape.length);
      const rowMajor = stridesOf(shape);
      if (!shape.every((extent, k) => extent === 1 || strides[k] === rowMajor[k])) return false;
      this.whole.aliases.set(result!, operand, offset * dtypes[dtype].bytes);
    }
    this.whole.need([operand]);
    return true;
  }

  /** Windows at places known at run time; places of the largest elements. */
  private moves(operation: Operation): boolean {
    if (movesNothing(operation)) return false;
    const { whole: all, steps } = this;
    const kernel = gatherKernel(operation) ?? sliceKernel(operation) ?? argumentKernel(operation);
    if (!kernel) return false;
    steps.push(all.step(kernel));
    if (operation.op === "dynamicUpdateSlice") {
      // The rest of the result; nothing is copied when the operand ends here and gives its place.
      const [from] = operation.operands as [Value];
      steps.push({ kind: "copy", from, to: operation.results[0]! });
      all.need([from]);
    }
    return true;
  }

  private options(reductions: boolean): ClusterOptions {
    const { whole: all, order } = this;
    return {
      users: all.allUsers,
      wanted: (value) => all.isNeeded(value),
      available: (operation) => order.has(operation) && !all.templateAt(operation),
      order,
      reductions,
      most: largestCluster,
    };
  }

  /** A loop, a template's epilogue or reductions that end in a value. */
  private cluster(root: Value): boolean {
    const { whole: all, steps } = this;
    const cluster = clusterOf(root, this.options(false));
    const reducing = this.reducing(root);
    if (reducing) {
      steps.push(all.step(reducing));
      return true;
    }
    if (!cluster) return false;
    const fused = withEpilogue(
      cluster,
      (value) => (this.order.has(value.producer!) ? all.templateAt(value.producer) : undefined),
      (value, operations) => !all.isNeeded(value) && all.usersOf(value).every((user) => operations.has(user)),
    );
    steps.push(fused ? all.step(fused.kernel) : this.loop(cluster, whole(root)));
    return true;
  }

  /** The kernel of a value that has reductions in its cluster; fewer of them when not all can be done together. */
  private reducing(root: Value): Kernel | undefined {
    const cluster = clusterOf(root, this.options(true));
    if (!cluster || cluster.reductions.length === 0) return undefined;
    const kernel = reductionKernel(this.whole.based(cluster));
    if (kernel) return kernel;
    // Only the last one, which has all others below it.
    const refused = cluster.reductions.slice(0, -1).map(({ operation }) => operation);
    const smaller = clusterOf(root, { ...this.options(true), refused });
    return smaller?.reductions.length === 1 ? reductionKernel(this.whole.based(smaller)) : undefined;
  }

  /** A loop; its result may take the place of an operand that is walked alike. */
  private loop(cluster: Cluster, target: Target): KernelStep {
    const [based, place] = [this.whole.based(cluster), this.whole.basedTarget(target)];
    const kernel = transposeKernel(based, place) ?? loopKernel(based, place);
    const inPlace: [Value, Value][] = [];
    const size = dtypes[target.value.type.dtype].bytes;
    const walks = new Map<Value, boolean>();
    for (const source of cluster.sources) {
      if (source.kind === "table") walks.set(source.value, false);
      if (source.kind !== "memory") continue;
      const { strides, offset } = source.walk;
      const same =
        offset === target.walk.offset &&
        dtypes[source.value.type.dtype].bytes === size &&
        cluster.space.every((extent, k) => extent === 1 || strides[k] === target.walk.strides[k]) &&
        elementCount(source.value.type.shape) === elementCount(target.value.type.shape);
      walks.set(source.value, same && walks.get(source.value) !== false);
    }
    for (const [value, same] of walks) if (same) inPlace.push([value, target.value]);
    return this.whole.step(kernel, inPlace);
  }

  /** Moves of elements that have no lanes: 64-bit and complex ones. */
  private wide(operation: Operation): boolean {
    const { whole: all, steps } = this;
    const [source] = operation.operands;
    const result = operation.results[0]!;
    const { shape } = result.type;
    const target = whole(result).walk;
    const copy = (from: Value, extents: readonly number[], read: Walk, to: Walk): void => {
      if (elementCount(extents) === 0) return;
      const base = all.basedTarget({ value: from, walk: read });
      const place = all.basedTarget({ value: result, walk: to });
      steps.push(all.step(copyKernel(base.value, place.value, { extents, from: base.walk, to: place.walk })));
    };
    if (is(operation, "concatenate")) {
      const { dimension } = operation.attributes;
      let offset = 0;
      for (const operand of operation.operands) {
        const extents = operand.type.shape;
        copy(operand, extents, whole(operand).walk, { ...target, offset: offset * target.strides[dimension]! });
        offset += extents[dimension]!;
      }
      return true;
    }
    const map = source && operandMap(operation, identity(shape, 0, shape.length), shape);
    if (!map) return false;
    copy(source, shape, walkOf(map, source.type.shape, shape.length), target);
    return true;
  }

  /** Concatenations and paddings: each operand is put into its part of the result. */
  private parts(operation: Operation): boolean {
    const result = operation.results[0]!;
    if (!isLaneType(result.type.dtype)) return false;
    const strides = stridesOf(result.type.shape);
    if (is(operation, "concatenate")) {
      const { dimension } = operation.attributes;
      let offset = 0;
      for (const operand of operation.operands) {
        this.part(operation, operand, { value: result, walk: { offset: offset * strides[dimension]!, strides } });
        offset += operand.type.shape[dimension]!;
      }
      return true;
    }
    if (is(operation, "pad")) {
      const [operand, value] = operation.operands as [Value, Value];
      const { low, high, interior } = operation.attributes;
      if ([...low, ...high].some((n) => n < 0)) return false;
      const offset = low.reduce((sum, n, i) => sum + n * strides[i]!, 0);
      const inner = strides.map((stride, i) => stride * (interior[i]! + 1));
      // Steps are gathered in reverse: the filling comes first in the end.
      this.part(operation, operand, { value: result, walk: { offset, strides: inner } });
      this.fill(result, value);
      return true;
    }
    return false;
  }

  /** One element everywhere in a value. */
  private fill(result: Value, element: Value): void {
    const { dtype, shape } = result.type;
    const number = scalarOf(element);
    const strides = shape.map(() => 0);
    this.steps.push(
      this.loop(
        {
          operations: new Set(),
          root: result,
          space: shape,
          rowFrom: shape.length,
          expression:
            number === undefined ? { kind: "operand", index: 0, dtype } : { kind: "constant", value: number, dtype },
          sources: number === undefined ? [{ kind: "memory", value: element, walk: { offset: 0, strides } }] : [],
          reductions: [],
        },
        whole(result),
      ),
    );
  }

  /** Puts a value into a part of another one; computes it there when nobody else uses it. */
  private part(operation: Operation, operand: Value, target: Target): void {
    if (elementCount(operand.type.shape) === 0) return;
    const all = this.whole;
    const { producer } = operand;
    const alone = !all.isNeeded(operand) && all.usersOf(operand).every((user) => user === operation);
    const once = operation.operands.filter((other) => other === operand).length === 1;
    const options = this.options(false);
    if (producer && alone && once && options.available(producer)) {
      const cluster = clusterOf(operand, options);
      if (cluster) {
        this.steps.push(this.loop(cluster, target));
        return;
      }
    }
    const { shape, dtype } = operand.type;
    this.steps.push(
      this.loop(
        {
          operations: new Set(),
          root: operand,
          space: shape,
          rowFrom: shape.length,
          expression: { kind: "operand", index: 0, dtype },
          sources: [{ kind: "memory", value: operand, walk: { offset: 0, strides: stridesOf(shape) } }],
          reductions: [],
        },
        target,
      ),
    );
  }
}
