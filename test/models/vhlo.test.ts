// Portable StableHLO artifacts (VHLO in MLIR bytecode) of several versions: each has to read to the same module as its
// text. Attributes that say what is so by default count as left out: StableHLO leaves them out, VHLO does not.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readBytecode } from "../../src/engine/import/jax/mlir/bytecode.ts";
import type { Attribute, Attributes, Operation, Region, Type, Value } from "../../src/engine/import/jax/mlir/module.ts";
import { parseModule } from "../../src/engine/import/jax/mlir/operations.ts";
import { withoutVersions } from "../../src/engine/import/jax/versioned.ts";
import { sharedModels } from "../support/models.ts";

const folder = sharedModels("stablehlo/vhlo");
const files = folder ? readdirSync(folder).filter((name) => name.endsWith(".bc")) : [];

type Plain = string | number | boolean | undefined | readonly Plain[] | { readonly [key: string]: Plain };

function typeOf(type: Type): Plain {
  switch (type.kind) {
    case "tensor":
      return {
        tensor: type.shape.map(String),
        of: typeOf(type.element),
        with: type.encoding && valueOf("", type.encoding),
      };
    case "function":
      return { from: type.inputs.map(typeOf), to: type.results.map(typeOf) };
    case "tuple":
      return { tuple: type.elements.map(typeOf) };
    case "opaque":
      return { opaque: type.elements ? type.elements.map(typeOf) : type.text };
    default:
      return JSON.parse(JSON.stringify(type, (_, value) => (typeof value === "bigint" ? String(value) : value)));
  }
}

const ones = /strides|dilations?$/;
const all = (values: readonly (number | bigint)[], wanted: number) => values.every((value) => Number(value) === wanted);

/** The default that an attribute has, if it has: undefined then. */
function valueOf(name: string, attribute: Attribute): Plain {
  switch (attribute.kind) {
    case "unit":
      return true;
    case "boolean":
      return attribute.value || undefined;
    case "integer":
      if (name === "dimension" && attribute.value === -1n) return undefined;
      if (name === "version" && attribute.value === 0n) return undefined;
      if (name === "api_version" && attribute.value === 1n) return undefined;
      if (name === "index_vector_dim" && attribute.value === 0n) return undefined;
      if (name === "batch_dims" && attribute.value === 0n) return undefined;
      return Number(attribute.value);
    case "float":
      return attribute.value;
    case "string":
    case "symbol":
      return attribute.value === "" ? undefined : attribute.value;
    case "enum":
      return attribute.value === "NOTYPE" ? undefined : attribute.value;
    case "type":
      return typeOf(attribute.type);
    case "list":
      if (attribute.values.length === 0 && name !== "dimensions") return undefined;
      if ((ones.test(name) && all(attribute.values, 1)) || (name === "window_reversal" && all(attribute.values, 0))) {
        return undefined;
      }
      return attribute.values.map(Number);
    case "array": {
      if (
        name === "precision_config" &&
        attribute.elements.every((each) => each.kind === "enum" && each.value === "DEFAULT")
      )
        return undefined;
      const elements = attribute.elements.map((each) => valueOf("", each));
      return elements.every((each) => each === undefined) && (name !== "layout" || elements.length === 0)
        ? undefined
        : elements;
    }
    case "dictionary":
      return attribute.entries.size === 0 ? undefined : attributesOf(attribute.entries);
    case "record": {
      const { fields } = attribute;
      const handle = fields.get("handle");
      if (name === "channel_handle" && handle?.kind === "integer" && handle.value === 0n) {
        const kind = fields.get("type");
        if (kind?.kind === "integer" && kind.value === 0n) return undefined;
      }
      const mode = fields.get("mode");
      if (name === "result_accuracy" && mode?.kind === "enum" && mode.value === "DEFAULT") return undefined;
      return attributesOf(fields);
    }
    case "dense": {
      const { bytes, type, splat } = attribute;
      const count = splat ? 1 : type.shape.reduce<number>((product, n) => product * (n ?? 0), 1);
      if (count === 0 && name === "source_target_pairs") return undefined;
      const width = count === 0 ? 1 : bytes.length / count;
      const parts = Array.from({ length: count }, (_, i) =>
        Buffer.from(bytes.subarray(i * width, (i + 1) * width)).toString("hex"),
      );
      const unique = [...new Set(parts)];
      if (name === "padding" && unique.length === 1 && /^0*$/.test(unique[0]!)) return undefined;
      return { type: typeOf(type), elements: unique.length === 1 ? unique : parts };
    }
    case "opaque":
      return attribute.text;
  }
}

function attributesOf(attributes: Attributes): Plain {
  const known = [...attributes].map(([name, value]) => [name, valueOf(name, value)] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function operationOf(operation: Operation, numbers: Map<Value, number>): Plain {
  const number = (value: Value) => {
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return numbers.get(value)!;
  };
  const region = ({ blocks }: Region): Plain =>
    blocks.map(({ parameters, operations }) => ({
      parameters: parameters.map((each) => [number(each), typeOf(each.type)]),
      operations: operations.map((each) => operationOf(each, numbers)),
    }));
  return {
    name: operation.name,
    operands: operation.operands.map(number),
    results: operation.results.map((each) => [number(each), typeOf(each.type)]),
    attributes: attributesOf(operation.attributes),
    regions: operation.regions.map(region),
  };
}

describe.skipIf(!folder)("portable artifacts", () => {
  test.each(files)("%s", (name) => {
    const { module, producer } = readBytecode(new Uint8Array(readFileSync(join(folder!, name))));
    expect(producer).toMatch(/^StableHLO_v/);
    const text = parseModule(readFileSync(join(folder!, name.replace(/\.bc$/, "")), "utf8"));
    const read = withoutVersions(module).regions[0]!.blocks[0]!.operations;
    const written = text.regions[0]!.blocks[0]!.operations;
    expect(read.length).toBe(written.length);
    read.forEach((operation, i) => {
      expect.soft(operationOf(operation, new Map())).toEqual(operationOf(written[i]!, new Map()));
    });
  });
});
