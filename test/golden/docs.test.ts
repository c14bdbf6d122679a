// The generated files are those that the tables give now: `npm run docs` brings them up to date.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { pages } from "../../scripts/tables.ts";

const root = resolve(import.meta.dirname, "../..");

test.each(Object.entries(pages()))("%s is up to date", (name, text) => {
  expect(readFileSync(join(root, name), "utf8") === text, "run `npm run docs`").toBe(true);
});
