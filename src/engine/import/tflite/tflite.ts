// TensorFlow Lite models: .tflite files, opened by content.

import { CerebroError, FormatError } from "../../../base/errors.ts";
import { zipContent, zipEntries } from "../../../formats/zip.ts";
import { Builder } from "../../hlo/build.ts";
import type { Port, Program, State, Value } from "../../hlo/graph.ts";
import { elementCount, type TensorType } from "../../hlo/tensor.ts";
import type { InputShapes, Missing, Model, ModelFormat, ModelPort, Signature, Source, Tensors } from "../../model.ts";
import { Importer, type Problem } from "./importer.ts";
import { readMetadata } from "./metadata.ts";
import { isRagged, isResource } from "./node.ts";
import { isTflite, type ModelFile, readModelFile, type SignatureInfo, type TensorInfo } from "./schema.ts";

/** Most bytes of one attachment. */
const attachmentLimit = 1 << 26;

/** Custom operators that stand for code compiled for a chip, by what they are. */
const precompiled: Readonly<Record<string, string>> = {
  "custom:DISPATCH_OP": "compiled for a phone's NPU (LiteRT dispatch: Qualcomm, Google Tensor or MediaTek code)",
  "custom:ethos-u": "compiled by Vela for an Arm Ethos-U NPU",
  "custom:edgetpu-custom-op": "compiled for a Coral Edge TPU",
  DELEGATE: "compiled for a delegate",
};

/** Inputs and outputs of the ways to call a model: its signatures, or the first subgraph. */
interface Entry extends SignatureInfo {
  readonly signature: Signature;
}

/** Names that are there twice get their place added. */
function distinct(names: readonly string[]): string[] {
  return names.map((name, i) => (names.indexOf(name) === i && name !== "" ? name : `${name || "tensor"}:${i}`));
}

function portOf(name: string, info: TensorInfo): ModelPort {
  const { quantization, type } = info;
  return {
    name,
    dtype: type === "string" || type === "resource" || type === "variant" ? "string" : type,
    shape: info.signature.map((extent) => (extent === -1 ? null : extent)),
    ...(quantization?.scales.length === 1 && {
      quantization: { scale: quantization.scales[0]!, zeroPoint: quantization.zeroPoints[0]! },
    }),
  };
}

function entriesOf(file: ModelFile): Entry[] {
  const main = file.subgraphs[0]!;
  const named = (tensors: readonly number[]) => {
    const names = distinct(tensors.map((tensor) => main.tensors[tensor]!.name));
    return tensors.map((tensor, i) => [names[i]!, tensor] as const);
  };
  const signatures: readonly SignatureInfo[] =
    file.signatures.length > 0
      ? file.signatures
      : [{ key: "main", subgraph: 0, inputs: named(main.inputs), outputs: named(main.outputs) }];
  // In the order of the subgraph, which is the interpreters', whatever the signature's.
  const sorted = (list: SignatureInfo["inputs"], order: readonly number[]) =>
    [...list].sort(([, a], [, b]) => order.indexOf(a) - order.indexOf(b));
  return signatures.map((signature) => {
    const { tensors, inputs, outputs } = file.subgraphs[signature.subgraph]!;
    const each = {
      ...signature,
      inputs: sorted(signature.inputs, inputs),
      outputs: sorted(signature.outputs, outputs),
    };
    const ports = (list: SignatureInfo["inputs"]) => list.map(([name, tensor]) => portOf(name, tensors[tensor]!));
    return { ...each, signature: { name: each.key, inputs: ports(each.inputs), outputs: ports(each.outputs) } };
  });
}

/** The concrete shape of an input: as given, else as the file declares it. */
function shapeOf(name: string, info: TensorInfo, shapes: InputShapes): readonly number[] {
  const given = Object.hasOwn(shapes, name)
    ? shapes[name]
    : Object.hasOwn(shapes, info.name)
      ? shapes[info.name]
      : undefined;
  if (!given) return info.shape;
  if (given.length !== info.shape.length && info.shape.length > 0) {
    throw new FormatError(`TFLite: input '${name}' has rank ${info.shape.length}, got [${given}]`);
  }
  elementCount(given, `TFLite: input '${name}'`);
  return given;
}

/** Builds the program of one entry. Inputs whose values are given are constants in it. */
function build(
  entry: Entry,
  name: string,
  importer: Importer,
  shapes: InputShapes = {},
  values: Tensors = {},
): { program: Program; needed: string[] } {
  const subgraph = importer.subgraph(entry.subgraph);
  importer.findVariables(entry.subgraph);
  const names = new Map(entry.inputs.map(([key, tensor]) => [tensor, key]));
  const ports = subgraph.inputs
    .map((tensor) => subgraph.tensors[tensor]!)
    .map((info): Port => {
      const key = names.get(info.index) ?? info.name;
      const { quantization } = portOf(key, info);
      const type: TensorType = { dtype: importer.dtypeOf(info), shape: shapeOf(key, info, shapes) };
      return { name: key, type, ...(quantization && { quantization }) };
    });
  const keys = importer.stateKeys();
  const states = keys.map((key): State => {
    const { name: label, initial } = importer.variables.get(key)!;
    return { name: label, initial };
  });
  const b = new Builder([...ports.map(({ type }) => type), ...states.map(({ initial }) => initial)]);
  const inputs = b.parameters.slice(0, ports.length);
  importer.begin(b, inputs, b.parameters.slice(ports.length));
  const args = inputs.map((input, i) => {
    const given = Object.hasOwn(values, ports[i]!.name) ? values[ports[i]!.name] : undefined;
    return given && given.dtype === input.type.dtype ? b.constant(given) : input;
  });
  const results = importer.run(entry.subgraph, b, args, 0);
  const made = new Map(subgraph.outputs.map((tensor, i) => [tensor, results[i]!]));
  subgraph.inputs.forEach((tensor, i) => made.set(tensor, made.get(tensor) ?? b.parameters[i]!));
  const outputs: Port[] = [];
  const final: Value[] = [];
  for (const [key, tensor] of entry.outputs) {
    const result = made.get(tensor);
    const info = subgraph.tensors[tensor]!;
    if (!result) throw new FormatError(`TFLite: signature '${entry.key}' gives tensor ${tensor}, which is no output`);
    if (isResource(result) || isRagged(result)) throw new FormatError(`TFLite: output '${key}' is no tensor`);
    const { quantization } = portOf(key, info);
    outputs.push({ name: key, type: result.type, ...(quantization && { quantization }) });
    final.push(result);
  }
  const program = {
    name,
    inputs: ports,
    outputs,
    states,
    body: b.finish([...final, ...keys.map((key) => importer.currentOf(key)!)]),
  };
  return { program, needed: inputs.flatMap((input, i) => (importer.needed.has(input) ? [ports[i]!.name] : [])) };
}

function missingOf(problems: readonly Problem[]): Missing[] {
  const found = new Map<string, { op: string; count: number; where: string; reason?: string }>();
  for (const { operator, where, reason } of problems) {
    const text = precompiled[operator] ?? reason;
    const key = `${operator}\n${text ?? ""}`;
    const known = found.get(key);
    if (known) known.count++;
    else found.set(key, { op: operator, count: 1, where, ...(text !== undefined && { reason: text }) });
  }
  return [...found.values()];
}

/** The archive that labels and vocabularies are in: appended to the file. */
function attachmentsOf(bytes: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  // Archives without any files of TFLite's own are what most models are.
  if (bytes.length < 22) return files;
  for (const entry of zipEntries(bytes) ?? []) {
    if (!entry.name.endsWith("/")) files.set(entry.name, zipContent(bytes, entry, attachmentLimit));
  }
  return files;
}

/** The signature, with the inputs marked that shapes are made from. Only few integers can be such. */
function withValues(file: ModelFile, entry: Entry): Signature {
  const { signature } = entry;
  const small = ({ dtype, shape }: ModelPort) => (dtype === "i32" || dtype === "i64") && (shape?.length ?? 0) <= 1;
  if (!signature.inputs.some(small)) return signature;
  let needed: readonly string[] = [];
  try {
    ({ needed } = build(entry, signature.name, new Importer(file, true)));
  } catch {
    // What is wrong is said when the program is made.
    return signature;
  }
  return {
    ...signature,
    inputs: signature.inputs.map((port) => (needed.includes(port.name) ? { ...port, byValue: true } : port)),
  };
}

class TfliteModel implements Model {
  readonly format = "tflite";
  readonly name: string;
  readonly signatures: readonly Signature[];
  readonly operations: ReadonlyMap<string, number>;
  readonly parameters: number;
  readonly attachments: ReadonlyMap<string, Uint8Array>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #file: ModelFile;
  readonly #entries: readonly Entry[];
  #missing: readonly Missing[] | undefined;

  constructor(source: Source, bytes: Uint8Array) {
    this.name = source.name;
    this.#file = readModelFile(bytes);
    this.#entries = entriesOf(this.#file);
    this.signatures = this.#entries.map((entry) => withValues(this.#file, entry));
    const counts = new Map<string, number>();
    for (const { operators } of this.#file.subgraphs) {
      for (const { name } of operators) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    this.operations = new Map([...counts].sort(([, a], [, b]) => b - a));
    this.parameters = countParameters(this.#file);
    const texts = new Map<string, string>();
    // Models run without their metadata and attachments: damaged ones are reported, no more.
    const optional = <T>(read: () => T, otherwise: T): T => {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        texts.set("damaged", error.message);
        return otherwise;
      }
    };
    this.attachments = optional(() => attachmentsOf(bytes), new Map());
    for (const [key, text] of optional(() => readMetadata(this.#file), new Map())) texts.set(key, text);
    this.metadata = texts;
  }

  /** Importing everything once finds what is missing: types and sizes count, not only names. */
  get missing(): readonly Missing[] {
    if (this.#missing) return this.#missing;
    const problems: Problem[] = [];
    for (const entry of this.#entries) {
      const importer = new Importer(this.#file, true);
      try {
        build(entry, this.name, importer);
      } catch (error) {
        // Zeros in place of what is missing may not fit what comes after: then the list ends there.
        if (importer.problems.length === 0) throw error;
      }
      problems.push(...importer.problems);
    }
    this.#missing = missingOf(problems);
    return this.#missing;
  }

  program(signature?: string, shapes: InputShapes = {}, values: Tensors = {}): Program {
    const entry = signature === undefined ? this.#entries[0] : this.#entries.find(({ key }) => key === signature);
    if (!entry) {
      const names = this.#entries.map(({ key }) => `'${key}'`).join(", ");
      throw new FormatError(`TFLite: ${this.name} has no signature '${signature}', only ${names}`);
    }
    const importer = new Importer(this.#file, true);
    let built: ReturnType<typeof build> | undefined;
    let failure: unknown;
    try {
      built = build(entry, this.name, importer, shapes, values);
    } catch (error) {
      failure = error;
    }
    if (importer.problems.length > 0) {
      const list = missingOf(importer.problems).map(
        ({ op, count, where, reason }) => `${op} (${count} times, first ${where})${reason ? `: ${reason}` : ""}`,
      );
      throw new CerebroError("unsupported", `${this.name} needs what is not built: ${list.join("; ")}`);
    }
    if (!built) throw failure;
    if (built.needed.length > 0) {
      const list = built.needed.map((name) => `'${name}'`).join(", ");
      throw new FormatError(`TFLite: shapes within ${this.name} come from the numbers of input ${list}`, {
        hint: "give the values of these inputs when the program is made",
      });
    }
    return built.program;
  }
}

/** Numbers in constants of floats and small integers: shapes and axes are not counted. */
function countParameters(file: ModelFile): number {
  const seen = new Set<number>();
  let count = 0;
  for (const { tensors } of file.subgraphs) {
    for (const { buffer, shape, type } of tensors) {
      if (!file.buffers[buffer] || seen.has(buffer) || type === "string") continue;
      seen.add(buffer);
      count += elementCount(shape, "TFLite: tensor");
    }
  }
  return count;
}

export const tflite: ModelFormat = {
  name: "tflite",
  title: "TensorFlow Lite",
  matches: ({ bytes }) => bytes !== undefined && isTflite(bytes),
  open(source) {
    if (!source.bytes) throw new FormatError(`TFLite: ${source.name} is no file`);
    return new TfliteModel(source, source.bytes);
  },
};
