// Postprocessing: the steps that make an answer for people and programs of a model's outputs.

import { CerebroError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { dequantized, type Tensor, toNumbers } from "../hlo/tensor.ts";
import { isFloat } from "../hlo/dtype.ts";
import type { Tensors } from "../model.ts";
import { tokenizerFile } from "../nlp/tokenizer/open.ts";
import { count, oneOf, path, real, type OptionKind, type Step, type StepContext, stepOf } from "./step.ts";

/** A model's outputs on their way, and the answer once a step has one. */
export interface Outcome {
  readonly tensors: Tensors;
  /** JSON; undefined while there are only tensors. */
  readonly answer?: unknown;
}

/** One class, as top-k and threshold give them. */
export interface Scored {
  readonly index: number;
  readonly label?: string;
  readonly score: number;
}

/** A detection: corners from 0 to 1 or in pixels, as the model has them. */
export interface Detection extends Scored {
  /** Left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
}

const step = stepOf<Outcome, Outcome>();
const output: OptionKind<string> = { describe: "OUTPUT", parse: (text) => text };

function chosen({ tensors }: Outcome, name: string | undefined): [name: string, tensor: Tensor] {
  const key = name ?? Object.keys(tensors)[0];
  const found = key === undefined ? undefined : tensors[key];
  if (key !== undefined && found) return [key, found];
  throw new CerebroError("usage", `no output is called ${name ?? ""}`, {
    hint: `there are ${Object.keys(tensors).join(", ")}`,
  });
}

/** Lines of a label file. */
export function labelsOf(context: StepContext, file: string | undefined): readonly string[] | undefined {
  return file === undefined ? undefined : utf8(context.file(file)).trimEnd().split(/\r?\n/);
}

function scored(index: number, score: number, labels: readonly string[] | undefined): Scored {
  const label = labels?.[index];
  return { index, ...(label !== undefined && { label }), score };
}

/** Each row (last dimension) of an output through a function. */
function rows(outcome: Outcome, name: string | undefined, change: (row: Float64Array) => Float64Array): Outcome {
  const [key, tensor] = chosen(outcome, name);
  const numbers = toNumbers(tensor);
  const length = tensor.shape.at(-1) ?? 1;
  const data = new Float32Array(numbers.length);
  for (let at = 0; at < numbers.length; at += length) data.set(change(numbers.subarray(at, at + length)), at);
  return { ...outcome, tensors: { ...outcome.tensors, [key]: { dtype: "f32", shape: tensor.shape, data } } };
}

/** The overlap of two boxes: intersection over union. */
function overlap(a: Detection["box"], b: Detection["box"]): number {
  const area = (box: Detection["box"]) => Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
  const common = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  const union = area(a) + area(b) - common;
  return union > 0 ? common / union : 0;
}

type BoxFormat = "xyxy" | "yxyx" | "xywh" | "cxcywh";

function corners([a, b, c, d]: readonly [number, number, number, number], format: BoxFormat): Detection["box"] {
  if (format === "yxyx") return [b, a, d, c];
  if (format === "xywh") return [a, b, a + c, b + d];
  return format === "cxcywh" ? [a - c / 2, b - d / 2, a + c / 2, b + d / 2] : [a, b, c, d];
}

/** Every step after a model. */
export const after = {
  dequantise: step({
    help: "the real numbers that quantised outputs stand for",
    options: {},
    apply(outcome, _options, { outputs = [] }) {
      const entries = Object.entries(outcome.tensors).map(([name, tensor]) => {
        const quantization = outputs.find((port) => port.name === name)?.quantization;
        return [name, quantization && tensor.dtype !== "f32" ? dequantized(tensor, quantization) : tensor] as const;
      });
      return { ...outcome, tensors: Object.fromEntries(entries) };
    },
  }),
  softmax: step({
    help: "scores to probabilities along the last dimension",
    options: { of: output },
    apply: (outcome, { of }) =>
      rows(outcome, of, (row) => {
        const most = row.reduce((best, value) => Math.max(best, value), -Infinity);
        const powers = row.map((value) => Math.exp(value - most));
        const sum = powers.reduce((total, value) => total + value, 0);
        return powers.map((value) => value / sum);
      }),
  }),
  sigmoid: step({
    help: "scores to independent probabilities",
    options: { of: output },
    apply: (outcome, { of }) => rows(outcome, of, (row) => row.map((value) => 1 / (1 + Math.exp(-value)))),
  }),
  argmax: step({
    help: "the index of the largest element of each row",
    options: { of: output },
    apply(outcome, { of }) {
      const [, tensor] = chosen(outcome, of);
      const numbers = toNumbers(tensor);
      const length = tensor.shape.at(-1) ?? 1;
      const answer: number[] = [];
      for (let at = 0; at < numbers.length; at += length) {
        let best = 0;
        for (let i = 1; i < length; i++) if (numbers[at + i]! > numbers[at + best]!) best = i;
        answer.push(best);
      }
      return { ...outcome, answer: answer.length === 1 ? answer[0] : answer };
    },
  }),
  "top-k": step({
    help: "the k best classes, with their labels",
    options: { of: output, k: count, labels: path },
    apply(outcome, { of, k = 5, labels: file }, context) {
      const [, tensor] = chosen(outcome, of);
      const labels = labelsOf(context, file);
      const numbers = toNumbers(tensor);
      const order = Array.from(numbers.keys()).sort((a, b) => numbers[b]! - numbers[a]! || a - b);
      return { ...outcome, answer: order.slice(0, k).map((index) => scored(index, numbers[index]!, labels)) };
    },
  }),
  threshold: step({
    help: "all classes whose score is at least `min`, the best first",
    options: { of: output, min: real, labels: path },
    apply(outcome, { of, min = 0.5, labels: file }, context) {
      const [, tensor] = chosen(outcome, of);
      const labels = labelsOf(context, file);
      const found = Array.from(toNumbers(tensor), (score, index) => scored(index, score, labels));
      return { ...outcome, answer: found.filter(({ score }) => score >= min).sort((a, b) => b.score - a.score) };
    },
  }),
  decode: step({
    help: "boxes given relative to anchors (centre, size) to corners: needs the anchors as rows of cx,cy,w,h",
    options: { boxes: output, anchors: path, scale: real },
    apply(outcome, { boxes, anchors: file, scale = 1 }, context) {
      const [key, tensor] = chosen(outcome, boxes);
      if (file === undefined) throw new CerebroError("usage", "step decode: needs anchors=PATH");
      const anchors = utf8(context.file(file))
        .trim()
        .split(/[\s,]+/)
        .map(Number);
      const numbers = toNumbers(tensor);
      if (anchors.length !== numbers.length || anchors.some(Number.isNaN)) {
        throw new CerebroError("usage", `step decode: ${file} has ${anchors.length} numbers, needs ${numbers.length}`);
      }
      const data = new Float32Array(numbers.length);
      for (let i = 0; i < data.length; i += 4) {
        const [cx, cy, w, h] = anchors.slice(i, i + 4) as [number, number, number, number];
        const centre = [(numbers[i]! / scale) * w + cx, (numbers[i + 1]! / scale) * h + cy] as const;
        const extent = [(numbers[i + 2]! / scale) * w, (numbers[i + 3]! / scale) * h] as const;
        data.set(corners([...centre, ...extent], "cxcywh"), i);
      }
      const decoded: Tensor = { dtype: "f32", shape: tensor.shape, data };
      return { ...outcome, tensors: { ...outcome.tensors, [key]: decoded } };
    },
  }),
  nms: step({
    help: "boxes that do not overlap: the best of each heap",
    options: {
      boxes: output,
      scores: output,
      format: oneOf("xyxy", "yxyx", "xywh", "cxcywh"),
      iou: real,
      min: real,
      k: count,
      labels: path,
    },
    apply(outcome, { boxes, scores, format = "xyxy", iou = 0.5, min = 0.25, k = 100, labels: file }, context) {
      const names = Object.keys(outcome.tensors);
      const numbers = toNumbers(chosen(outcome, boxes)[1]);
      const values = toNumbers(chosen(outcome, scores ?? names[1])[1]);
      const number = numbers.length / 4;
      const classes = values.length / number;
      if (!Number.isInteger(number) || !Number.isInteger(classes)) {
        throw new CerebroError("usage", `step nms: ${values.length} scores do not fit ${numbers.length} box numbers`);
      }
      const labels = labelsOf(context, file);
      const candidates: Detection[] = [];
      for (let i = 0; i < number; i++) {
        for (let c = 0; c < classes; c++) {
          const score = values[i * classes + c]!;
          if (score < min) continue;
          const four = numbers.subarray(i * 4, i * 4 + 4) as unknown as [number, number, number, number];
          candidates.push({ ...scored(c, score, labels), box: corners(four, format) });
        }
      }
      candidates.sort((a, b) => b.score - a.score);
      const kept: Detection[] = [];
      for (const each of candidates) {
        if (kept.length >= k) break;
        if (kept.every((other) => other.index !== each.index || overlap(other.box, each.box) <= iou)) kept.push(each);
      }
      return { ...outcome, answer: kept };
    },
  }),
  detokenise: step({
    help: "the text of token ids, or of the likeliest ones where the output has scores",
    options: { of: output, tokenizer: path },
    apply(outcome, { of, tokenizer: file = "tokenizer.json" }, context) {
      const [, tensor] = chosen(outcome, of);
      const tokenizer = tokenizerFile(context.file(file), file);
      const numbers = toNumbers(tensor);
      const width = isFloat(tensor.dtype) ? (tensor.shape.at(-1) ?? 1) : 1;
      const ids: number[] = [];
      for (let at = 0; at < numbers.length; at += width) {
        let best = 0;
        for (let i = 1; i < width; i++) if (numbers[at + i]! > numbers[at + best]!) best = i;
        ids.push(width > 1 ? best : numbers[at]!);
      }
      return { ...outcome, answer: tokenizer.decode(ids) };
    },
  }),
} as const satisfies Record<string, Step<Outcome, Outcome>>;

/** Runs a chain of steps. */
export function runAfter(
  tensors: Tensors,
  steps: readonly { readonly row: Step<Outcome, Outcome>; readonly options: Readonly<Record<string, unknown>> }[],
  context: StepContext,
): Outcome {
  return steps.reduce<Outcome>((current, { row, options }) => row.apply(current, options, context), { tensors });
}
