// The generated pages of docs/generated, from the tables that do the work. `npm run docs` writes them, a test compares them.

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

/** Every page: file name and text. */
export function pages(): Readonly<Record<string, string>> {
  const calls = areaRows("syscalls");
  const instructions = areaRows("instructions").map((row) => ({ ...row, name: row.name.replace(/\s+/g, " ") }));
  const supported = calls.filter((row) => row.supported).length;
  return {
    "system-calls.md": page(
      "System calls",
      `${supported} of ${calls.length} rows are supported. The others fail with ENOSYS and are reported once, by name.`,
      ["call", "supported", "numbers, or why not"],
      calls,
    ),
    "instructions.md": page(
      "Instructions",
      `${instructions.length} rows in the notation of the Intel manual. What has no row raises #UD (SIGILL); CPUID advertises only what is here.`,
      ["encoding and operands", "supported", "note"],
      instructions,
    ),
  };
}
