// A known architecture with its weights, as a model: programs are written for the shapes that are asked for.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import type { Program } from "../../hlo/graph.ts";
import { type TensorType, zeros } from "../../hlo/tensor.ts";
import type { InputShapes, Model, ModelPort } from "../../model.ts";
import { lazyTensor, parameterCount, type Weights } from "../flax/weights.ts";
import type { Architecture, Entry, Extents, Values } from "./architecture.ts";
import { Network } from "./network.ts";
import type { Parameters } from "./parameters.ts";

/** Most bytes of all states of a program. */
const statesLimit = 2 ** 31;
/** Extents of symbols for the trial that finds out what is missing. */
const trialExtent = 2;
const shownNames = 30;

/** Binds the symbols of a signature's ports to what shapes say. */
function extentsOf(entry: Entry, shapes: InputShapes, name: string): Extents {
  const extents: Record<string, number> = {};
  const { inputs, name: signature } = entry.signature;
  for (const port of inputs) {
    const given = shapes[port.name];
    if (!given) continue;
    const wanted = port.shape!;
    const fits = given.length === wanted.length;
    wanted.forEach((extent, i) => {
      const found = given[i];
      if (!fits || found === undefined || (typeof extent === "number" && extent !== found)) {
        throw new FormatError(`${name}: ${signature}: input ${port.name} is [${wanted.join()}], got [${given}]`);
      }
      if (typeof extent !== "string") return;
      if ((extents[extent] ??= found) !== found) {
        throw new FormatError(`${name}: ${signature}: ${extent} is ${extents[extent]} and, for ${port.name}, ${found}`);
      }
    });
  }
  for (const symbol of symbolsOf(inputs)) {
    if (symbol === "batch") extents["batch"] ??= 1;
    const extent = extents[symbol];
    if (extent === undefined) throw new FormatError(`${name}: ${signature}: the extent "${symbol}" is not given`);
    const limit = entry.limits?.[symbol];
    if (extent < 1 || (limit !== undefined && extent > limit)) {
      throw new FormatError(`${name}: ${signature}: ${symbol} is ${extent}, must be 1 to ${limit ?? "any"}`);
    }
  }
  return extents;
}

function symbolsOf(ports: readonly ModelPort[]): Set<string> {
  return new Set(ports.flatMap(({ shape }) => (shape ?? []).filter((extent) => typeof extent === "string")));
}

const typeOf = (port: ModelPort, extents: Extents): TensorType => ({
  dtype: port.dtype === "string" ? "u8" : port.dtype,
  shape: (port.shape ?? []).map((extent) => (typeof extent === "string" ? extents[extent]! : (extent ?? 1))),
});

/** Writes an entry's program. */
function write(entry: Entry, weights: Parameters, extents: Extents, name: string): { program: Program; net: Network } {
  const { signature } = entry;
  const inputs = signature.inputs.map((port) => ({ name: port.name, type: typeOf(port, extents) }));
  const stateTypes = entry.states?.(extents) ?? [];
  const net = new Network(weights, [...inputs.map(({ type }) => type), ...stateTypes]);
  const named = (names: readonly { name: string }[], from: number): Values =>
    Object.fromEntries(names.map((each, i) => [each.name, net.parameters[from + i]!]));
  const written = entry.write(net, named(inputs, 0), named(stateTypes, inputs.length));
  const outputs = signature.outputs.map((port) => {
    const value = written.outputs[port.name]!;
    return { port: { name: port.name, type: value.type }, value };
  });
  const body = net.finish([
    ...outputs.map(({ value }) => value),
    ...stateTypes.map((state, i) => written.states?.[state.name] ?? net.parameters[inputs.length + i]!),
  ]);
  const program = {
    name: `${name}: ${signature.name}`,
    inputs,
    outputs: outputs.map(({ port }) => port),
    states: stateTypes.map((state) => ({
      name: state.name,
      initial: lazyTensor(state, () => zeros(state.dtype, state.shape)),
    })),
    body,
  };
  return { program, net };
}

/** What a model of an architecture consists of, but for what its kind adds. */
export interface Parts {
  readonly name: string;
  readonly architecture: Pick<Architecture, "entries">;
  readonly parameters: Parameters;
  readonly weights: Weights;
  readonly attachments: ReadonlyMap<string, Uint8Array>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Joins an architecture with its weights. Every signature is written once for small shapes, so that what the
 * checkpoint lacks is known now. Throws FormatError.
 */
export function modelOf({ name, architecture, parameters, weights, ...parts }: Parts): Omit<Model, "format"> {
  const { entries } = architecture;
  const operations = new Map<string, number>();
  for (const [i, entry] of entries.entries()) {
    const symbols = [...symbolsOf(entry.signature.inputs)];
    const trial = symbols.map((symbol) => [symbol, Math.min(trialExtent, entry.limits?.[symbol] ?? trialExtent)]);
    const { net } = write(entry, parameters, Object.fromEntries(trial) as Extents, name);
    if (i > 0) continue;
    for (const [kind, count] of [...net.layers].toSorted((a, b) => b[1] - a[1])) operations.set(kind, count);
  }
  parameters.complete();
  const unused = parameters.unused();
  const metadata = new Map([["weights", weights.format], ...parts.metadata]);
  if (unused.length > 0) {
    const more = unused.length > shownNames ? ` and ${unused.length - shownNames} more` : "";
    metadata.set("unused weights", `${unused.slice(0, shownNames).join(", ")}${more}`);
  }
  return {
    name,
    signatures: entries.map(({ signature }) => signature),
    operations,
    parameters: parameterCount(weights.list),
    missing: [],
    attachments: parts.attachments,
    metadata,
    program: (signature, shapes = {}) => {
      const entry = signature === undefined ? entries[0] : entries.find((each) => each.signature.name === signature);
      if (!entry) throw new CerebroError("not-found", `${name}: no signature ${signature ?? ""}`);
      const extents = extentsOf(entry, shapes, name);
      const bytes = (entry.states?.(extents) ?? []).reduce(
        (sum, { shape }) => sum + 4 * shape.reduce((product, extent) => product * extent, 1),
        0,
      );
      if (bytes > statesLimit) {
        throw new CerebroError("limit", `${name}: the caches need ${bytes} bytes, at most ${statesLimit}`);
      }
      return write(entry, parameters, extents, name).program;
    },
  };
}
