// Loops as regions: which values go round, lists of tensors among them, variables too; loops of known length unrolled.

import { CerebroError } from "../../../base/errors.ts";
import type { Value } from "../../hlo/graph.ts";
import { sameShape, sameType, type TensorType, typeText } from "../../hlo/tensor.ts";
import { constantOf } from "../../interpret/interpret.ts";
import { isSpecial, type Item, type List, NotConstant, type Services } from "./call.ts";

export interface Loop {
  readonly what: string;
  readonly initial: readonly Item[];
  /** Which items the body is known to give back as they were. */
  readonly invariant: readonly boolean[];
  condition(items: readonly Item[]): Item;
  body(items: readonly Item[]): readonly Item[];
}

/** Most rounds of a loop that is written out. */
const maximumRounds = 4096;
const maximumAttempts = 12;

/** The elements of a list; undefined when their shape is not known yet. */
export function elementsOf(services: Services, { dtype, shape, length, elements }: List): Value | undefined {
  if (elements || !shape) return elements;
  return services.builder.full(dtype, [length, ...shape], 0);
}

/** What goes round: one value an item, or none for lists whose shape is not known and what is no tensor. */
function slotsOf(services: Services, item: Item): Value | undefined {
  if (!isSpecial(item)) return item;
  return item.kind === "list" ? elementsOf(services, item) : undefined;
}

function withValue(item: Item, value: Value | undefined): Item {
  if (!value) return item;
  return isSpecial(item) && item.kind === "list" ? { ...item, elements: value } : value;
}

/** The body gave something else than it took: the loop has to be looked at again, or written out. */
class Changed extends Error {
  readonly retry: boolean;
  constructor(message: string, retry: boolean) {
    super(message);
    this.retry = retry;
  }
}

/** Writes a loop; gives its items after the last round. */
export function loop(services: Services, description: Loop): readonly Item[] {
  const invariant = [...description.invariant];
  const initial = [...description.initial];
  const variables = new Set<string>();
  for (let attempt = 0; attempt < maximumAttempts; attempt++) {
    try {
      return write(services, description, { initial, invariant, variables });
    } catch (error) {
      if (error instanceof Changed && error.retry) continue;
      if (error instanceof Changed || error instanceof NotConstant) return unroll(services, description, error);
      throw error;
    }
  }
  throw new CerebroError("unsupported", `${description.what}: the values of the loop do not settle`);
}

interface Plan {
  readonly initial: Item[];
  readonly invariant: boolean[];
  readonly variables: Set<string>;
}

function write(services: Services, description: Loop, plan: Plan): readonly Item[] {
  const { initial, invariant, variables } = plan;
  const names = [...variables];
  const slots = initial.map((item, i) => (invariant[i] ? undefined : slotsOf(services, item)));
  const values = slots.filter((slot) => slot !== undefined);
  const all = [...values, ...names.map((name) => services.read({ kind: "variable", name }))];
  const types = all.map(({ type }) => type);

  const unpack = (parameters: readonly Value[]): Item[] => {
    let at = 0;
    const items = initial.map((item, i) => (slots[i] ? withValue(item, parameters[at++]) : item));
    for (const name of names) services.environment.set(name, parameters[at++]!);
    return items;
  };
  const body = services.region(types, (parameters) => {
    const before = unpack(parameters);
    const environment = new Map(services.environment);
    const after = description.body(before);
    let retry = false;
    for (const [name, value] of services.environment) {
      if (environment.get(name) !== value && !variables.has(name)) {
        variables.add(name);
        retry = true;
      }
    }
    initial.forEach((item, i) => {
      if (invariant[i]) return;
      retry = settle(description, plan, { i, item, before: before[i]!, after: after[i] }) || retry;
    });
    if (retry) throw new Changed("", true);
    const results = initial.flatMap((_, i) => (slots[i] ? [slotsOf(services, after[i]!)!] : []));
    results.forEach((result, i) => checkType(description, types[i]!, result.type));
    return [...results, ...names.map((name) => services.environment.get(name)!)];
  });
  const condition = services.region(types, (parameters) => {
    const result = description.condition(unpack(parameters));
    if (isSpecial(result)) throw new CerebroError("unsupported", `${description.what}: its condition is no tensor`);
    return [services.builder.reshape(result, [])];
  });
  const results = services.builder.all("while", all, {} as never, [condition, body]);
  let at = 0;
  const items = initial.map((item, i) => (slots[i] ? withValue(item, results[at++]) : item));
  for (const name of names) services.assign({ kind: "variable", name }, results[at++]!);
  return items;
}

function checkType({ what }: Loop, before: TensorType, after: TensorType): void {
  if (sameType(before, after)) return;
  throw new Changed(`${what}: a value of type ${typeText(before)} comes back as ${typeText(after)}`, false);
}

/** Whether an item has to be treated differently from what was thought. */
function settle(
  { what }: Loop,
  plan: Plan,
  { i, item, before, after }: { i: number; item: Item; before: Item; after: Item | undefined },
): boolean {
  if (!after) throw new CerebroError("unsupported", `${what}: the body gives no value ${i}`);
  if (before === after) {
    plan.invariant[i] = true;
    return true;
  }
  if (!isSpecial(item)) {
    if (isSpecial(after)) throw new CerebroError("unsupported", `${what}: value ${i} becomes a ${after.kind}`);
    return false;
  }
  if (item.kind !== "list") {
    const same = isSpecial(after) && JSON.stringify(after) === JSON.stringify(item);
    if (!same) throw new CerebroError("unsupported", `${what}: value ${i} is a ${item.kind} that changes`);
    plan.invariant[i] = true;
    return true;
  }
  if (!isSpecial(after) || after.kind !== "list") {
    throw new CerebroError("unsupported", `${what}: value ${i} is a list and becomes something else`);
  }
  if (after.length !== item.length) throw new Changed(`${what}: a list grows in it`, false);
  if (after.shape && !item.shape) {
    plan.initial[i] = { ...item, shape: after.shape };
    return true;
  }
  if (after.shape && !sameShape(after.shape, item.shape ?? [])) {
    throw new Changed(`${what}: elements of a list change their shape`, false);
  }
  return false;
}

/** Writes every round out: for loops whose shapes depend on the round, when their length is known. */
function unroll(services: Services, description: Loop, reason: Error): readonly Item[] {
  let items = description.initial;
  for (let round = 0; round < maximumRounds; round++) {
    const condition = description.condition(items);
    const holds = isSpecial(condition) ? undefined : constantOf(condition);
    if (!holds) {
      throw new CerebroError("unsupported", `${description.what}: ${reason.message}`, { cause: reason });
    }
    if (Number(holds.data[0]) === 0) return items;
    items = description.body(items);
  }
  throw new CerebroError("limit", `${description.what}: more than ${maximumRounds} rounds`);
}
