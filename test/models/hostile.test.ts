// Models that mean harm: sizes that overflow, graphs in circles, nesting without end, archives that swell, loops that never end.
// Each ends in a typed error, quickly and without much memory.

import { zipSync } from "fflate";
import { expect, test } from "vitest";
import { CerebroError } from "../../src/base/errors.ts";
import { compile } from "../../src/engine/compile/compile.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import type { ModelFiles, Source } from "../../src/engine/model.ts";
import { openModel } from "../support/models.ts";

const text = (name: string, content: string): Source => ({ name, bytes: new TextEncoder().encode(content) });
const main = (body: string, type = "tensor<f32>") => `module { func.func public @main() -> ${type} { ${body} } }`;

function refused(source: Source, message: RegExp): void {
  const start = performance.now();
  let caught: unknown;
  try {
    openModel(source).program();
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(CerebroError);
  expect((caught as CerebroError).code).not.toBe("internal");
  expect((caught as Error).message).toMatch(message);
  expect(performance.now() - start).toBeLessThan(5000);
}

test("shapes that overflow, and tensors of billions of elements", () => {
  for (const shape of ["4294967296x4294967296", "100000x100000", "9223372036854775807"]) {
    const type = `tensor<${shape}xf32>`;
    const body = `%0 = stablehlo.constant dense<0.0> : ${type}\n return %0 : ${type}`;
    refused(text("huge.mlir", main(body, type)), /./);
  }
});

test("nesting without end", () => {
  const deep = 100_000;
  const tuples = `${"tuple<".repeat(deep)}tensor<f32>${">".repeat(deep)}`;
  refused(text("deep.mlir", `module { func.func @main(%a: ${tuples}) { return } }`), /deep|nest|depth/i);
  refused(text("deep2.mlir", main(`%0 = stablehlo.constant dense<${"[".repeat(deep)}> : tensor<f32>`)), /./);
  refused(text("model.json", `${'{"a":'.repeat(deep)}1${"}".repeat(deep)}`), /./);
});

test("functions that call each other for ever, or too often", () => {
  refused(
    text(
      "circle.mlir",
      `module { func.func public @main() -> tensor<f32> { %0 = call @main() : () -> tensor<f32> return %0 : tensor<f32> } }`,
    ),
    /call|recurs|itself|deep/i,
  );
  const levels = 40;
  const functions = Array.from({ length: levels }, (_, i) => {
    const name = i === 0 ? "public @main" : `private @f${i}`;
    const inner =
      i === levels - 1
        ? "%0 = stablehlo.constant dense<1.0> : tensor<f32>"
        : `%0 = call @f${i + 1}() : () -> tensor<f32>\n%1 = call @f${i + 1}() : () -> tensor<f32>`;
    const result =
      i === levels - 1 ? "return %0 : tensor<f32>" : "%2 = stablehlo.add %0, %1 : tensor<f32>\nreturn %2 : tensor<f32>";
    return `func.func ${name}() -> tensor<f32> { ${inner}\n${result} }`;
  });
  refused(text("laughs.mlir", `module { ${functions.join("\n")} }`), /operations|calls|limit|many/i);
});

test("a graph in a circle", () => {
  const node = (name: string, input: string) =>
    `node { name: "${name}" op: "Neg" input: "${input}" attr { key: "T" value { type: DT_FLOAT } } }`;
  refused(text("circle.pbtxt", `${node("a", "b")}\n${node("b", "a")}\n${node("c", "a")}\n`), /./);
});

test("archives that swell", () => {
  const zeros = new Uint8Array(16 << 20);
  // 48 MiB in 50 kB.
  const archive = zipSync({ "config.json": zeros, "metadata.json": zeros, "model.weights.h5": zeros }, { level: 9 });
  expect(archive.length).toBeLessThan(1 << 20);
  refused({ name: "bomb.keras", bytes: archive }, /./);
});

test("a directory whose files lead out of it", () => {
  const asked: string[] = [];
  const files: ModelFiles = {
    list: (directory) => (directory === "" ? ["config.json", "model.safetensors.index.json"] : undefined),
    read(path) {
      asked.push(path);
      if (path === "config.json")
        return new TextEncoder().encode('{"model_type":"bert","architectures":["BertModel"],"hidden_size":8}');
      if (path.endsWith("index.json")) return new TextEncoder().encode('{"weight_map":{"a":"../../secret"}}');
      return undefined;
    },
  };
  refused({ name: "outside", files }, /./);
  expect(asked.filter((path) => path.includes("..") || path.startsWith("/"))).toEqual([]);
});

test("a loop that never ends is ended", () => {
  const loop = main(
    `%0 = stablehlo.constant dense<1.0> : tensor<f32>
    %1 = stablehlo.while(%i = %0) : tensor<f32>
      cond { %c = stablehlo.constant dense<true> : tensor<i1>
        stablehlo.return %c : tensor<i1> }
      do { %n = stablehlo.add %i, %0 : tensor<f32>
        stablehlo.return %n : tensor<f32> }
    return %1 : tensor<f32>`,
  );
  const program = openModel(text("endless.mlir", loop)).program();
  expect(() => evaluate(program, [], { steps: 10_000 })).toThrow(/steps/);
  let turns = 0;
  const check = () => {
    if (++turns > 1000) throw new CerebroError("limit", "enough");
  };
  for (const backend of ["wasm", "interpreter"] as const) {
    turns = 0;
    const executable = compile(program, { backend, check });
    expect(() => executable.run({})).toThrow("enough");
    executable.dispose();
  }
});
