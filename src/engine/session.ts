// A model in use: programs compiled for the shapes that come, kept while they are used, with one set of states.

import { CerebroError, FormatError } from "../base/errors.ts";
import { compile } from "./compile/compile.ts";
import type { CompileOptions, Executable } from "./executable.ts";
import { byteSize, convertTensor, sameShape, type Tensor, typeText } from "./hlo/tensor.ts";
import type { Model, ModelPort, Signature, Tensors } from "./model.ts";

export interface SessionOptions extends CompileOptions {
  /** How many programs (one for each set of input shapes) are kept; 4 when absent. */
  readonly cache?: number;
}

interface Entry {
  readonly key: string;
  readonly executable: Executable;
}

/** Runs a model's signatures. Dispose it to give the memory back. */
export class Session {
  readonly model: Model;
  private readonly options: SessionOptions;
  /** The most recently used last. */
  private entries: Entry[] = [];
  /** Whose states are the current ones. */
  private latest: Executable | undefined;
  private disposed = false;

  constructor(model: Model, options: SessionOptions = {}) {
    this.model = model;
    this.options = options;
  }

  /** A signature by name; the default one when absent. Throws CerebroError "not-found". */
  signature(name?: string): Signature {
    const { signatures } = this.model;
    const found = name === undefined ? signatures[0] : signatures.find((each) => each.name === name);
    if (found) return found;
    const names = signatures.map((each) => each.name).join(", ");
    throw new CerebroError("not-found", `${this.model.name}: no signature ${name ?? ""}`, {
      hint: names === "" ? "the model has none" : `it has ${names}`,
    });
  }

  /** The compiled program for inputs of these shapes. */
  executable(
    signature: Signature,
    shapes: Readonly<Record<string, readonly number[]>>,
    inputs: Tensors = {},
  ): Executable {
    if (this.disposed) throw new CerebroError("usage", `${this.model.name}: the session was disposed`);
    const values = Object.fromEntries(
      signature.inputs.flatMap(({ name, byValue }) => (byValue && inputs[name] ? [[name, inputs[name]]] : [])),
    );
    const texts = signature.inputs.map(
      ({ name }) => `${name}:[${shapes[name] ?? ""}]${values[name]?.data.join() ?? ""}`,
    );
    const key = `${signature.name}(${texts.join()})`;
    const at = this.entries.findIndex((entry) => entry.key === key);
    const entry =
      at >= 0
        ? this.entries.splice(at, 1)[0]!
        : { key, executable: compile(this.model.program(signature.name, shapes, values), this.options) };
    this.entries.push(entry);
    while (this.entries.length > (this.options.cache ?? 4)) {
      const { executable } = this.entries.shift()!;
      // What it remembers must not go with it.
      if (executable === this.latest) {
        entry.executable.restore(executable.states());
        this.latest = entry.executable;
      }
      executable.dispose();
    }
    return entry.executable;
  }

  /** Runs a signature (the default one when absent). Inputs are fitted to the ports. Throws FormatError for those that do not. */
  run(inputs: Tensors, options: { signature?: string } = {}): Tensors {
    const signature = this.signature(options.signature);
    if (signature === this.model.signatures[0]) needSupported(this.model);
    const fitted = fitInputs(signature, inputs);
    const shapes = Object.fromEntries(Object.entries(fitted).map(([name, { shape }]) => [name, shape]));
    const executable = this.executable(signature, shapes, fitted);
    if (this.latest && this.latest !== executable) executable.restore(this.latest.states());
    this.latest = executable;
    return executable.run(fitted);
  }

  /** Forgets the states: variables are what the file says again. */
  reset(): void {
    for (const { executable } of this.entries) executable.reset();
    this.latest = undefined;
  }

  /** Bytes of weights and activations of all compiled programs. */
  get memory(): number {
    return this.entries.reduce(
      (sum, { executable: { stats } }) => sum + stats.weightBytes + stats.activationBytes + stats.codeBytes,
      0,
    );
  }

  dispose(): void {
    for (const { executable } of this.entries) executable.dispose();
    this.entries = [];
    this.latest = undefined;
    this.disposed = true;
  }
}

/** Refuses a model that needs what is not built. Throws CerebroError "unsupported" with everything that its default signature lacks. */
export function needSupported({ name, missing }: Model): void {
  if (missing.length === 0) return;
  const list = missing.map(({ op, reason }) => (reason === undefined ? op : `${op} (${reason})`));
  throw new CerebroError("unsupported", `${name}: not supported: ${list.join(", ")}`);
}

/** Gives each input of a signature its tensor, in the port's type and rank. One input may be given under any name. */
export function fitInputs(signature: Signature, inputs: Tensors): Tensors {
  const given = Object.entries(inputs);
  const only = signature.inputs.length === 1 && given.length === 1 ? given[0]![1] : undefined;
  const known = new Set(signature.inputs.map(({ name }) => name));
  const strange = given.filter(([name]) => !known.has(name));
  if (!only && strange.length > 0) {
    throw new FormatError(`no input is called ${strange[0]![0]}; there are ${[...known].join(", ")}`);
  }
  return Object.fromEntries(
    signature.inputs.map((port) => {
      const value = inputs[port.name] ?? only;
      if (!value) throw new FormatError(`input ${port.name} is missing`);
      return [port.name, fit(port, value)];
    }),
  );
}

/** A tensor as a port takes it: leading extents of 1 added or dropped, elements converted or quantised. */
function fit(port: ModelPort, value: Tensor): Tensor {
  const { dtype, shape: wanted, quantization } = port;
  if (dtype === "string") throw new CerebroError("unsupported", `input ${port.name} takes strings`);
  let { shape } = value;
  if (wanted) {
    const fixed = wanted.every((extent) => typeof extent === "number");
    while (shape.length < wanted.length && !matches(shape, wanted)) shape = [1, ...shape];
    while (shape.length > wanted.length && shape[0] === 1) shape = shape.slice(1);
    if (fixed && byteSize({ dtype, shape }) === byteSize({ dtype, shape: wanted })) shape = wanted;
    if (!matches(shape, wanted)) {
      const text = wanted.map((extent) => extent ?? "?").join(",");
      throw new FormatError(`input ${port.name} is ${dtype}[${text}], got ${typeText(value)}`);
    }
  }
  const reshaped = sameShape(shape, value.shape) ? value : { ...value, shape };
  if (value.dtype === dtype) return reshaped;
  const real = value.dtype === "f32" || value.dtype === "f64" || value.dtype === "f16" || value.dtype === "bf16";
  return convertTensor(reshaped, dtype, real ? quantization : undefined);
}

function matches(shape: readonly number[], wanted: readonly (number | string | null)[]): boolean {
  return (
    shape.length === wanted.length && wanted.every((extent, i) => typeof extent !== "number" || extent === shape[i])
  );
}
