// The model engine: bytes in, numbers out. Knows no kernel and no host.

export { compile } from "./compile/compile.ts";
export type { CompileOptions, EngineHost, Executable, ExecutableStats } from "./executable.ts";
export { type DType, dtypes } from "./hlo/dtype.ts";
export type { Port, Program } from "./hlo/graph.ts";
export {
  convertTensor,
  dequantized,
  fromBytes,
  fromNumbers,
  tensor,
  type Tensor,
  type TensorType,
  toNumbers,
} from "./hlo/tensor.ts";
export { evaluate } from "./interpret/interpret.ts";
export { allFormats, formatOf, load } from "./load.ts";
export type {
  Model,
  ModelFiles,
  ModelFormat,
  ModelPort,
  Missing,
  OpSupport,
  Signature,
  Source,
  Tensors,
} from "./model.ts";
export { Session, type SessionOptions } from "./session.ts";
