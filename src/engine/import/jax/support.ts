// What `cerebro compat hlo` prints: operations of StableHLO, CHLO and MHLO, and custom calls.

import type { OpSupport } from "../../model.ts";
import { customCalls } from "./customcall.ts";
import { hlo, others } from "./ops.ts";

/** Operations of CHLO only. */
const chlo =
  /^(?:broadcast_(?!in_dim)|constant_like|conj|is_(?:inf|neg_inf|pos_inf)$|square$|bessel|digamma|lgamma|polygamma|zeta|erf|next_after|mulhi|top_k|a(?:cos|sin|tan)h?$|sinh$|cosh$)/;

const unsupported: Readonly<Record<string, string>> = {
  "stablehlo.async_done": "needs several devices",
  "stablehlo.async_start": "needs several devices",
  "stablehlo.infeed": "input besides the arguments",
  "stablehlo.outfeed": "output besides the results",
  "stablehlo.recv": "needs several devices",
  "stablehlo.send": "needs several devices",
  "chlo.ragged_dot": "groups that depend on data",
  "chlo.scan": "JAX writes loops",
  "mhlo.fusion": "after a compiler",
  custom_call: "other targets are refused by name",
};

const notes: Readonly<Record<string, string>> = {
  all_gather: "one device",
  all_reduce: "one device",
  all_to_all: "one device",
  collective_broadcast: "one device",
  collective_permute: "one device",
  reduce_scatter: "one device",
  custom_call: "targets listed as custom_call:…",
  mulhi: "up to 32 bits",
  set_dimension_size: "the whole extent",
  dynamic_broadcast_in_dim: "shape known while loading",
  dynamic_conv: "padding known while loading",
  dynamic_gather: "sizes known while loading",
  dynamic_iota: "shape known while loading",
  dynamic_pad: "padding known while loading",
  dynamic_reshape: "shape known while loading",
  real_dynamic_slice: "bounds known while loading",
  rng: "shape known while loading; not reproducible",
};

/** Every operation and whether it is built. Quantised types are computed as the specification says. */
export const hloSupport: readonly OpSupport[] = [
  ...Object.keys(hlo).map((name) => ({
    name: `${chlo.test(name) ? "chlo" : ["topk", "copy", "add_dependency", "domain"].includes(name) ? "mhlo" : "stablehlo"}.${name}`,
    supported: true,
    ...(notes[name] !== undefined && { note: notes[name] }),
  })),
  { name: "stablehlo.uniform_quantize", supported: true },
  { name: "stablehlo.uniform_dequantize", supported: true },
  ...Object.keys(others).map((name) => ({ name, supported: true })),
  ...Object.keys(customCalls).map((name) => ({
    name: `custom_call:${name}`,
    supported: true,
    ...(name.includes("gesdd") && { note: "values without vectors" }),
    ...(name.includes("syevd") && { note: "signs of vectors may differ" }),
  })),
  ...Object.entries(unsupported).map(([name, note]) => ({ name, supported: false, note })),
].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
