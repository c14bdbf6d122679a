// Einstein sums (StableHLO's einsum and unary_einsum): "ab,bc->ac" as a contraction and a transposition.

import type { Value } from "../../hlo/graph.ts";
import type { Site } from "./site.ts";

/** The sum that `einsum_config` says. */
export function einsum(site: Site): Value {
  const { build } = site;
  const config = site.word("einsum_config").replaceAll(/\s/g, "");
  const [left, output] = config.split("->") as [string, string | undefined];
  const terms = left.split(",");
  if (output === undefined || terms.length !== site.operands.length || !/^[A-Za-z,]*$/.test(left + output)) {
    return site.fail(`einsum '${config}'`);
  }
  const unique = (letters: string) => new Set(letters).size === letters.length;
  if (![...terms, output].every(unique)) return site.fail(`einsum '${config}' repeats a letter`);
  // Letters that only one operand has, and not the result, are summed first.
  const reduced = site.operands.map((x, i) => {
    const letters = terms[i]!;
    if (letters.length !== x.type.shape.length) return site.fail(`einsum '${config}' does not fit its operands`);
    const elsewhere = output + terms.filter((_, j) => j !== i).join("");
    const gone = [...letters].flatMap((letter, axis) => (elsewhere.includes(letter) ? [] : [axis]));
    const kept = [...letters].filter((letter) => elsewhere.includes(letter)).join("");
    return { letters: kept, value: gone.length > 0 ? build.reduce("add", x, gone) : x };
  });
  let [result, letters] = [reduced[0]!.value, reduced[0]!.letters];
  if (reduced.length === 2) {
    const [a, b] = [reduced[0]!, reduced[1]!];
    const common = [...a.letters].filter((letter) => b.letters.includes(letter));
    const batch = common.filter((letter) => output.includes(letter));
    const contracted = common.filter((letter) => !output.includes(letter));
    const axes = (text: string, list: readonly string[]) => list.map((letter) => text.indexOf(letter));
    result = build.op("dotGeneral", [a.value, b.value], {
      lhsBatching: axes(a.letters, batch),
      rhsBatching: axes(b.letters, batch),
      lhsContracting: axes(a.letters, contracted),
      rhsContracting: axes(b.letters, contracted),
    });
    const rest = (text: string) => [...text].filter((letter) => !common.includes(letter));
    letters = [...batch, ...rest(a.letters), ...rest(b.letters)].join("");
  }
  if (letters.length !== output.length) return site.fail(`einsum '${config}'`);
  return build.transpose(
    result,
    [...output].map((letter) => letters.indexOf(letter)),
  );
}
