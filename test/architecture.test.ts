// What the layers' project references cannot say: who may name Node, the DOM or a package, and how long a file may be.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "src");

/** Runtime packages and the only files that may name them. */
const packages: Readonly<Record<string, readonly string[]>> = {
  "fast-png": ["src/formats/"],
  fflate: ["src/formats/"],
  "jpeg-js": ["src/formats/"],
  openpgp: ["src/packages/"],
};

/** Who may import `node:` modules. */
const mayNameNode = ["src/hosts/node/", "src/cli/", "src/server/"];
/** Who may name the DOM. */
const mayNameDom = ["src/hosts/browser/", "src/web/"];
/** Tables: wide or long by nature, so the limit of 600 lines does not hold for them. */
const tables = [
  "src/cpu/x86/instructions/",
  "src/cpu/ir/ops.ts",
  "src/cpu/ir/emit.ts",
  "src/abi/",
  "src/wasm/opcodes.ts",
  "src/engine/import/jax/ops.ts",
  "src/engine/import/keras/functions.ts",
  "src/engine/import/tensorflow/ops/",
  "src/engine/import/tflite/ops/",
];
const longest = 600;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly string[];
}

/** The text without comments and without what stands in quotes. */
function codeOnly(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g,
    (match) => (match.startsWith("/") ? "" : '""'),
  );
}

function importsOf(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(
    /^(?:import|export)\s[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm,
  ))
    found.push((match[1] ?? match[2] ?? match[3])!);
  return found;
}

const files: SourceFile[] = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
  .map((name) => {
    const text = readFileSync(join(source, name), "utf8");
    return { path: `src/${name}`, text, code: codeOnly(text), imports: importsOf(text) };
  });
const shipped = files.filter(({ path }) => !path.endsWith(".test.ts"));
const within = (path: string, places: readonly string[]) => places.some((place) => path.startsWith(place));
const layerOf = (path: string) => path.split("/")[1]!;

interface Project {
  readonly references?: readonly { readonly path: string }[];
}

const allowed = new Map<string, Set<string>>();
for (const layer of readdirSync(source)) {
  if (layer === "globals") continue;
  const project = JSON.parse(readFileSync(join(source, layer, "tsconfig.json"), "utf8")) as Project;
  allowed.set(layer, new Set([layer, ...(project.references ?? []).map(({ path }) => path.replace("../", ""))]));
}

test("the layers' references have no cycle", () => {
  const visit = (layer: string, above: readonly string[]): void => {
    expect(above, `${above.join(" -> ")} -> ${layer}`).not.toContain(layer);
    for (const below of allowed.get(layer) ?? []) if (below !== layer) visit(below, [...above, layer]);
  };
  for (const layer of allowed.keys()) visit(layer, []);
});

test("imports follow the references of the layer", () => {
  const wrong: string[] = [];
  for (const { path, imports } of shipped)
    for (const name of imports) {
      if (!name.startsWith(".")) continue;
      const target = relative(root, resolve(root, dirname(path), name));
      if (!allowed.get(layerOf(path))?.has(layerOf(target))) wrong.push(`${path} imports ${target}`);
      if (!name.endsWith(".ts")) wrong.push(`${path}: ${name} lacks its .ts`);
    }
  expect(wrong).toEqual([]);
});

test("no two files import each other's values in a circle across folders", () => {
  const graph = new Map<string, string[]>();
  for (const { path, text } of shipped) {
    const targets: string[] = [];
    for (const match of text.matchAll(/^import\s+(?!type\b)[^;]*?from\s+"(\.[^"]+)"/gm))
      targets.push(relative(root, resolve(root, dirname(path), match[1]!)));
    graph.set(path, targets);
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, above: readonly string[]): void => {
    const at = above.indexOf(path);
    if (at >= 0) {
      const circle = above.slice(at);
      if (new Set(circle.map((file) => dirname(file))).size > 1) circles.push([...circle, path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...above, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  expect(circles).toEqual([]);
});

test("only hosts/node, cli and server name Node", () => {
  // A guest's process is called `process` in the kernel; these are members that only Node's has.
  const node = /\bBuffer\.|(?<!\.)\bprocess\.(?:env|argv|exit|stdin|stdout|stderr|platform|versions)\b/;
  const wrong = shipped.filter(
    ({ path, imports, code }) =>
      !within(path, mayNameNode) && (imports.some((name) => name.startsWith("node:")) || node.test(code)),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("only hosts/browser and web name the DOM", () => {
  // `window` is left out: it is also what convolutions slide, and no layer here has the DOM's types.
  const dom = /\b(?:document|navigator|localStorage|HTMLElement|indexedDB)\b\s*[.[]/;
  const wrong = shipped.filter(({ path, code }) => !within(path, mayNameDom) && dom.test(code));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test("packages are named only where the table allows", () => {
  const wrong: string[] = [];
  for (const { path, imports } of shipped)
    for (const name of imports) {
      if (name.startsWith(".") || name.startsWith("node:")) continue;
      const owner = name.startsWith("@") ? name.split("/").slice(0, 2).join("/") : name.split("/")[0]!;
      if (!within(path, packages[owner] ?? [])) wrong.push(`${path} imports ${name}`);
    }
  expect(wrong).toEqual([]);
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { dependencies: object };
  expect(Object.keys(manifest.dependencies).sort()).toEqual(Object.keys(packages).sort());
});

test(`no file has more than ${longest} lines, tables aside, and each opens with a sentence`, () => {
  const wrong: string[] = [];
  for (const { path, text } of shipped) {
    const lines = text.split("\n").length - 1;
    if (lines > longest && !within(path, tables)) wrong.push(`${path}: ${lines} lines`);
    if (!/^(?:\/\/ |\/\*\*)/.test(text)) wrong.push(`${path} opens without a comment`);
  }
  expect(wrong).toEqual([]);
});

test("no `any`, no suppressed checks", () => {
  const any = /(?::|<|\bas|\||&|,)\s*any\b(?!\s*[:(])|\bArray<any>/;
  const suppressed = /@ts-(?:ignore|nocheck|expect-error)/;
  const wrong = shipped.filter(({ code, text }) => any.test(code) || suppressed.test(text));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});
