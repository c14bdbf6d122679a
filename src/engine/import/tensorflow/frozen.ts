// GraphDef files, binary or text: a graph with its weights inside (tensorflow/core/framework/graph.proto).

import { FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import { decode, outline } from "../../../formats/protobuf.ts";
import { decodeText } from "../../../formats/prototext.ts";
import type { Model, ModelFormat, Source } from "../../model.ts";
import { libraryOf } from "./graph.ts";
import { GraphDef, NodeDef } from "./messages.ts";
import { GraphModel } from "./model.ts";
import { planOfGraph } from "./signatures.ts";
import { GraphVariables } from "./variables.ts";

/** Nodes, a library, versions; and the first node has a name and an operation. */
function looksBinary(bytes: Uint8Array): boolean {
  const fields = outline(bytes);
  if (!fields || fields.length === 0) return false;
  const known = fields.every(
    ({ field, wire }) => (wire === 2 && [1, 2, 4, 5].includes(field)) || (field === 3 && wire === 0),
  );
  if (!known || fields[0]!.field !== 1 || fields[0]!.wire !== 2) return false;
  // The first node stands right at the beginning.
  let [at, length, shift] = [1, 0, 0];
  for (; bytes[at]! >= 0x80; at++, shift += 7) length += (bytes[at]! & 0x7f) * 2 ** shift;
  length += bytes[at]! * 2 ** shift;
  try {
    const { name, op } = decode(NodeDef, bytes.subarray(at + 1, at + 1 + length), "node");
    return name !== "" && /^[A-Z_][\w>]*$/.test(op);
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function looksText(bytes: Uint8Array): boolean {
  const start = utf8(bytes.subarray(0, 4096)).replaceAll(/^\s*(#[^\n]*\n\s*)*/g, "");
  return (
    /^(node|versions|library)\s*:?\s*\{/.test(start) && /\bop\s*:\s*["']|\bproducer\s*:|\bsignature\s*\{/.test(start)
  );
}

export const graphDef: ModelFormat = {
  name: "graph-def",
  title: "TensorFlow GraphDef",
  matches: ({ bytes }: Source) => bytes !== undefined && (looksText(bytes) || looksBinary(bytes)),
  open({ name, bytes }: Source): Model {
    if (!bytes) throw new FormatError(`${name}: a graph is one file`);
    const def = looksText(bytes) ? decodeText(GraphDef, utf8(bytes), name) : decode(GraphDef, bytes, name);
    const library = libraryOf(def, name);
    const producer = def.versions?.producer ?? 0;
    return new GraphModel({
      format: "graph-def",
      name,
      library,
      variables: new GraphVariables(library, undefined, []),
      plans: [planOfGraph(library)],
      metadata: new Map(producer > 0 ? [["producer", `TensorFlow graph version ${producer}`]] : []),
    });
  },
};
