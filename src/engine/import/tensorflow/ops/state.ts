// Variables (tensorflow/core/ops/resource_variable_ops.cc, state_ops.cc): constants until something assigns to them.

import type { Value } from "../../../hlo/graph.ts";
import type { Call, Importer, Item, Variable } from "../call.ts";
import type { Node } from "../graph.ts";
import { type Combine, scatterRows } from "./gathers.ts";

/** The name that variable nodes share their variable by. */
export function variableName(node: Node): string {
  const text = (name: string) => {
    const value = node.attributes.get(name);
    return value?.which === "s" ? new TextDecoder().decode(value.value) : "";
  };
  const [container, shared] = [text("container"), text("shared_name")];
  const name = shared === "" ? node.name : shared;
  return container === "" ? name : `${container}/${name}`;
}

const handle: Importer = (c): Variable => ({ kind: "variable", name: variableName(c.node) });

const reference: Importer = (c): Variable => ({ kind: "variable", name: variableName(c.node), reference: true });

/** Assigns and gives the variable, as reference variables do. */
const assign =
  (write: (c: Call) => Value): Importer =>
  (c): Item => {
    const variable = c.variable(0);
    c.services.assign(variable, write(c));
    return variable;
  };
const scatter = (how: Combine): Importer =>
  assign((c) => {
    const { b } = c;
    const [x, indices] = [c.x(0), c.x(1)];
    const rows = b.reshape(indices, [...indices.type.shape, 1]);
    const updates = b.broadcast(c.x(2), [...indices.type.shape, ...x.type.shape.slice(1)]);
    return scatterRows(b, x, rows, updates, how);
  });
const scatterNd = (how: Combine): Importer => assign((c) => scatterRows(c.b, c.x(0), c.x(1), c.x(2), how));

export const state: Readonly<Record<string, Importer>> = {
  VarHandleOp: handle,
  Variable: reference,
  VariableV2: reference,
  ReadVariableOp: (c) => c.x(0),
  _ReadVariablesOp: (c) => c.xs(),
  VariableShape: (c) => c.b.numbers(c.type("out_type", "i32"), [c.rank(0)], c.shape(0)),
  VarIsInitializedOp: (c) => c.b.scalar("i1", 1),
  IsVariableInitialized: (c) => c.b.scalar("i1", 1),
  Assign: assign((c) => c.x(1)),
  AssignVariableOp: assign((c) => c.x(1)),
  AssignAdd: assign((c) => c.b.add(c.x(0), c.x(1))),
  AssignAddVariableOp: assign((c) => c.b.add(c.x(0), c.x(1))),
  AssignSub: assign((c) => c.b.subtract(c.x(0), c.x(1))),
  AssignSubVariableOp: assign((c) => c.b.subtract(c.x(0), c.x(1))),
  ScatterAdd: scatter("add"),
  ScatterSub: scatter("subtract"),
  ScatterUpdate: scatter("replace"),
  ScatterNdUpdate: scatterNd("replace"),
  ScatterNdAdd: scatterNd("add"),
  ScatterMax: scatter("maximum"),
  ScatterMin: scatter("minimum"),
  ScatterMul: scatter("multiply"),
  ResourceScatterAdd: scatter("add"),
  ResourceScatterSub: scatter("subtract"),
  ResourceScatterMul: scatter("multiply"),
  ResourceScatterMax: scatter("maximum"),
  ResourceScatterMin: scatter("minimum"),
  ResourceScatterUpdate: scatter("replace"),
  ResourceScatterNdUpdate: scatterNd("replace"),
  ResourceScatterNdAdd: scatterNd("add"),
};
