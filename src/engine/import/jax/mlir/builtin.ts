// Attributes and types of MLIR's builtin dialect in bytecode (BuiltinDialectBytecode.td): the codes are the order there.

import { denseBytes } from "./dense.ts";
import { type DialectDecoder, readFloat, readInteger } from "./encoding.ts";
import {
  type Attribute,
  elementBytes,
  functionType,
  type Location,
  type RankedType,
  tupleType,
  type Type,
} from "./module.ts";

/** Locations are attributes in bytecode. */
export type Located = Attribute & { readonly location?: Location };

const located = (location: Location): Located => ({ kind: "opaque", text: "loc", location });
export const locationOf = (attribute: Located): Location => attribute.location ?? {};

/** -2^63 stands for an extent that is not known. */
export const extentOf = (value: bigint): number | null => (value < 0n ? null : Number(value));

function text(decoder: DialectDecoder): string {
  const attribute = decoder.attribute();
  return attribute.kind === "string" ? attribute.value : decoder.data.fail("a string attribute expected");
}

export function ranked(decoder: DialectDecoder): RankedType {
  const type = decoder.type();
  return type.kind === "tensor" ? type : decoder.data.fail("a ranked tensor type expected");
}

export function widthOf(type: Type): number {
  if (type.kind === "index") return 64;
  return type.kind === "integer" ? type.width : 0;
}

/** Integers of an array's raw bytes. */
function arrayValues(element: Type, bytes: Uint8Array, count: number): (bigint | number)[] | undefined {
  const width = elementBytes(element);
  if (width === undefined || bytes.length !== count * width) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const at = i * width;
    if (element.kind === "float") return width === 8 ? view.getFloat64(at, true) : view.getFloat32(at, true);
    let value = 0n;
    for (let k = width - 1; k >= 0; k--) value = (value << 8n) | BigInt(bytes[at + k]!);
    return element.kind === "integer" && element.width === 1 ? value & 1n : BigInt.asIntN(8 * width, value);
  });
}

export function builtinAttribute(decoder: DialectDecoder): Located {
  const { data } = decoder;
  const code = data.varint();
  switch (code) {
    case 0:
      return { kind: "array", elements: decoder.attributes() };
    case 1: {
      const entries = new Map<string, Attribute>();
      for (let count = data.count(); count > 0; count--) entries.set(text(decoder), decoder.attribute());
      return { kind: "dictionary", entries };
    }
    case 2:
      return { kind: "string", value: decoder.string() };
    case 3: {
      const value = decoder.string();
      decoder.type();
      return { kind: "string", value };
    }
    case 4:
      return { kind: "symbol", value: text(decoder) };
    case 5: {
      const root = text(decoder);
      const rest = decoder.attributes().map((each) => (each.kind === "symbol" ? each.value : ""));
      return { kind: "symbol", value: [root, ...rest].join("::") };
    }
    case 6:
      return { kind: "type", type: decoder.type() };
    case 7:
      return { kind: "unit" };
    case 8: {
      const type = decoder.type();
      const width = widthOf(type);
      if (width === 0) data.fail("an integer type expected");
      const value = BigInt.asIntN(Math.max(width, 2), readInteger(data, width));
      return width === 1 ? { kind: "boolean", value: value !== 0n } : { kind: "integer", value, type };
    }
    case 9: {
      const type = decoder.type();
      return { kind: "float", value: readFloat(data, type.kind === "float" ? type.name : "none"), type };
    }
    case 10: {
      const callee = decoder.attribute();
      decoder.attribute();
      return callee;
    }
    case 11: {
      const file = text(decoder);
      return located({ file: `${file}:${data.varint()}:${data.varint()}` });
    }
    case 12:
    case 13: {
      const parts = decoder.attributes().map(locationOf);
      if (code === 13) decoder.attribute();
      return located(parts.find(({ name }) => name !== undefined) ?? parts[0] ?? {});
    }
    case 14: {
      const name = text(decoder);
      const { file } = locationOf(decoder.attribute());
      return located({ name, ...(file !== undefined && { file }) });
    }
    case 15:
      return located({});
    case 16: {
      const type = ranked(decoder);
      return denseBytes(type, decoder.resource());
    }
    case 17: {
      const element = decoder.type();
      const count = data.varint();
      const values = arrayValues(element, decoder.blob(), count);
      return values ? { kind: "list", element, values } : data.fail(`an array of ${count} elements`);
    }
    case 18: {
      const type = ranked(decoder);
      return denseBytes(type, decoder.blob());
    }
    case 21:
      return decoder.attribute();
    case 22: {
      // FileLineColRange: the file, then how many of line, column, end line and end column are there.
      const file = text(decoder);
      const numbers = Array.from({ length: Math.min(data.count(), 4) }, () => data.varint());
      return located({ file: `${file}:${numbers[0] ?? 0}:${numbers[1] ?? 0}` });
    }
    default:
      return data.fail(`builtin attribute of code ${code}`);
  }
}

const floatCodes: Readonly<Record<number, string>> = { 3: "bf16", 4: "f16", 5: "f32", 6: "f64", 7: "f80", 8: "f128" };

export function builtinType(decoder: DialectDecoder): Type {
  const { data } = decoder;
  const code = data.varint();
  const float = floatCodes[code];
  if (float !== undefined) return { kind: "float", name: float };
  switch (code) {
    case 0: {
      const word = data.varint();
      return { kind: "integer", width: Math.floor(word / 4), sign: (["", "s", "u"] as const)[word % 4] ?? "" };
    }
    case 1:
      return { kind: "index" };
    case 2:
      return functionType(decoder.types(), decoder.types());
    case 9:
      return { kind: "complex", element: decoder.type() };
    case 12:
      return { kind: "none" };
    case 13:
      return { kind: "tensor", shape: data.integers().map(extentOf), element: decoder.type() };
    case 14: {
      const encoding = decoder.attribute();
      return { kind: "tensor", shape: data.integers().map(extentOf), element: decoder.type(), encoding };
    }
    case 15:
      return tupleType(decoder.types());
    case 18:
      return { kind: "unranked", element: decoder.type() };
    default:
      return data.fail(`builtin type of code ${code}`);
  }
}
