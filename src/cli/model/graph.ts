// Draws a program as an SVG: one box for each operation of the file, arrows for what flows between them.

import { CerebroError } from "../../base/errors.ts";
import type { Operation, Program, Value } from "../../engine/hlo/graph.ts";
import { typeText } from "../../engine/hlo/tensor.ts";

interface Box {
  readonly title: string;
  /** The type of what it gives. */
  detail: string;
  readonly from: Set<Box>;
  readonly color: string;
  layer: number;
  place: number;
  x: number;
  y: number;
  width: number;
}

const letter = 7.2;
const height = 38;
const gap = { x: 24, y: 44 };
const mostBoxes = 3000;

const colors: readonly (readonly [pattern: RegExp, color: string])[] = [
  [/conv/i, "#cfe3ff"],
  [/dot|matmul|dense|fully|einsum/i, "#d8d2ff"],
  [/pool|reduce|mean|sum|window/i, "#d5f0d0"],
  [/softmax|relu|tanh|logistic|gelu|exp|activation|swish/i, "#ffe3c2"],
  [/while|if|case|lstm|gru|rnn/i, "#ffd1d9"],
];
const colorOf = (title: string) => colors.find(([pattern]) => pattern.test(title))?.[1] ?? "#f1f1ee";
const ends = "#e6e2c8";

/** Values that an operation takes, those that its regions take from outside included. */
function inputsOf(operation: Operation): Value[] {
  const inner = operation.regions.flatMap((region) => [...region.operations.flatMap(inputsOf), ...region.results]);
  return [...operation.operands, ...inner];
}

/** Boxes of a program. Operations of one origin are one box; constants are none. */
function boxesOf({ body, inputs, outputs }: Program): Box[] {
  const byOrigin = new Map<string, Box>();
  const makers = new Map<Value, Box>();
  const boxes: Box[] = [];
  const add = (title: string, detail: string, color = colorOf(title)): Box => {
    const width = Math.max(title.length, detail.length) * letter + 20;
    const box: Box = { title, detail, color, width, from: new Set(), layer: 0, place: boxes.length, x: 0, y: 0 };
    boxes.push(box);
    return box;
  };
  inputs.forEach(({ name, type }, i) => makers.set(body.parameters[i]!, add(name, typeText(type), ends)));
  for (const operation of body.operations) {
    if (operation.op === "constant") continue;
    const title = operation.origin ?? operation.op;
    const result = operation.results[0];
    const known = operation.origin === undefined ? undefined : byOrigin.get(operation.origin);
    const sources = new Set(inputsOf(operation).flatMap((value) => makers.get(value) ?? []));
    if (sources.size === 0) continue;
    const box = known ?? add(title, "");
    // The last operation of an origin makes its result.
    if (result) box.detail = typeText(result.type);
    box.width = Math.max(box.title.length, box.detail.length) * letter + 20;
    if (operation.origin !== undefined) byOrigin.set(operation.origin, box);
    for (const source of sources) if (source !== box) box.from.add(source);
    for (const value of operation.results) makers.set(value, box);
  }
  outputs.forEach(({ name, type }, i) => {
    const box = add(name, typeText(type), ends);
    const source = makers.get(body.results[i]!);
    if (source) box.from.add(source);
  });
  return boxes;
}

/** Puts boxes in rows below what they come from, and orders each row by where those are. */
function arrange(boxes: readonly Box[]): { width: number; height: number } {
  const rows: Box[][] = [];
  for (const box of boxes) {
    // Boxes come after what they take, except where one origin is spread over the program.
    box.layer = Math.max(0, ...[...box.from].map((source) => source.layer + 1));
    (rows[box.layer] ??= []).push(box);
  }
  const widest = Math.max(0, ...rows.map((row) => row.reduce((sum, box) => sum + box.width + gap.x, 0)));
  for (let sweep = 0; sweep < 2; sweep++) {
    rows.forEach((row, layer) => {
      const centre = (box: Box) =>
        box.from.size === 0
          ? box.place
          : [...box.from].reduce((sum, source) => sum + source.x + source.width / 2, 0) / box.from.size;
      if (layer > 0) row.sort((a, b) => centre(a) - centre(b));
      let x = (widest - row.reduce((sum, box) => sum + box.width + gap.x, 0)) / 2;
      for (const box of row) {
        box.x = x;
        box.y = layer * (height + gap.y);
        x += box.width + gap.x;
      }
    });
  }
  return { width: widest, height: rows.length * (height + gap.y) };
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The SVG of a program. Throws CerebroError "limit" for programs that nobody could look at. */
export function drawProgram(program: Program): string {
  const boxes = boxesOf(program);
  if (boxes.length > mostBoxes) {
    throw new CerebroError(
      "limit",
      `${program.name}: ${boxes.length} operations are too many to draw (at most ${mostBoxes})`,
    );
  }
  const size = arrange(boxes);
  const parts: string[] = [];
  for (const box of boxes)
    for (const source of box.from) {
      const [x1, y1] = [source.x + source.width / 2, source.y + height];
      const [x2, y2] = [box.x + box.width / 2, box.y];
      const bend = Math.max(gap.y / 2, Math.abs(y2 - y1) / 2);
      // What passes by other rows goes round them where it would run behind a box.
      const aside = box.layer - source.layer > 1 && Math.abs(x2 - x1) < source.width / 2 ? source.width * 0.9 : 0;
      parts.push(
        `<path d="M${x1},${y1} C${x1 + aside},${y1 + bend} ${x2 + aside},${y2 - bend} ${x2},${y2 - 3}" marker-end="url(#arrow)"/>`,
      );
    }
  for (const { x, y, width, title, detail, color } of boxes) {
    const middle = x + width / 2;
    parts.push(
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${color}"/>`,
      `<text x="${middle}" y="${y + 16}">${escaped(title)}</text>`,
      `<text x="${middle}" y="${y + 31}" class="type">${escaped(detail)}</text>`,
    );
  }
  const margin = 20;
  const box = `${-margin} ${-margin} ${size.width + 2 * margin} ${size.height + 2 * margin}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" font-family="monospace" font-size="12">
<style>path{fill:none;stroke:#888}rect{stroke:#777}text{text-anchor:middle}.type{fill:#666;font-size:11px}</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" style="fill:#888"/></marker></defs>
${parts.join("\n")}
</svg>
`;
}
