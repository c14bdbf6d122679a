import { expect, it } from "vitest";
import { callCases } from "./calls.ts";
import { codeCases } from "./code.ts";
import { styles } from "./guest.ts";
import type { Case } from "./watch.ts";

async function outcomes(run: Case, first: number, count: number): Promise<string[]> {
  const results: string[] = [];
  for (let seed = first; seed < first + count; seed++) results.push(await run(seed));
  return results;
}

it.each(styles.map((style, i) => [style, i] as const))(
  "random code, %s, leaves the kernel as it is",
  async (style, first) => {
    const results = await outcomes(codeCases(), first, 8);
    for (const result of results) expect(result).toContain(style);
    // What never gets to its end tests little.
    expect(results.filter((result) => result.endsWith(" 0")).length).toBeGreaterThan(4);
  },
);

it("code that rewrites itself for ever comes back to the kernel", async () => {
  expect(await outcomes(codeCases(), 130, 1)).toHaveLength(1);
});

it("random system calls leave nothing behind", async () => {
  const run = callCases();
  // 28: a frame beyond the address space; 74 and 85: calls that wait, and cannot write what is left of their time.
  for (const seed of [28, 74, 85]) await run(seed);
  expect(await outcomes(run, 1, 25)).toHaveLength(25);
});
