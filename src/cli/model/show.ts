// `cerebro model show FILE`: what a model takes and gives, what it is made of, and whether it can run.

import { writeFileSync } from "node:fs";
import { humanSize } from "../../base/text.ts";
import type { Model, ModelPort } from "../../engine/model.ts";
import { print } from "../command.ts";
import { modelCommand, onlyFile, openModel, portText } from "./options.ts";

const most = 12;

function ports(title: string, list: readonly ModelPort[]): string[] {
  const width = Math.max(0, ...list.map(({ name }) => name.length));
  return list.map(
    (port, i) => `    ${i === 0 ? title : " ".repeat(title.length)} ${port.name.padEnd(width)}  ${portText(port)}`,
  );
}

function describe(model: Model): string {
  const lines = [`${model.name}: ${model.format}, ${model.parameters.toLocaleString("en")} parameters`];
  for (const [key, value] of model.metadata) lines.push(`  ${key}: ${value}`);
  for (const { name, inputs, outputs } of model.signatures) {
    lines.push(`  signature ${name}`, ...ports("takes", inputs), ...ports("gives", outputs));
  }
  const operations = [...model.operations];
  const shown = operations.slice(0, most).map(([name, count]) => `${name} ${count}`);
  const rest = operations.length - most;
  lines.push(`  operations: ${shown.join(", ")}${rest > 0 ? ` and ${rest} other kinds` : ""}`);
  if (model.attachments.size > 0) {
    const files = [...model.attachments].map(([name, bytes]) => `${name} (${humanSize(bytes.length)})`);
    lines.push(`  comes with: ${files.join(", ")}`);
  }
  if (model.missing.length === 0) lines.push("  runs: yes");
  else {
    lines.push("  runs: no, these are not supported:");
    for (const { op, count, where, reason } of model.missing)
      lines.push(`    ${op} (${count} times, first in ${where})${reason === undefined ? "" : `: ${reason}`}`);
  }
  return lines.join("\n");
}

export const show = modelCommand({
  summary: "what a model takes, gives and needs",
  usage: "[--graph FILE.svg] [--json] FILE",
  options: {
    graph: { value: "FILE.svg", help: "draws the operations and what flows between them" },
    signature: { value: "NAME", help: "which signature is drawn" },
    json: { help: "prints JSON" },
  },
  async run({ graph, signature, json }, words) {
    const { model } = await openModel(onlyFile(words, "show"));
    if (graph !== undefined) {
      const { drawProgram } = await import("./graph.ts");
      writeFileSync(graph, drawProgram(model.program(signature)));
    }
    if (json) {
      const { format, name, parameters, signatures, operations, missing, metadata, attachments } = model;
      const summary = {
        ...{ name, format, parameters, signatures, missing },
        operations: Object.fromEntries(operations),
        metadata: Object.fromEntries(metadata),
        attachments: [...attachments.keys()],
      };
      print(JSON.stringify(summary, undefined, 1));
    } else print(describe(model));
    return model.missing.length === 0 ? 0 : 1;
  },
});
