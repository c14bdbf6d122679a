// SavedModel directories (tensorflow/core/protobuf/saved_model.proto): graphs by tag, signatures, variables beside them.

import { FormatError } from "../../../base/errors.ts";
import { decode, outline } from "../../../formats/protobuf.ts";
import type { Model, ModelFiles, ModelFormat, Source } from "../../model.ts";
import { Bundle } from "./bundle.ts";
import { libraryOf } from "./graph.ts";
import { type MetaGraph, SavedModel } from "./messages.ts";
import { GraphModel } from "./model.ts";
import { plansOf, planOfGraph } from "./signatures.ts";
import { GraphVariables } from "./variables.ts";

const file = "saved_model.pb";

/** The directory of the model within the source: at the top, or the only one below it (a version number). */
function directoryOf(files: ModelFiles): string | undefined {
  if (files.list("")?.includes(file)) return "";
  const below = (files.list("") ?? []).filter((name) => files.list(name)?.includes(file));
  return below.length > 0 ? `${below.sort((a, b) => Number(b) - Number(a))[0]}/` : undefined;
}

/** Nodes to run before anything else: restoring, then initialising. */
export function startsOf(meta: MetaGraph): string[] {
  const starts: string[] = [];
  if (meta.saver && meta.saver.restoreOpName !== "") starts.push(meta.saver.restoreOpName);
  for (const name of ["legacy_init_op", "saved_model_main_op"]) {
    starts.push(...(meta.collections.get(name)?.nodes?.value ?? []));
  }
  const init = meta.signatures.get("__saved_model_init_op")?.outputs.values() ?? [];
  for (const { name } of init) starts.push(name);
  return starts.map((name) => name.replace(/^\^/, "").replace(/:\d+$/, ""));
}

export const metadataOf = (meta: MetaGraph): Map<string, string> =>
  new Map(
    [
      ["producer", `TensorFlow ${meta.metaInfo?.tensorflowVersion ?? ""}`],
      ["tags", (meta.metaInfo?.tags ?? []).join(", ")],
    ].filter(([, text]) => text!.trim() !== "" && text !== "TensorFlow ") as [string, string][],
  );

/** A meta graph as a model. */
export function openMetaGraph(
  meta: MetaGraph,
  parts: { name: string; format: string; bundle: Bundle | undefined; attachments?: ReadonlyMap<string, Uint8Array> },
): Model {
  if (!meta.graph) throw new FormatError(`${parts.name}: the meta graph has no graph`);
  const library = libraryOf(meta.graph, parts.name);
  const plans = plansOf(meta.signatures);
  return new GraphModel({
    format: parts.format,
    name: parts.name,
    library,
    variables: new GraphVariables(library, parts.bundle, startsOf(meta)),
    plans: plans.length > 0 ? plans : [planOfGraph(library)],
    metadata: metadataOf(meta),
    ...(parts.attachments && { attachments: parts.attachments }),
  });
}

function attachmentsOf(files: ModelFiles, directory: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const folder of ["assets", "assets.extra"]) {
    for (const name of files.list(`${directory}${folder}`) ?? []) {
      const bytes = files.read(`${directory}${folder}/${name}`);
      if (bytes) found.set(name, bytes);
    }
  }
  return found;
}

/** Whether a message's top looks like a SavedModel: a version, then meta graphs. */
function looksSaved(bytes: Uint8Array): boolean {
  const fields = outline(bytes);
  return (
    fields !== undefined &&
    fields.some(({ field, wire }) => field === 2 && wire === 2) &&
    fields.every(({ field, wire }) => (field === 1 && wire === 0) || (field === 2 && wire === 2)) &&
    fields[0]?.field === 1
  );
}

export const savedModel: ModelFormat = {
  name: "saved-model",
  title: "TensorFlow SavedModel",
  matches({ bytes, files }: Source): boolean {
    if (files) return directoryOf(files) !== undefined;
    return bytes !== undefined && looksSaved(bytes);
  },
  open({ name, bytes, files }: Source): Model {
    const directory = files ? (directoryOf(files) ?? "") : "";
    const content = files ? files.read(`${directory}${file}`) : bytes;
    if (!content) throw new FormatError(`${name}: there is no ${file}`);
    const { metaGraphs } = decode(SavedModel, content, file);
    const meta = metaGraphs.find(({ metaInfo }) => metaInfo?.tags.includes("serve")) ?? metaGraphs[0];
    if (!meta) throw new FormatError(`${file}: has no meta graph`);
    const prefix = `${directory}variables/variables`;
    const hasVariables = files?.list(`${directory}variables`)?.includes("variables.index");
    return openMetaGraph(meta, {
      name,
      format: "saved-model",
      bundle: files && hasVariables ? new Bundle(files, prefix) : undefined,
      ...(files && { attachments: attachmentsOf(files, directory) }),
    });
  },
};
