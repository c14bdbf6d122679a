// Texts and models: tokenizers, and tasks by name.

export { generate, type Generated, type GenerateOptions } from "./tasks/generation.ts";
export {
  createTask,
  type Task,
  type TaskInput,
  type TaskOptions,
  tasks,
  type TextTask,
  usualTask,
} from "./tasks/task.ts";
export { TextModel } from "./tasks/textmodel.ts";
export { aggregations, type Answer, type Entity, type Filling } from "./tasks/understanding.ts";
export { tokenizerFile, tokenizerFrom, tokenizerOfModel } from "./tokenizer/open.ts";
export { type Encoding, Tokenizer, tokenizerOf } from "./tokenizer/tokenizer.ts";
