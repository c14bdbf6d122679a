// Opens weights of every format: one file, or a directory that holds some.

import { FormatError } from "../../../base/errors.ts";
import { readNpy } from "../../../formats/npy.ts";
import { isSafetensors, readSafetensors, type SafeTensor } from "../../../formats/safetensors.ts";
import { isZip, zipContent, zipEntries, type ZipEntry } from "../../../formats/zip.ts";
import { elementCount, fromNumbers, maximumBytes, type Tensor } from "../../hlo/tensor.ts";
import type { ModelFiles, Source } from "../../model.ts";
import { tensorOf } from "../arrays.ts";
import { isFlaxCheckpoint, readFlaxCheckpoint } from "./checkpoint.ts";
import { findCheckpoints, openOrbax } from "./orbax.ts";
import { isTorchArchive, readTorch } from "./torch.ts";
import { type Weight, type Weights, weightsOf } from "./weights.ts";

/** Bytes of the largest array inside a ZIP archive. */
const entryLimit = maximumBytes;

/** Value of an 8-bit float: 1 sign, then exponent and fraction; E4M3 has no infinities, E5M2 is IEEE's. */
function float8(bits: number, kind: "f8e4m3" | "f8e5m2"): number {
  const [fractionBits, bias] = kind === "f8e4m3" ? [3, 7] : [2, 15];
  const fraction = bits & ((1 << fractionBits) - 1);
  const exponent = (bits & 127) >> fractionBits;
  const sign = bits & 128 ? -1 : 1;
  if (kind === "f8e4m3" ? (bits & 127) === 127 : exponent === 31 && fraction > 0) return NaN;
  if (kind === "f8e5m2" && exponent === 31) return sign * Infinity;
  const unit = 2 ** -fractionBits;
  return sign * (exponent === 0 ? fraction * unit * 2 ** (1 - bias) : (1 + fraction * unit) * 2 ** (exponent - bias));
}

function safeWeight({ name, dtype, shape, bytes }: SafeTensor): Weight {
  if (dtype === "f8e4m3" || dtype === "f8e5m2") {
    const read = (): Tensor =>
      fromNumbers(
        "f32",
        shape,
        Array.from(bytes, (bits) => float8(bits, dtype)),
      );
    return { name, dtype: "f32", shape, read };
  }
  return { name, dtype, shape, read: () => tensorOf({ dtype, shape, bytes }, name) };
}

function openSafetensors(bytes: Uint8Array, what: string): Weights {
  const { tensors, metadata } = readSafetensors(bytes, what);
  return weightsOf("safetensors", tensors.map(safeWeight), metadata);
}

export const isNpz = (entries: readonly ZipEntry[]) =>
  entries.length > 0 && entries.every(({ name }) => name.endsWith(".npy"));

function openNpz(bytes: Uint8Array, entries: readonly ZipEntry[]): Weights {
  const list = entries.map((entry): Weight => {
    const name = entry.name.slice(0, -".npy".length);
    const { dtype, shape, bytes: data } = readNpy(zipContent(bytes, entry, entryLimit), entry.name);
    return { name, dtype, shape, read: () => tensorOf({ dtype, shape, bytes: data }, name) };
  });
  return weightsOf("npz", list, new Map());
}

/** The tensors of a .npz file by name. Throws FormatError. */
export function tensorsOfNpz(bytes: Uint8Array): Map<string, Tensor> {
  const entries = zipEntries(bytes);
  if (!entries) throw new FormatError("npz: is no ZIP archive");
  return new Map(openNpz(bytes, entries).list.map((weight) => [weight.name, weight.read()]));
}

/** The weights in one file; undefined when it is no format of weights. */
export function weightsOfFile(bytes: Uint8Array, what: string): Weights | undefined {
  if (isSafetensors(bytes)) return openSafetensors(bytes, what);
  if (isZip(bytes)) {
    const entries = zipEntries(bytes);
    if (entries && isNpz(entries)) return openNpz(bytes, entries);
    if (entries && isTorchArchive(entries)) return readTorch(bytes, entries);
    return undefined;
  }
  return isFlaxCheckpoint(bytes) ? readFlaxCheckpoint(bytes) : undefined;
}

/** File names that weights have, best first: where a directory has several forms, the first is taken. */
const surest: readonly RegExp[] = [/\.safetensors$/, /\.msgpack$/];
/** Names that other things have too: looked at only when there is no Orbax checkpoint. */
const lastResort: readonly RegExp[] = [/\.(bin|pt|pth)$/, /\.npz$/];
/** Not weights of the network: Transformers' and Sentence Transformers' other files. */
const others = /^(training_args|optimizer|scheduler|rng_state|tokenizer).*$/;

/** Files of one form that hold the weights together: one, or the shards that "-00001-of-00003" numbers. */
function chooseFiles(names: readonly string[], form: RegExp): string[] {
  const found = names.filter((name) => form.test(name) && !others.test(name));
  const usual = found.filter((name) => /^(model|flax_model|pytorch_model|weights)\.\w+$/.test(name));
  if (usual.length > 0) return usual.slice(0, 1);
  const shards = found.filter((name) => /-\d{5}-of-\d{5}\./.test(name));
  return shards.length > 0 ? shards : found.slice(0, 1);
}

/** The weights in files of a directory, in the first of these forms that it has. */
function weightsOfFiles(files: ModelFiles, forms: readonly RegExp[]): Weights | undefined {
  const names = files.list("") ?? [];
  for (const form of forms) {
    const parts = chooseFiles(names, form).flatMap((name) => {
      const bytes = files.read(name);
      const weights = bytes && weightsOfFile(bytes, name);
      return weights ? [weights] : [];
    });
    if (parts.length === 1) return parts[0];
    if (parts.length === 0) continue;
    const metadata = new Map(parts.flatMap((part) => [...part.metadata]));
    return weightsOf(
      parts[0]!.format,
      parts.flatMap(({ list }) => list),
      metadata,
    );
  }
  return undefined;
}

/** The weights in a directory; undefined when it holds none. */
export function weightsOfDirectory(files: ModelFiles): Weights | undefined {
  return (
    weightsOfFiles(files, surest) ?? weightsOfOrbax(files) ?? newestStep(files) ?? weightsOfFiles(files, lastResort)
  );
}

/** Before Orbax, flax.training.checkpoints wrote a file for each step: "checkpoint_100". */
function newestStep(files: ModelFiles): Weights | undefined {
  const stepOf = (name: string) => Number(/^checkpoint_(\d+)$/.exec(name)?.[1] ?? -1);
  const newest = (files.list("") ?? [])
    .filter((name) => stepOf(name) >= 0)
    .toSorted((a, b) => stepOf(b) - stepOf(a))[0];
  const bytes = newest === undefined ? undefined : files.read(newest);
  return bytes && weightsOfFile(bytes, newest!);
}

function weightsOfOrbax(files: ModelFiles): Weights | undefined {
  const found = findCheckpoints(files).map((directory) => ({ directory, weights: openOrbax(files, directory) }));
  if (found.length < 2) return found[0]?.weights;
  // Several items of a manager: each under its own name.
  const list = found.flatMap(({ directory, weights }) => {
    const item = directory.replace(/\/$/, "").split("/").at(-1)!;
    return weights.list.map((weight) => ({ ...weight, name: `${item}/${weight.name}` }));
  });
  return weightsOf("orbax", list, new Map());
}

/** Opens weights of any format: a file or a directory. Throws FormatError when there are none. */
export function openWeights(source: Source): Weights {
  const found = source.bytes
    ? weightsOfFile(source.bytes, source.name)
    : source.files && weightsOfDirectory(source.files);
  if (!found) throw new FormatError(`${source.name}: holds no weights of a known format`);
  for (const { shape, name } of found.list) elementCount(shape, name);
  return found;
}
