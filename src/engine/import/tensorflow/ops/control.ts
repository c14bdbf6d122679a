// Plumbing, calls and control flow by functions (tensorflow/core/ops/functional_ops.cc, control_flow_ops.cc).

import type { Value } from "../../../hlo/graph.ts";
import { constantOf } from "../../../interpret/interpret.ts";
import { type Call, type Importer, isSpecial, type Item, type List } from "../call.ts";
import { elementsOf, loop } from "../loop.ts";
import type { NameAttrList } from "../messages.ts";

const pass: Importer = (c) => c.item(0);
/** Reads a variable of TensorFlow 1 now, before later assignments. */
const identity: Importer = (c) => {
  const item = c.item(0);
  return isSpecial(item) && item.kind === "variable" && item.reference ? c.services.read(item) : item;
};
const passAll: Importer = (c) => c.inputs;

const call: Importer = (c) => c.services.call(c.target("f"), c.inputs);

/** Which branch a value chooses: TensorFlow takes numbers and lists for truth, too. */
function truth(c: Call, item: Item): Value {
  if (isSpecial(item)) return c.x(c.inputs.indexOf(item));
  const { dtype, shape } = item.type;
  if (shape.length > 0) return c.b.scalar("i1", item.type.shape.some((n) => n === 0) ? 0 : 1);
  return dtype === "i1" ? item : c.b.compare("NE", item, c.b.scalar(dtype, 0));
}

function whileLoop(c: Call): readonly Item[] {
  const { services } = c;
  const [condition, body] = [c.target("cond"), c.target("body")];
  return loop(services, {
    what: c.origin,
    initial: c.inputs,
    invariant: services.passedThrough(body),
    condition: (items) => {
      const [result] = services.call(condition, items);
      return result && !isSpecial(result) ? truth(c, result) : (result ?? c.fail("its condition has no result"));
    },
    body: (items) => services.call(body, items),
  });
}
/** Inputs: first number, limit, step, values. */
function forLoop(c: Call): readonly Item[] {
  const { services } = c;
  const body = c.target("body");
  const step = c.number(2);
  const results = loop(services, {
    what: c.origin,
    initial: [c.x(0), ...c.inputs.slice(3)],
    invariant: c.inputs.slice(2).map(() => false),
    condition: ([i]) => services.builder.compare(step > 0 ? "LT" : "GT", i as Value, c.x(1)),
    body: ([i, ...rest]) => [services.builder.with("add", i as Value, step), ...services.call(body, [i!, ...rest])],
  });
  return results.slice(1);
}

/** One of several functions: only one is imported when it is known which. */
function choose(c: Call, which: Value, branches: readonly NameAttrList[], inputs: readonly Item[]): readonly Item[] {
  const { services } = c;
  const known = constantOf(which);
  if (known) {
    const at = Number(known.data[0]);
    const last = branches.length - 1;
    // An index outside means the last branch.
    const branch = which.type.dtype === "i1" ? (at ? 0 : 1) : at < 0 || at > last ? last : at;
    return services.call(branches[branch] ?? c.fail("it has no branches"), inputs);
  }
  // Once to see what each branch gives and assigns, then for good.
  const seen = branches.map((branch) => {
    let results: readonly Item[] = [];
    const assigned = new Set<string>();
    services.region([], () => {
      const before = new Map(services.environment);
      results = services.call(branch, inputs);
      for (const [name, value] of services.environment) if (before.get(name) !== value) assigned.add(name);
      return [];
    });
    return { results, assigned };
  });
  const names = [...new Set(seen.flatMap(({ assigned }) => [...assigned]))];
  const first = seen[0]?.results ?? c.fail("it has no branches");
  const shapes = first.map((_, i) => listShape(seen.map(({ results }) => results[i])));
  const slots = first.map((item) => !isSpecial(item) || item.kind === "list");
  const regions = branches.map((branch) =>
    services.region([], () => {
      const results = services.call(branch, inputs);
      const values = results.flatMap((item, i) => {
        if (!slots[i]) return [];
        if (!isSpecial(item)) return [item];
        if (item.kind !== "list") return c.fail(`result ${i} is a ${item.kind}`);
        return (
          elementsOf(services, { ...item, shape: item.shape ?? shapes[i] }) ?? c.unsupported("a list without shape")
        );
      });
      return [...values, ...names.map((name) => services.read({ kind: "variable", name }))];
    }),
  );
  const results =
    which.type.dtype === "i1"
      ? c.b.all("if", [which], {} as never, regions)
      : c.b.all("case", [inRange(c, which, branches.length)], {} as never, regions);
  let at = 0;
  const items = first.map((item, i): Item => {
    if (!slots[i]) return item;
    const value = results[at++]!;
    if (!isSpecial(item)) return value;
    const { shape: _, ...list } = item as List;
    return { ...list, shape: shapes[i], elements: value };
  });
  for (const name of names) services.assign({ kind: "variable", name }, results[at++]!);
  return items;
}
const listShape = (items: readonly (Item | undefined)[]) =>
  items
    .map((item) => (item && isSpecial(item) && item.kind === "list" ? item.shape : undefined))
    .find((shape) => shape);

/** An index outside means the last branch. */
function inRange(c: Call, which: Value, count: number): Value {
  const { b } = c;
  const index = b.reshape(b.convert(which, "i32"), []);
  const last = b.scalar("i32", count - 1);
  return b.select(b.compare("LT", index, b.scalar("i32", 0)), last, b.plain("minimum", index, last));
}

function ifThenElse(c: Call): readonly Item[] {
  const which = truth(c, c.x(0));
  return choose(c, which, [c.target("then_branch"), c.target("else_branch")], c.inputs.slice(1));
}
function caseOf(c: Call): readonly Item[] {
  const branches = c.attribute("branches", "list")?.func ?? c.fail("attribute branches is missing");
  return choose(c, c.x(0), branches, c.inputs.slice(1));
}

const placeholder: Importer = (c) => c.fail("is not an input of the signature, but needed");

export const control: Readonly<Record<string, Importer>> = {
  Identity: identity,
  IdentityN: passAll,
  RefIdentity: pass,
  Snapshot: pass,
  StopGradient: pass,
  PreventGradient: pass,
  CheckNumerics: pass,
  DisableCopyOnRead: () => [],
  PlaceholderWithDefault: pass,
  Placeholder: placeholder,
  PlaceholderV2: placeholder,
  DeepCopy: pass,
  Copy: pass,
  CopyHost: pass,
  DebugIdentity: pass,
  DebugIdentityV2: pass,
  LoopCond: pass,
  Enter: pass,
  RefEnter: pass,
  NextIteration: pass,
  RefNextIteration: pass,
  Print: pass,
  OptimizationBarrier: passAll,
  XlaOptimizationBarrier: passAll,
  PartitionedCall: call,
  StatefulPartitionedCall: call,
  RemoteCall: (c) => c.services.call(c.target("f"), c.inputs.slice(1)),
  SymbolicGradient: (c) => c.unsupported("a gradient by name"),
  Switch: (c) => {
    // Both sides get the value; Merge chooses.
    const item = c.item(0);
    return [item, item];
  },
  RefSwitch: (c) => {
    const item = c.item(0);
    return [item, item];
  },
  For: forLoop,
  FakeParam: (c) => {
    // Stands for what the branch that is taken does not give.
    const shape = (c.shapeOf("shape")?.dim ?? []).map(({ size }) => Math.max(0, size));
    return c.b.full(c.type("dtype"), shape, 0);
  },
  GuaranteeConst: pass,
  ControlTrigger: () => [],
  While: whileLoop,
  StatelessWhile: whileLoop,
  If: ifThenElse,
  StatelessIf: ifThenElse,
  Case: caseOf,
  StatelessCase: caseOf,
  ToBool: (c) => truth(c, c.x(0)),
};
