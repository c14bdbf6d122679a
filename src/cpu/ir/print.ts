// Blocks as text, for people and for tests that compare with text they expect.

import type { Block } from "./builder.ts";
import { opRows } from "./ops.ts";

/** One operation a line, grouped by guest instruction: `  v3 = i64.add v1 v2`. */
export function print({ code, pool, instructions }: Block): string {
  const lines: string[] = [];
  let next = 0;
  for (let i = 0; i * 4 < code.length; i++) {
    for (; next < instructions.length && instructions[next]! <= i; next += 2)
      lines.push(`${hex(instructions[next + 1]!)}:`);
    lines.push(`  ${printOperation(code, pool, i)}`);
  }
  return lines.join("\n");
}

const hex = (n: number): string => (n >>> 0).toString(16);

function printOperation(code: Int32Array, pool: Int32Array, i: number): string {
  const word = code[i * 4]!;
  const row = opRows[word & 0xffff]!;
  const operands = [code[i * 4 + 1]!, code[i * 4 + 2]!, code[i * 4 + 3]!] as const;
  const [a, b, c] = operands;
  const words = [row.name];
  if (row.immediate !== undefined) words.push(`#${word >>> 16}`);
  const pooled = (at: number) => [...pool.subarray(at, at + 4)].map(hex).join(",");
  switch (row.name) {
    case "i32.const":
      words.push(String(a));
      break;
    case "i64.const":
      words.push(String((BigInt(b) << 32n) | BigInt(a >>> 0)));
      break;
    case "f64.const":
      words.push(String(new Float64Array(Int32Array.of(a, b).buffer)[0]));
      break;
    case "v128.const":
      words.push(pooled(a));
      break;
    case "jump":
      words.push(hex(a));
      break;
    case "call":
      words.push(hex(a), hex(b));
      break;
    case "branch":
      words.push(`v${a}`, hex(b), hex(c));
      break;
    case "exit":
      words.push(hex(a), String(b));
      break;
    default:
      row.args.forEach((_, k) => words.push(operands[k]! < 0 ? "-" : `v${operands[k]}`));
      if (row.name === "i8x16.shuffle") words.push(pooled(c));
      if (row.name === "callIndirect") words.push(hex(b));
  }
  return row.result === "none" ? words.join(" ") : `v${i} = ${words.join(" ")}`;
}
