// The generated files, docs/generated and sidecar/cerebro.h, from the tables that do the work. `npm run docs` writes them, a test compares them.

import { deviceHeader } from "../src/abi/cerebro/device.ts";
import { areaRows, type SupportRow } from "../src/machine/compat.ts";

const head = "<!-- Written by `npm run docs` from the tables in src; do not edit. -->";

function page(
  title: string,
  text: string,
  columns: readonly [string, string, string],
  rows: readonly SupportRow[],
): string {
  const cell = (value: string) => value.replaceAll("|", "\\|");
  const lines = rows.map(
    ({ name, supported, note = "" }) => `| \`${cell(name)}\` | ${supported ? "yes" : "no"} | ${cell(note)} |`,
  );
  return [head, "", `# ${title}`, "", text, "", `| ${columns.join(" | ")} |`, "|---|---|---|", ...lines, ""].join("\n");
}

/** Pages of the operations of model formats: file, area, title. */
const models = [
  ["hlo", "StableHLO, CHLO and MHLO operations"],
  ["tflite", "TensorFlow Lite operations"],
  ["tensorflow", "TensorFlow operations"],
  ["keras", "Keras layers"],
  ["transformer", "Known architectures"],
] as const;

function modelPages(): Record<string, string> {
  return Object.fromEntries(
    models.map(([area, title]) => {
      const rows = areaRows(area);
      const supported = rows.filter((row) => row.supported).length;
      const text = `${supported} of ${rows.length} are supported. A model that needs another one opens, but does not run: it lists everything that is missing.`;
      return [`docs/generated/${area}.md`, page(title, text, ["operation", "supported", "note"], rows)];
    }),
  );
}

/** Every file: path and text. */
export function pages(): Readonly<Record<string, string>> {
  const calls = areaRows("syscalls");
  const instructions = areaRows("instructions").map((row) => ({ ...row, name: row.name.replace(/\s+/g, " ") }));
  const supported = calls.filter((row) => row.supported).length;
  return {
    "docs/generated/system-calls.md": page(
      "System calls",
      `${supported} of ${calls.length} rows are supported. The others fail with ENOSYS and are reported once, by name.`,
      ["call", "supported", "numbers, or why not"],
      calls,
    ),
    "docs/generated/instructions.md": page(
      "Instructions",
      `${instructions.length} rows in the notation of the Intel manual. What has no row raises #UD (SIGILL); CPUID advertises only what is here.`,
      ["encoding and operands", "supported", "note"],
      instructions,
    ),
    ...modelPages(),
    "sidecar/cerebro.h": deviceHeader(),
  };
}
