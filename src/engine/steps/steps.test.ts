import { expect, test } from "vitest";
import type { Image } from "../../formats/image.ts";
import type { ModelPort } from "../model.ts";
import { after, runAfter } from "./after.ts";
import { before, runBefore, usualSteps } from "./before.ts";
import { type Item, parseSteps, type StepContext } from "./step.ts";

const context: StepContext = { file: () => new TextEncoder().encode("cat\ndog\nbird\n") };
const image: Image = {
  width: 4,
  height: 2,
  channels: 1,
  pixels: Uint8Array.from([0, 50, 100, 150, 50, 100, 150, 200]),
};
const numbers = (item: Item, steps: string) =>
  Array.from(runBefore(item, parseSteps(steps, before), context).data, Number);
const port = (rest: Partial<ModelPort>): ModelPort => ({ name: "x", dtype: "f32", shape: [1, 96, 96, 3], ...rest });

test("pictures are resized, cropped, coloured and normalised", () => {
  expect(numbers({ kind: "image", image }, "")).toEqual([0, 50, 100, 150, 50, 100, 150, 200]);
  expect(numbers({ kind: "image", image }, "resize size=2x1 method=area")).toEqual([50, 150]);
  expect(numbers({ kind: "image", image }, "crop size=2x1 x=1 y=1 | normalise mean=100 std=50")).toEqual([0, 1]);
  expect(numbers({ kind: "image", image }, "crop size=1 x=0 y=0 | channels count=3 | normalise range=-1..1")).toEqual([
    -1, -1, -1,
  ]);
  const colours: Image = { width: 2, height: 1, channels: 3, pixels: Uint8Array.from([1, 2, 3, 4, 5, 6]) };
  expect(numbers({ kind: "image", image: colours }, "layout order=NCHW")).toEqual([1, 4, 2, 5, 3, 6]);
});

test("what is usual follows from the input", () => {
  expect(usualSteps(port({}))).toBe("channels count=3 | resize size=96x96 | normalise range=0..1");
  expect(usualSteps(port({ shape: [1, 3, 8, 9] }))).toBe(
    "channels count=3 | resize size=9x8 | normalise range=0..1 | layout order=NCHW",
  );
  const quantised = port({ dtype: "i8", quantization: { scale: 1 / 127.5, zeroPoint: -1 } });
  expect(usualSteps(quantised)).toContain("normalise range=-1..1");
  expect(usualSteps(port({ shape: [1, 128] }))).toBe("");
});

test("a tone has its energy in the bin of its frequency", () => {
  const rate = 16000;
  const samples = Float32Array.from({ length: rate }, (_, i) => Math.sin((2 * Math.PI * 1000 * i) / rate));
  const steps = parseSteps("mel bins=40 window=400 hop=160 log=none", before);
  const { shape, data } = runBefore({ kind: "sound", sound: { rate, channels: [samples] } }, steps, context);
  expect(shape).toEqual([1, 98, 40]);
  const row = Array.from(data.subarray(40 * 10, 40 * 11), Number);
  // 1000 Hz is 1000 mel; bins go from 32 to 2840 mel in 41 steps.
  expect(row.indexOf(Math.max(...row))).toBe(13);
  const slower = runBefore(
    { kind: "sound", sound: { rate, channels: [samples] } },
    parseSteps("resample rate=8000", before),
    context,
  );
  expect(slower.shape).toEqual([1, 8000]);
  expect(Number(slower.data[4002])).toBeCloseTo(Math.sin((2 * Math.PI * 1000 * 4002) / 8000), 2);
});

test("scores become classes and boxes", () => {
  const scores = { dtype: "f32", shape: [1, 3], data: Float32Array.of(1, 3, 2) } as const;
  const best = runAfter({ scores }, parseSteps("softmax | top-k k=2 labels=names", after), context).answer;
  expect(best).toEqual([
    { index: 1, label: "dog", score: expect.closeTo(0.665, 3) },
    { index: 2, label: "bird", score: expect.closeTo(0.245, 3) },
  ]);
  expect(runAfter({ scores }, parseSteps("argmax", after), context).answer).toBe(1);
  const boxes = {
    dtype: "f32",
    shape: [3, 4],
    data: Float32Array.of(0, 0, 10, 10, 1, 1, 10, 10, 20, 20, 30, 30),
  } as const;
  const values = { dtype: "f32", shape: [3, 1], data: Float32Array.of(0.8, 0.9, 0.5) } as const;
  const found = runAfter({ boxes, values }, parseSteps("nms boxes=boxes scores=values iou=0.5", after), context).answer;
  expect(found).toMatchObject([{ box: [1, 1, 10, 10] }, { box: [20, 20, 30, 30] }]);
});

test("text becomes the list that an input wants, and ids become text", () => {
  const vocabulary = new TextEncoder().encode("[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nwor\n##ld\n");
  const files = { file: () => vocabulary };
  const list = (name: string, steps: string, shape: readonly (number | null)[] = [1, null]) => {
    const port = { name, dtype: "i32", shape } as const;
    const chain = parseSteps(steps, before);
    return [...runBefore({ kind: "text", text: "Hello world" }, chain, { ...files, port }).data].map(Number);
  };
  expect(list("input_ids", "tokenise tokenizer=vocab.txt")).toEqual([2, 4, 5, 6, 3]);
  expect(list("input_ids", "tokenise tokenizer=vocab.txt max=4")).toEqual([2, 4, 5, 3]);
  expect(list("attention_mask", "tokenise tokenizer=vocab.txt", [1, 7])).toEqual([1, 1, 1, 1, 1, 0, 0]);
  const ids = { dtype: "i32", shape: [1, 5], data: Int32Array.of(2, 4, 5, 6, 3) } as const;
  expect(runAfter({ ids }, parseSteps("detokenise tokenizer=vocab.txt", after), files).answer).toBe("hello world");
});

test("a wrong step or option is named", () => {
  expect(() => parseSteps("resise", before)).toThrow('no step is called "resise"');
  expect(() => parseSteps("resize size=0", before)).toThrow("step resize, size");
  expect(() => parseSteps("resize speed=2", before)).toThrow('"speed=2" is no option');
  expect(() => numbers({ kind: "text", text: "hello" }, "")).toThrow("tokenised");
});
