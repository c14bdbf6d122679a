// Builds native.c and runs cases in it.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Case } from "./generate.ts";
import { field } from "./record.ts";

export interface Native {
  /** Runs cases; the results in order. */
  run(cases: readonly Case[]): DataView<ArrayBuffer>[];
  dispose(): void;
}

/** True when this machine can run the tests: it is x86-64 and has a compiler. */
export function available(): boolean {
  if (process.arch !== "x64" || process.platform !== "linux") return false;
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Builds the harness for a mode. */
export function native(long: boolean): Native {
  const folder = mkdtempSync(join(tmpdir(), "cerebro-native-"));
  const program = join(folder, "native");
  // Tests and scripts run in the repository's root; a bundled script has no other way to find it.
  const source = resolve("test/differential/native.c");
  const flags = ["-O1", "-static", "-no-pie", "-fno-pie", "-fcf-protection=none", "-Wall", "-Wno-pointer-arith"];
  execFileSync("gcc", [long ? "-m64" : "-m32", ...flags, "-o", program, source]);
  return {
    run(cases) {
      const input = new Uint8Array(cases.length * field.size);
      for (const [i, { record }] of cases.entries()) input.set(record, i * field.size);
      const output = execFileSync(program, [], { input, maxBuffer: input.length + 1024 });
      if (output.length !== input.length)
        throw new Error(
          `the native harness stopped at case ${Math.floor(output.length / field.size)} of ${cases.length}`,
        );
      return cases.map((_, i) => {
        const bytes = new Uint8Array(output.subarray(i * field.size, (i + 1) * field.size));
        return new DataView(bytes.buffer);
      });
    },
    dispose: () => rmSync(folder, { recursive: true }),
  };
}
