// Custom calls that can be done exactly: checks, annotations, and what JAX lowers to libraries.

import type { Value } from "../../hlo/graph.ts";
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
  ...lapack("trsm", trsm, "sdcz"),
  ...lapack("potrf", potrf, "sdcz"),
  ...lapack("getrf", getrf, "sd"),
  ...lapack("geqrf", geqrf, "sd"),
  ...lapack("orgqr", orgqr, "sd"),
};

/** Whether a call target is one of ours. */
export function knowsCall(target: string): boolean {
  return Object.hasOwn(customCalls, target);
}

export function customCall(site: Site): readonly Lowered[] {
  const target = site.word("call_target_name");
  if (!knowsCall(target)) return site.fail(`custom call '${target}'`);
  return customCalls[target]!(site);
}
