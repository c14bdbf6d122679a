// Opening models: the family of formats that a source looks like is loaded and asked first, the others only after that.

import { FormatError } from "../base/errors.ts";
import { latin1 } from "../base/text.ts";
import type { Model, ModelFormat, Source } from "./model.ts";

interface Family {
  /** Whether a look at the first bytes or the names says so. It may be wrong: then every format is asked. */
  likely(source: Source): boolean;
  load(): Promise<readonly ModelFormat[]>;
}

const begins = ({ bytes }: Source, text: string, at = 0) =>
  bytes !== undefined && latin1(bytes.subarray(at, at + text.length)) === text;
const has = ({ files }: Source, name: RegExp) => files?.list("")?.some((each) => name.test(each)) ?? false;

const families: readonly Family[] = [
  {
    likely: (source) => begins(source, "TFL3", 4),
    load: async () => [(await import("./import/tflite/tflite.ts")).tflite],
  },
  {
    likely: (source) => begins(source, "\x89HDF") || begins(source, "PK") || has(source, /\.weights\.h5$/),
    load: async () => (await import("./import/keras/family.ts")).kerasFormats,
  },
  {
    likely: (source) => has(source, /^saved_model\.pb$/),
    load: async () => (await import("./import/tensorflow/formats.ts")).tensorflowFormats,
  },
  {
    likely: (source) => begins(source, "ML\xefR") || begins(source, "module"),
    load: async () => (await import("./import/jax/format.ts")).formats,
  },
  {
    likely: (source) => has(source, /^config\.json$/),
    load: async () => (await import("./import/flax/formats.ts")).configFormats,
  },
];

/** Every format there is, in the order they are asked. */
export async function allFormats(): Promise<readonly ModelFormat[]> {
  return (await import("./import/index.ts")).modelFormats;
}

/** The format of a source; undefined when it is none of ours. */
export async function formatOf(source: Source): Promise<ModelFormat | undefined> {
  for (const family of families) {
    const found = family.likely(source) ? (await family.load()).find((format) => format.matches(source)) : undefined;
    if (found) return found;
  }
  return (await allFormats()).find((format) => format.matches(source));
}

/** Opens a model. Throws FormatError when it is no model, or a broken one. */
export async function load(source: Source): Promise<Model> {
  const format = await formatOf(source);
  if (format) return format.open(source);
  throw new FormatError(`${source.name}: is no model of a known format`, {
    hint: `known formats: ${(await allFormats()).map(({ title }) => title).join(", ")}`,
  });
}
