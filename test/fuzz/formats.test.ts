import { expect, it } from "vitest";
import { fuzzCase, targets } from "./formats.ts";

it.each(Object.keys(targets))("%s: 300 mutations end in nothing but FormatErrors", (name) => {
  const seeds = targets[name]!.seeds();
  // What was not changed has to be read without complaint, or the mutations test nothing.
  for (const seed of seeds) expect(() => targets[name]!.run(seed)).not.toThrow();
  for (let seed = 1; seed <= 300; seed++) fuzzCase(name, seeds, seed);
});
