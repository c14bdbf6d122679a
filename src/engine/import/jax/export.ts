// `jax.export` artifacts: a flatbuffer (serialization.fbs of JAX, versions 1 to 11) around a portable module, with the
// trees of arguments and results and their symbolic shapes.

import { FormatError } from "../../../base/errors.ts";
import { rootTable, type Table } from "../../../formats/flatbuffers.ts";
import type { Extent, Model, ModelFormat, Source } from "../../model.ts";
import { isBytecode, readBytecode } from "./mlir/bytecode.ts";
import { modelOf } from "./model.ts";
import type { PortFacts } from "./ports.ts";
import { withoutVersions } from "./versioned.ts";

/** Fields of Exported, PyTreeDef and AbstractValue by their numbers. */
const exported = {
  ...{ version: 0, name: 1, inTree: 2, inAvals: 3, outTree: 4, outAvals: 5, platforms: 9, module: 13 },
  ...{ callingConvention: 14, kept: 15, avals: 19, inIndices: 22, outIndices: 23 },
} as const;
const tree = { kind: 0, children: 1, names: 2 } as const;
const aval = { kind: 0, shape: 1 } as const;

const maximumDepth = 100;
const maximumLeaves = 1 << 20;

/** The leaves of a tree as paths: ["0", "params", "dense"]. */
function leavesOf(root: Table | undefined, what: string): string[][] {
  const leaves: string[][] = [];
  const walk = (node: Table, path: readonly string[]) => {
    if (path.length > maximumDepth) throw new FormatError(`${what}: tree is deeper than ${maximumDepth}`);
    const kind = node.number(tree.kind, "i8");
    if (kind === 0) leaves.push([...path]);
    if (leaves.length > maximumLeaves) throw new FormatError(`${what}: tree has more than ${maximumLeaves} leaves`);
    const names = kind === 4 ? node.strings(tree.names) : [];
    node.tables(tree.children).forEach((child, i) => walk(child, [...path, names[i] ?? String(i)]));
  };
  if (root) walk(root, []);
  return leaves;
}

function extent(text: string): Extent {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Shapes of arguments or results, in order. */
function shapesOf(table: Table, list: number, indices: number): Extent[][] {
  const shared = table.tables(exported.avals);
  const numbers = table.numbers(indices, "u32");
  const values = numbers.length > 0 ? numbers.map((i) => shared[i]) : table.tables(list);
  return values.map((each, i) => {
    if (!each) throw new FormatError(`jax.export: value ${i} has no type ${numbers[i]}`);
    return each.number(aval.kind, "i8") === 0 ? each.strings(aval.shape).map(extent) : [];
  });
}

/** Arguments are a tuple of those by position and a dictionary of those by name. */
function inputName([which, first, ...rest]: readonly string[]): string {
  const head = which === "1" ? first : `input${first ?? ""}`;
  return [head ?? "input", ...rest].join(".");
}

function outputName(path: readonly string[]): string | undefined {
  if (path.length === 0) return undefined;
  return /^\d/.test(path[0]!) ? ["output", ...path].join(".") : path.join(".");
}

function open({ name, bytes = new Uint8Array() }: Source): Model {
  const table = rootTable(bytes, "jax.export");
  const blob = table.bytes(exported.module);
  if (!blob || !isBytecode(blob)) throw new FormatError(`${name}: jax.export artifact without a module`);
  const { module, producer } = readBytecode(blob);
  const inPaths = leavesOf(table.table(exported.inTree), "jax.export");
  const outPaths = leavesOf(table.table(exported.outTree), "jax.export");
  const inShapes = shapesOf(table, exported.inAvals, exported.inIndices);
  const outShapes = shapesOf(table, exported.outAvals, exported.outIndices);
  const platforms = table.strings(exported.platforms);
  const kept = table.numbers(exported.kept, "u16");
  const version = table.number(exported.callingConvention, "u16");
  const facts = (shape: readonly Extent[] | undefined, port: string | undefined): PortFacts => ({
    ...(port !== undefined && { name: port }),
    ...(shape && { shape }),
  });
  // Arguments that nothing uses are not in the module.
  const inputs = kept.map((i) => facts(inShapes[i], inPaths[i] && inputName(inPaths[i])));
  const outputs = outShapes.map((shape, i) => facts(shape, outPaths[i] && outputName(outPaths[i])));
  const several = platforms.length > 1;
  return modelOf(withoutVersions(module), {
    format: "jax-export",
    name,
    inputs,
    outputs,
    // With several platforms the first parameter says which one it is.
    ...(several && { fixed: new Map([[0, Math.max(0, platforms.indexOf("cpu"))]]) }),
    metadata: new Map([
      ["function", table.string(exported.name) ?? ""],
      ["platforms", platforms.join(", ")],
      ["producer", producer],
      ["calling convention", String(version)],
    ]),
  });
}

export const jaxExport: ModelFormat = {
  name: "jax-export",
  title: "JAX export",
  matches({ bytes }) {
    if (!bytes || bytes.length < 64 || isBytecode(bytes)) return false;
    try {
      const blob = rootTable(bytes, "jax.export").bytes(exported.module);
      return blob !== undefined && isBytecode(blob);
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  },
  open,
};
