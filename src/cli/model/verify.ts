// `cerebro model verify FILE --golden DIR`: runs a model on recorded inputs and compares with recorded outputs.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fromJson } from "../../bridge/media.ts";
import { CerebroError, FormatError } from "../../base/errors.ts";
import { utf8 } from "../../base/text.ts";
import { type Tensor, toNumbers } from "../../engine/hlo/tensor.ts";
import { tensorOfNpy } from "../../engine/import/arrays.ts";
import type { ModelPort, Signature, Tensors } from "../../engine/model.ts";
import { isZip, zipContent, zipEntries } from "../../formats/zip.ts";
import { print } from "../command.ts";
import { readUserFile } from "../inspect.ts";
import { modelCommand, onlyFile, openModel, runOptions, sessionOptions } from "./options.ts";

/** Recorded arrays by name: of an .npz, of a directory of .npy files, or of JSON. */
function recorded(path: string, signature: Signature): Map<string, Tensor> {
  if (!existsSync(path)) throw new CerebroError("not-found", `${path}: no such file`);
  if (path.endsWith(".json")) {
    const all = JSON.parse(utf8(readUserFile(path))) as Record<string, unknown>;
    const ports = new Map([...signature.inputs, ...signature.outputs].map((port) => [port.name, port]));
    const any: ModelPort = { name: "", dtype: "f64", shape: null };
    return new Map(
      Object.entries(all).map(([name, value]) => [name, fromJson(value, ports.get(name) ?? { ...any, name })]),
    );
  }
  if (path.endsWith(".npz")) {
    const bytes = readUserFile(path);
    const entries = isZip(bytes) ? zipEntries(bytes) : undefined;
    if (!entries) throw new FormatError(`${path}: is no .npz archive`);
    return new Map(
      entries.map((entry) => [
        entry.name.replace(/\.npy$/, ""),
        tensorOfNpy(zipContent(bytes, entry, 2 ** 31), entry.name),
      ]),
    );
  }
  const names = readdirSync(path).filter((name) => name.endsWith(".npy"));
  return new Map(names.map((name) => [name.replace(/\.npy$/, ""), tensorOfNpy(readUserFile(join(path, name)), name)]));
}

/** The largest distance of two tensors, as a part of what is allowed. */
function distance(actual: Tensor, wanted: Tensor, relative: number, absolute: number): number {
  const [a, b] = [toNumbers(actual), toNumbers(wanted)];
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i] || (Number.isNaN(a[i]) && Number.isNaN(b[i]))) continue;
    const excess = Math.abs(a[i]! - b[i]!) / (absolute + relative * Math.abs(b[i]!));
    worst = Math.max(worst, Number.isNaN(excess) ? Infinity : excess);
  }
  return worst;
}

export const verify = modelCommand({
  summary: "compare a model's outputs with recorded ones",
  usage: "FILE --golden FILE.npz|FILE.json|DIR…",
  options: {
    golden: {
      value: "FILE",
      repeat: true,
      help: "arrays named as the inputs and outputs; .npz, .json or a folder of .npy",
    },
    relative: { value: "X", help: "allowed relative difference; 1e-5 when absent" },
    absolute: { value: "X", help: "allowed absolute difference; 1e-6 when absent" },
    ...runOptions,
  },
  async run(values, words) {
    const { model } = await openModel(onlyFile(words, "verify"));
    if (!values.golden) throw new CerebroError("usage", "model verify: against what?", { hint: "--golden FILE.npz" });
    const [relative, absolute] = [Number(values.relative ?? 1e-5), Number(values.absolute ?? 1e-6)];
    if (!(relative >= 0 && absolute >= 0))
      throw new CerebroError("usage", "model verify: differences are numbers from 0 on");
    const { Session } = await import("../../engine/session.ts");
    const session = new Session(model, sessionOptions(values));
    let failures = 0;
    try {
      const signature = session.signature(values.signature);
      for (const golden of values.golden) {
        const arrays = recorded(golden, signature);
        const inputs: Record<string, Tensor> = {};
        for (const { name } of signature.inputs) {
          const value = arrays.get(name);
          if (!value) throw new CerebroError("usage", `${golden}: has no input ${name}`);
          inputs[name] = value;
        }
        const outputs: Tensors = session.run(inputs, { signature: signature.name });
        let compared = 0;
        for (const [name, tensor] of Object.entries(outputs)) {
          const wanted = arrays.get(name);
          if (!wanted) continue;
          compared++;
          const worst = distance(tensor, wanted, relative, absolute);
          if (worst > 1) failures++;
          print(`${golden} ${name}: ${worst <= 1 ? "same" : `differs, ${worst.toPrecision(3)} times what is allowed`}`);
        }
        if (compared === 0)
          throw new CerebroError("usage", `${golden}: has none of the outputs ${Object.keys(outputs).join(", ")}`);
      }
    } finally {
      session.dispose();
    }
    return failures === 0 ? 0 : 1;
  },
});
