// Keeps translated code in the user's cache directory, so that a program starts faster the next time.

import { mkdirSync, readFileSync, readdirSync, renameSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { nodePackageHost } from "../hosts/node/packages.ts";
import type { TranslationStore } from "../linux/executor.ts";
import { version } from "./version.ts";

/** Bytes kept; the programs that were not run for longest go first. */
const mostKept = 512 << 20;

/**
 * The store for the program that the user calls `name`. Only the bundled command has one: its directory is made anew by each
 * build and by each installation, so its time names the build.
 */
export function translationStore(name: string): TranslationStore | undefined {
  const here = new URL(".", import.meta.url);
  if (!here.pathname.endsWith("/bundle/")) return undefined;
  const directory = join(nodePackageHost().cacheDirectory, "code");
  // Programs of the same name may share a file: translations are used only for the code they were made from.
  const base = name
    .split("/")
    .at(-1)!
    .trim()
    .replaceAll(/[^\w.+-]/g, "_")
    .slice(0, 100);
  const file = (mode: string) => join(directory, `${base}-${mode}`);
  return {
    version: `${version} ${process.version} ${statSync(here).mtimeMs}`,
    read(mode) {
      try {
        const bytes = readFileSync(file(mode));
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      } catch {
        return undefined;
      }
    },
    // A cache that cannot be written is no reason to fail.
    write(mode, bytes) {
      try {
        mkdirSync(directory, { recursive: true });
        makeRoom(directory, bytes.length);
        const draft = `${file(mode)}.${process.pid}`;
        writeFileSync(draft, bytes);
        renameSync(draft, file(mode));
      } catch {}
    },
  };
}

function makeRoom(directory: string, wanted: number): void {
  const kept = readdirSync(directory).map((name) => {
    const path = join(directory, name);
    const { size, mtimeMs } = statSync(path);
    return { path, size, mtimeMs };
  });
  kept.sort((a, b) => a.mtimeMs - b.mtimeMs);
  let total = wanted + kept.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of kept) {
    if (total <= mostKept) return;
    unlinkSync(path);
    total -= size;
  }
}
