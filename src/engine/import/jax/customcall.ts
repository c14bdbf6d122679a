// Custom calls that can be done exactly: checks, annotations, and what JAX lowers to libraries.

import type { Value } from "../../hlo/graph.ts";
import type { Attributes } from "./mlir/module.ts";
import { gesdd, syevd } from "./jacobi.ts";
import { geqrf, getrf, orgqr, potrf, trsm } from "./lapack.ts";
import type { Agreement, Lowered, Site } from "./site.ts";

type Call = (site: Site) => readonly Lowered[];

/** What self-checking programs ask for (the check dialect of StableHLO's tests): 3 ulps, 0.0001, or equal. */
const check =
  (agreement: Agreement): Call =>
  (site) => {
    site.walker.check(site.operand(0), site.operand(1), agreement);
    return site.operation.results.map((): Value => site.build.scalar("i1", 1));
  };

const pass: Call = ({ lowered }) => [lowered[0]];
const none: Call = ({ operation }) => operation.results.map(() => undefined);

/** "lapack_strsm_ffi" and so on: one name for each letter of an element type. */
function lapack(routine: string, call: Call, letters: string): Record<string, Call> {
  return Object.fromEntries([...letters].map((letter) => [`lapack_${letter}${routine}_ffi`, call]));
}

const element = ({ type }: Value) => ({ dtype: type.dtype, shape: [] });

/** Operands: inputs, starting values, then window, strides, dilations of both and the padding. */
function dynamicReduceWindow(site: Site): readonly Lowered[] {
  const count = site.operands.length - 5;
  const values = site.operands.slice(0, count);
  if (count < 2 || count % 2 !== 0) return site.fail(`has ${site.operands.length} operands`);
  const [windowDimensions, windowStrides, baseDilations, windowDilations, flat] = [0, 1, 2, 3, 4].map((i) =>
    site.known(count + i),
  ) as [number[], number[], number[], number[], number[]];
  const padding = windowDimensions.map((_, i): [number, number] => [flat[2 * i] ?? 0, flat[2 * i + 1] ?? 0]);
  const [inputs, starts] = [values.slice(0, count / 2), values.slice(count / 2)];
  const region = site.called([...starts, ...inputs].map(element));
  const attributes = { windowDimensions, windowStrides, baseDilations, windowDilations, padding };
  return site.build.all("reduceWindow", values, attributes, [region]);
}

function approximateTopK(site: Site): readonly Lowered[] {
  const config = site.attributes.get("mhlo.backend_config") ?? site.attributes.get("backend_config");
  const number = (name: string) => {
    const value = config?.kind === "dictionary" ? config.entries.get(name) : undefined;
    return value?.kind === "integer" ? Number(value.value) : site.fail(`option '${name}' is missing`);
  };
  const [x, places] = [site.operand(0), site.operand(1)];
  const { shape } = x.type;
  const dimension = number("reduction_dim") < 0 ? number("reduction_dim") + shape.length : number("reduction_dim");
  const region = site.called([x, x, places, places].map(element));
  const sorted = site.build.all("sort", [x, places], { dimension, stable: true }, [region]);
  const limit = shape.map((extent, i) => (i === dimension ? number("top_k") : extent));
  return sorted.map((each) =>
    site.build.slice(
      each,
      shape.map(() => 0),
      limit,
    ),
  );
}

/** By call target. */
export const customCalls: Readonly<Record<string, Call>> = {
  "check.eq": check({ exact: true }),
  "check.expect_eq": check({ exact: true }),
  "check.almost_eq": check({ exact: false, tolerance: { absolute: 1e-4 } }),
  "check.expect_almost_eq": check({ exact: false, tolerance: { absolute: 1e-4 } }),
  "check.expect_close": check({ exact: false, tolerance: { ulps: 3 } }),

  // Annotations.
  Sharding: pass,
  SPMDFullToShardShape: pass,
  SPMDShardToFullShape: pass,
  LayoutConstraint: pass,
  annotate_device_placement: pass,
  "xla.sdy.FuncResultSharding": pass,

  "mhlo.topk": (site) => {
    const attributes = site.attributes.get("mhlo.attributes");
    const k = attributes?.kind === "dictionary" ? attributes.entries.get("k") : undefined;
    const largest = attributes?.kind === "dictionary" ? attributes.entries.get("largest") : undefined;
    if (k?.kind !== "integer" || (largest?.kind === "boolean" && !largest.value))
      return site.fail("without the largest k");
    return site.build.all("topK", [site.operand(0)], { k: Number(k.value) });
  },
  "mhlo.erf": (site) => [site.build.plain("erf", site.operand(0))],
  "mhlo.tan": (site) => [site.build.plain("tan", site.operand(0))],
  "mhlo.asin": (site) => [site.build.plain("asin", site.operand(0))],
  "mhlo.acos": (site) => [site.build.plain("acos", site.operand(0))],
  "mhlo.sinh": (site) => [site.build.plain("sinh", site.operand(0))],
  "mhlo.cosh": (site) => [site.build.plain("cosh", site.operand(0))],
  "mhlo.asinh": (site) => [site.build.plain("asinh", site.operand(0))],
  "mhlo.acosh": (site) => [site.build.plain("acosh", site.operand(0))],
  "mhlo.atanh": (site) => [site.build.plain("atanh", site.operand(0))],

  /** Conditions on symbolic dimensions: known while loading (JAX, export). */
  shape_assertion: (site) => {
    if (site.known(0)[0] === 0) {
      const numbers = site.operands.slice(1).map((_, i) => site.known(i + 1)[0]!);
      const message = site.word("error_message", "an assertion on shapes fails");
      site.fail(message.replaceAll(/\{(\d+)\}/g, (_, i: string) => String(numbers[Number(i)] ?? `{${i}}`)));
    }
    return none(site);
  },
  // Operations whose sizes are operands (JAX, shape polymorphism).
  "stablehlo.dynamic_reduce_window": dynamicReduceWindow,
  "stablehlo.dynamic_rng_bit_generator": (site) =>
    site.build.all("rngBitGenerator", [site.operand(0)], {
      algorithm: site.choice("rng_algorithm", ["DEFAULT", "THREE_FRY", "PHILOX"]),
      dtype: site.dtype(1),
      shape: site.known(1),
    }),
  "stablehlo.dynamic_top_k": (site) => {
    const k = site.known(1)[0] ?? site.fail("no number of elements");
    return site.build.all("topK", [site.operand(0)], { k });
  },
  /** The first k of a sort, as XLA does it where there is nothing better. */
  ApproxTopK: approximateTopK,
  /** What `jax.lax.empty` leaves open: zeros. */
  AllocateBuffer: (site) => [site.build.full(site.dtype(), site.shape(), 0)],

  ...lapack("trsm", trsm, "sdcz"),
  ...lapack("potrf", potrf, "sdcz"),
  ...lapack("getrf", getrf, "sd"),
  ...lapack("geqrf", geqrf, "sd"),
  ...lapack("orgqr", orgqr, "sd"),
  ...lapack("gesdd", gesdd, "sd"),
  ...lapack("syevd", syevd, "sd"),
};

/** Whether a call target is one of ours. */
export function knowsCall(target: string): boolean {
  return Object.hasOwn(customCalls, target);
}

/** Why a call of one of ours cannot be done all the same: known without its operands. */
export function refusal(target: string, attributes: Attributes): string | undefined {
  if (!/^lapack_.gesdd_ffi$/.test(target)) return undefined;
  const config = attributes.get("mhlo.backend_config") ?? attributes.get("backend_config");
  const mode = config?.kind === "dictionary" ? config.entries.get("mode") : undefined;
  const values = mode?.kind === "integer" && mode.value === BigInt("N".charCodeAt(0));
  return values ? undefined : "singular vectors";
}

export function customCall(site: Site): readonly Lowered[] {
  const target = site.word("call_target_name");
  if (!knowsCall(target)) return site.fail(`custom call '${target}'`);
  return customCalls[target]!(site);
}
