// A loaded model: what every importer gives, whatever the file was.

import type { DType } from "./hlo/dtype.ts";
import type { Program, Quantization } from "./hlo/graph.ts";
import type { Tensor } from "./hlo/tensor.ts";

/** The files of a directory model. Paths are relative, with "/". Synchronous: importers read what they need. */
export interface ModelFiles {
  /** Names in a directory ("" is the top), sorted; undefined when there is no such directory. */
  list(directory: string): readonly string[] | undefined;
  /** A file's bytes; undefined when there is no such file. */
  read(path: string): Uint8Array | undefined;
  /** A part of a file, for large ones of which little is needed; undefined as for read. */
  readPart?(path: string, offset: number, length: number): Uint8Array | undefined;
}

/** What is to be loaded: one file's bytes or a directory's files. `name` is for messages only. */
export interface Source {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly files?: ModelFiles;
}

/** An extent: a number; a name of a symbolic one ("batch"); or null, not known. */
export type Extent = number | string | null;

/** An input or output as the file declares it. */
export interface ModelPort {
  readonly name: string;
  /** "string" where the model wants text: such a signature cannot be run. */
  readonly dtype: DType | "string";
  /** null: even the rank is not known. */
  readonly shape: readonly Extent[] | null;
  readonly quantization?: Quantization;
  /** Shapes within the model come from this input's numbers: a program is for one value of it. */
  readonly byValue?: boolean;
}

/** One way to call a model. */
export interface Signature {
  readonly name: string;
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

/** Something a model needs that is not built: the complete list is made before anything runs. */
export interface Missing {
  /** As the format spells it: "NonMaxSuppressionV5", "custom:TFLite_Detection_PostProcess". */
  readonly op: string;
  /** How often, and where first. */
  readonly count: number;
  readonly where: string;
  /** Why, when it is not simply "not built": "string tensors". */
  readonly reason?: string;
}

/** Concrete input shapes and, where an importer has to know them, values (sizes that are computed from inputs). */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

export interface Model {
  /** "tflite", "saved-model", "graph-def", "keras", "tfjs", "jax-export", "stablehlo", "hlo", "transformer", … */
  readonly format: string;
  readonly name: string;
  /** The first is the default one. */
  readonly signatures: readonly Signature[];
  /** Operations of the file by the format's own names, most frequent first. */
  readonly operations: ReadonlyMap<string, number>;
  /** Numbers in the weights. */
  readonly parameters: number;
  /** Empty when the model can be run. */
  readonly missing: readonly Missing[];
  /** Files that come with the model: labels, vocabularies. */
  readonly attachments: ReadonlyMap<string, Uint8Array>;
  /** One line each for people: producer, version, description. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * The computation for concrete input shapes; extents that are not given and not fixed are 1 (batch) or an error that
   * names them. `values` has the inputs that are taken by value; the program still has them as inputs, and pays no
   * attention to them. Throws FormatError, or CerebroError "unsupported" with everything that is missing.
   */
  program(signature?: string, shapes?: InputShapes, values?: Tensors): Program;
}

/** Inputs and outputs of a run by port name. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** A file format of models: how it is recognised, by content, and opened. */
export interface ModelFormat {
  readonly name: string;
  /** For people: "TensorFlow Lite". */
  readonly title: string;
  matches(source: Source): boolean;
  /** Throws FormatError. */
  open(source: Source): Model;
}

/** One row of `cerebro compat`: an operation of a format, and whether it is built. */
export interface OpSupport {
  readonly name: string;
  readonly supported: boolean;
  /** Limits: "axis of NHWC only". */
  readonly note?: string;
}
