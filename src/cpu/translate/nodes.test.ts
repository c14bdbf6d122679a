import { expect, test } from "vitest";
import { Nodes } from "./nodes.ts";

test("equal nodes of a block are shared, and what other regions left in the table does not get in the way", () => {
  const nodes = new Nodes(true);
  // Each round leaves thousands of entries; together they fill the table many times over.
  for (let round = 0; round < 40; round++) {
    nodes.clear();
    nodes.startBlock();
    const made = Array.from({ length: 3500 }, (_, i) => nodes.i32((i * 7919 + round * 104729) | 0));
    expect(new Set(made).size).toBe(3500);
    expect(nodes.i32((5 * 7919 + round * 104729) | 0)).toBe(made[5]);
    nodes.startBlock();
    expect(nodes.i32((5 * 7919 + round * 104729) | 0)).not.toBe(made[5]);
  }
});
