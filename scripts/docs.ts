// `npm run docs`: writes the files that are made from tables.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pages } from "./tables.ts";

const root = resolve(import.meta.dirname, "../..");
for (const [name, text] of Object.entries(pages())) {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
}
