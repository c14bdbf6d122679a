// Small packages, pools and hosts for tests of packages.

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

/** A directory that goes away after the tests of a file. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "cerebro-test-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface DebRecipe {
  name: string;
  version?: string;
  architecture?: string;
  /** Further control fields. */
  fields?: Record<string, string>;
  /** Path -> text, or "-> target" for a link. Files in bin directories and maintainer scripts are executable. */
  files?: Record<string, string | Uint8Array>;
  /** Files of the control archive. */
  control?: Record<string, string | Uint8Array>;
}

/** Builds a package with dpkg-deb; gives its path, named as APT names it. */
export function buildDeb(directory: string, recipe: DebRecipe): string {
  const { name, version = "1.0", architecture = "amd64", fields = {}, files = {}, control = {} } = recipe;
  const tree = mkdtempSync(join(tmpdir(), "cerebro-deb-"));
  const put = (path: string, text: string | Uint8Array, executable: boolean) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    if (typeof text === "string" && text.startsWith("-> ")) return symlinkSync(text.slice(3), join(tree, path));
    writeFileSync(join(tree, path), text);
    return chmodSync(join(tree, path), executable ? 0o755 : 0o644);
  };
  const lines = {
    Package: name,
    Version: version,
    Architecture: architecture,
    Maintainer: "T <t@example.org>",
    Description: "test",
    ...fields,
  };
  put(
    "DEBIAN/control",
    Object.entries(lines)
      .map(([field, value]) => `${field}: ${value}\n`)
      .join(""),
    false,
  );
  for (const [path, text] of Object.entries(control)) put(`DEBIAN/${path}`, text, /^(pre|post)/.test(path));
  for (const [path, text] of Object.entries(files)) put(path, text, /(^|\/)s?bin\//.test(path));
  const out = join(directory, `${name}_${version.replace(":", "%3a")}_${architecture}.deb`);
  mkdirSync(directory, { recursive: true });
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zgzip", "--nocheck", "-b", tree, out], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  rmSync(tree, { recursive: true });
  return out;
}
