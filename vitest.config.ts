import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { defineConfig } from "vitest/config";

/** Test files that compare with programs of the host, and those programs. Without them a file is left out, and that is said. */
const needs: Readonly<Record<string, readonly string[]>> = {
  "src/cpu/x86/decode.test.ts": ["gcc", "objdump"],
  "src/cpu/x86/softfloat/functions.test.ts": ["gcc"],
  "src/cpu/x86/softfloat/softfloat.test.ts": ["gcc"],
  "src/formats/compress.test.ts": ["gzip", "bzip2", "xz", "zstd", "lz4"],
  "src/formats/deb.test.ts": ["dpkg-deb", "dpkg", "ar", "xz", "zstd", "bzip2"],
  "src/formats/elf.test.ts": ["gcc", "readelf"],
  "src/formats/tar.test.ts": ["tar", "python3"],
  "src/machine/scripts.test.ts": ["gcc", "dpkg-deb"],
  "src/packages/prepare.test.ts": ["dpkg-deb", "dpkg-query"],
  "src/packages/repository.test.ts": ["dpkg-deb", "dpkg-scanpackages", "gpg"],
  "test/fuzz/formats.test.ts": ["gcc", "dpkg-deb", "ar", "xz", "zstd", "bzip2", "lz4"],
};

const places = (process.env["PATH"] ?? "").split(delimiter);

function isHere(tool: string): boolean {
  return places.some((place) => {
    try {
      accessSync(join(place, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const left = Object.entries(needs).flatMap(([file, tools]) => {
  const missing = tools.filter((tool) => !isHere(tool));
  if (missing.length > 0 && process.env["VITEST_POOL_ID"] === undefined)
    console.warn(`skipped: ${file} needs ${missing.join(", ")} (scripts/tools.sh installs what the tests use)`);
  return missing.length > 0 ? [file] : [];
});

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: left,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
