// `npm run docs`: writes docs/generated.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pages } from "./tables.ts";

const directory = resolve(import.meta.dirname, "../../docs/generated");
mkdirSync(directory, { recursive: true });
for (const [name, text] of Object.entries(pages())) writeFileSync(join(directory, name), text);
