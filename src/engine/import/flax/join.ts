// Programs that take their weights as inputs (jax.export of a function of parameters), joined with a checkpoint.

import { FormatError } from "../../../base/errors.ts";
import { bindInputs } from "../../hlo/bind.ts";
import { sameType, type Tensor, type TensorType, typeText } from "../../hlo/tensor.ts";
import type { Model, ModelFiles, ModelFormat, ModelPort, Source } from "../../model.ts";
import { jaxExport } from "../jax/export.ts";
import { weightsOfDirectory } from "./open.ts";
import { lazyTensor, parameterCount, type Weight, type Weights } from "./weights.ts";

const shownNames = 20;

/** "params/Dense_0/kernel/value" as the names of ports are written. */
const dotted = (name: string) => name.replaceAll("/", ".").replace(/\.value$/, "");

function fits(port: ModelPort, type: TensorType): boolean {
  return (
    port.shape !== null &&
    port.dtype !== "string" &&
    port.shape.every((extent) => typeof extent === "number") &&
    sameType({ dtype: port.dtype, shape: port.shape as number[] }, type)
  );
}

/** Weights by the port they belong to: the longest path that a port's name ends with, or the order of the tree. */
function assign(ports: readonly ModelPort[], weights: Weights): Map<string, Weight> {
  const assigned = new Map<string, Weight>();
  // An optimiser's state mirrors the parameters' names.
  const list = weights.list.filter(({ name }) => !/^opt_state\b/.test(name));
  const paths = list.map((weight) => ({ weight, path: dotted(weight.name) }));
  for (const port of ports) {
    const name = port.name.replace(/\.value$/, "");
    const found = paths
      .filter(({ path }) => name === path || name.endsWith(`.${path}`) || path.endsWith(`.${name}`))
      .toSorted((a, b) => b.path.length - a.path.length)[0];
    if (found) assigned.set(port.name, found.weight);
  }
  if (assigned.size > 0) return assigned;
  // A tracer that was given no names: leaves come in the order of their sorted keys.
  const sorted = paths.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  if (sorted.every(({ weight }, i) => ports[i] !== undefined && fits(ports[i], weight))) {
    sorted.forEach(({ weight }, i) => assigned.set(ports[i]!.name, weight));
  }
  return assigned;
}

/** A model whose inputs are weights where a checkpoint has them. Throws FormatError when nothing or the wrong thing fits. */
export function joinWeights(model: Model, weights: Weights): Model {
  const [first] = model.signatures;
  if (!first) throw new FormatError(`${model.name}: has no signature to join weights with`);
  const assigned = assign(first.inputs, weights);
  const inputs = first.inputs.filter(({ name }) => !assigned.has(name));
  if (assigned.size === 0) {
    const names = first.inputs.map(({ name }) => name).slice(0, shownNames);
    throw new FormatError(`${model.name}: no input is called like a weight: ${names.join(", ")}`, {
      hint: `the checkpoint has ${weights.list
        .map(({ name }) => name)
        .slice(0, 3)
        .join(", ")}, …`,
    });
  }
  const tensors: Record<string, Tensor> = {};
  for (const port of first.inputs) {
    const weight = assigned.get(port.name);
    if (!weight) continue;
    if (!fits(port, weight)) {
      const wanted = `${port.dtype}[${port.shape?.join() ?? "?"}]`;
      throw new FormatError(`${model.name}: input ${port.name} is ${wanted}, "${weight.name}" is ${typeText(weight)}`);
    }
    tensors[port.name] = lazyTensor(weight, () => weight.read());
  }
  const used = new Set(assigned.values());
  const unused = weights.list
    .filter((weight) => !used.has(weight) && !/^opt_state\b/.test(weight.name))
    .map(({ name }) => name);
  const metadata = new Map([...model.metadata, ["weights", weights.format] as const]);
  if (unused.length > 0) metadata.set("unused weights", unused.slice(0, shownNames).join(", "));
  const signature = { ...first, inputs };
  return {
    ...model,
    signatures: [signature, ...model.signatures.slice(1)],
    parameters: model.parameters + parameterCount([...used]),
    metadata,
    program: (name, shapes) => {
      if (name !== undefined && name !== first.name) return model.program(name, shapes);
      return bindInputs(model.program(first.name, shapes), tensors);
    },
  };
}

/** The file of a directory that is a jax.export artifact. */
function artifactIn(files: ModelFiles | undefined): Source | undefined {
  for (const name of files?.list("") ?? []) {
    if (!/\.(jax|jaxexport|jax_export|export|bin|mlirbc)$/.test(name)) continue;
    const bytes = files!.read(name);
    if (bytes && jaxExport.matches({ name, bytes })) return { name, bytes };
  }
  return undefined;
}

/** A directory with a jax.export artifact and a checkpoint of the parameters that it takes. */
export const flaxExport: ModelFormat = {
  name: "flax-export",
  title: "jax.export program with Flax weights",
  matches: ({ files }) => artifactIn(files) !== undefined,
  open: (source) => {
    const artifact = artifactIn(source.files);
    if (!artifact) throw new FormatError(`${source.name}: holds no jax.export artifact`);
    const model = jaxExport.open({ ...artifact, name: source.name });
    const weights = weightsOfDirectory(source.files!);
    return weights ? joinWeights(model, weights) : model;
  },
};
