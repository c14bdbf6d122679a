// What a model says of itself: TFLITE_METADATA (metadata_schema.fbs), with how pictures have to be normalised.

import { rootTable, type Table } from "../../../formats/flatbuffers.ts";
import type { ModelFile } from "./schema.ts";

const decoder = new TextDecoder();

/** One tensor's description as JSON: what preprocessing and postprocessing can use. */
function tensorText(table: Table): string {
  const processes = table.tables(4).flatMap((unit): { readonly [step: string]: unknown }[] => {
    const union = unit.union(0);
    if (!union) return [];
    const { type, value } = union;
    // ProcessUnitOptions: NormalizationOptions, ScoreCalibrationOptions, ScoreThresholdingOptions, three tokenizers.
    if (type === 1) return [{ normalize: { mean: value.numbers(0, "f32"), std: value.numbers(1, "f32") } }];
    if (type === 3) return [{ scoreThreshold: value.number(0, "f32") }];
    if (type === 4) return [{ tokenizer: "bert", files: value.tables(0).map((file) => file.string(0) ?? "") }];
    if (type === 5) return [{ tokenizer: "sentencepiece", files: value.tables(0).map((file) => file.string(0) ?? "") }];
    if (type === 6) return [{ tokenizer: "regex", pattern: value.string(0) ?? "" }];
    return [];
  });
  const stats = table.table(5);
  const content = table.table(3)?.union(0);
  // ContentProperties: FeatureProperties, ImageProperties, BoundingBoxProperties, AudioProperties.
  const kind = content && ["feature", "image", "boundingBox", "audio"][content.type - 1];
  return JSON.stringify({
    name: table.string(0),
    description: table.string(1),
    content: kind,
    ...(kind === "image" && { colors: ["unknown", "rgb", "grayscale"][content!.value.number(0, "i8")] ?? "unknown" }),
    ...(kind === "audio" && { sampleRate: content!.value.number(0, "u32"), channels: content!.value.number(1, "u32") }),
    ...Object.assign({}, ...processes),
    ...(stats && { max: stats.numbers(0, "f32"), min: stats.numbers(1, "f32") }),
    files: table.tables(6).map((file) => file.string(0) ?? ""),
  });
}

/**
 * Metadata by name: "description", "author", "license", "version", "minimum runtime"; "input 0" and "output 0" are JSON
 * of one tensor each (`normalize: { mean, std }`, `files`).
 */
export function readMetadata(file: ModelFile): Map<string, string> {
  const texts = new Map<string, string>();
  const put = (key: string, value: string | undefined) => {
    if (value) texts.set(key, value);
  };
  put("description", file.description);
  for (const [key, bytes] of file.metadata) {
    if (key === "min_runtime_version") put("minimum runtime", decoder.decode(bytes).replace(/\0+$/, ""));
  }
  const bytes = file.metadata.get("TFLITE_METADATA");
  if (!bytes) return texts;
  const root = rootTable(bytes, "TFLite metadata");
  put("name", root.string(0));
  put("description", root.string(1));
  put("version", root.string(2));
  put("author", root.string(4));
  put("license", root.string(5));
  const [graph] = root.tables(3);
  graph?.tables(2).forEach((table, i) => put(`input ${i}`, tensorText(table)));
  graph?.tables(3).forEach((table, i) => put(`output ${i}`, tensorText(table)));
  return texts;
}
