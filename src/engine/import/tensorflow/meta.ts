// A MetaGraph and its checkpoint, as TensorFlow 1 saves while training: NAME.meta, NAME.index, NAME.data-….

import { FormatError } from "../../../base/errors.ts";
import { decode, outline } from "../../../formats/protobuf.ts";
import type { Model, ModelFiles, ModelFormat, Source } from "../../model.ts";
import { Bundle } from "./bundle.ts";
import { MetaGraph } from "./messages.ts";
import { openMetaGraph } from "./saved.ts";

/** The newest of the graphs in a directory that has a checkpoint. */
function prefixOf(files: ModelFiles): string | undefined {
  const names = files.list("") ?? [];
  const step = (name: string) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  return names
    .filter((name) => name.endsWith(".meta") && names.includes(`${name.slice(0, -5)}.index`))
    .map((name) => name.slice(0, -5))
    .sort((a, b) => step(b) - step(a))[0];
}

function looksMeta(bytes: Uint8Array): boolean {
  const fields = outline(bytes);
  if (!fields || fields.length < 2) return false;
  const known = fields.every(({ field, wire }) => wire === 2 && field >= 1 && field <= 7);
  return (
    known && fields[0]!.field === 1 && fields[1]!.field === 2 && fields.some(({ field }) => field === 3 || field === 4)
  );
}

export const metaGraph: ModelFormat = {
  name: "meta-graph",
  title: "TensorFlow MetaGraph and checkpoint",
  matches: ({ bytes, files }: Source) =>
    files ? prefixOf(files) !== undefined : bytes !== undefined && looksMeta(bytes),
  open({ name, bytes, files }: Source): Model {
    const prefix = files && prefixOf(files);
    const content = prefix === undefined ? bytes : files!.read(`${prefix}.meta`);
    if (!content) throw new FormatError(`${name}: there is no .meta file with a checkpoint`);
    const meta = decode(MetaGraph, content, name);
    return openMetaGraph(meta, {
      name,
      format: "meta-graph",
      bundle: prefix === undefined ? undefined : new Bundle(files!, prefix),
    });
  },
};
