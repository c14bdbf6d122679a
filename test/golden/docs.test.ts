// The generated pages are those that the tables give now: `npm run docs` brings them up to date.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { pages } from "../../scripts/tables.ts";

const directory = resolve(import.meta.dirname, "../../docs/generated");

test.each(Object.entries(pages()))("docs/generated/%s is up to date", (name, text) => {
  expect(readFileSync(join(directory, name), "utf8") === text, "run `npm run docs`").toBe(true);
});
