// Weights alone: recognised, so that the message says what they lack.

import { FormatError } from "../../../base/errors.ts";
import { isSafetensors } from "../../../formats/safetensors.ts";
import { isZip, zipEntries } from "../../../formats/zip.ts";
import type { ModelFormat, Source } from "../../model.ts";
import { isFlaxCheckpoint, readFlaxCheckpoint } from "./checkpoint.ts";
import { isNpz, openWeights } from "./open.ts";
import { findCheckpoints } from "./orbax.ts";
import { isTorchArchive } from "./torch.ts";
import { parameterCount } from "./weights.ts";

function matches({ bytes, files }: Source): boolean {
  if (!bytes) {
    // Names that nothing else has: other formats keep their weights in .bin files too.
    const names = files?.list("") ?? [];
    if (names.some((name) => /\.(safetensors|msgpack)$|^checkpoint_\d+$/.test(name))) return true;
    return files !== undefined && findCheckpoints(files).length > 0;
  }
  if (isSafetensors(bytes)) return true;
  if (isZip(bytes)) {
    const entries = zipEntries(bytes);
    return entries !== undefined && (isNpz(entries) || isTorchArchive(entries));
  }
  if (!isFlaxCheckpoint(bytes)) return false;
  // Two bytes are a weak mark: other files begin like that too.
  try {
    return readFlaxCheckpoint(bytes).list.length > 0;
  } catch (error) {
    return !(error instanceof FormatError);
  }
}

/** Checkpoints without a program: opening one is an error that says how to join it. Tried last. */
export const weightsOnly: ModelFormat = {
  name: "weights",
  title: "weights (Flax, Orbax, safetensors, NumPy, PyTorch)",
  matches,
  open: (source) => {
    const { format, list } = openWeights(source);
    const count = parameterCount(list);
    throw new FormatError(
      `${source.name}: weights alone (${format}, ${list.length} arrays, ${count} numbers): nothing says what to compute`,
      {
        hint:
          "give a directory that holds them with a config.json (Transformers' own, or layers as docs/models.md " +
          "describes) or with a jax.export program that takes them as inputs",
      },
    );
  },
};
