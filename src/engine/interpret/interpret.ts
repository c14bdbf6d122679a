// The plain interpreter: every operation on every type, exact and without haste. The oracle for the compiler, and what
// it falls back to.

export { argumentOf } from "./argument.ts";
export { constantOf } from "./constant.ts";
export { evaluate, evaluateOperation } from "./evaluate.ts";
export { type Environment, reducerOf } from "./run.ts";
