// The version of this package, from its manifest.

import { readFileSync } from "node:fs";

// The same place from src/cli, dist/cli and dist/bundle once built; see scripts/bundle.js.
const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

export const { version } = manifest;
