// Types in MLIR text, those of the builtin, quant, StableHLO and VHLO dialects.

import { parseAttribute } from "./attributes.ts";
import type { Reader } from "./reader.ts";
import { functionType, type RankedType, tupleType, type Type } from "./module.ts";

const scalar = /(?:(s|u)?i(\d{1,4})|(bf16|tf32|f(?:16|32|64|80|128)|f[468]E\dM\d[A-Z0-9]*)|(index|none))(?![\w$.])/y;

/** VHLO's names of scalar types (VhloTypes.td). */
const vhloScalars: Readonly<Record<string, Type>> = {
  bool_v1: { kind: "integer", width: 1, sign: "" },
  index_v1: { kind: "index" },
  none_v1: { kind: "none" },
  token_v1: { kind: "token" },
};

function vhloScalar(name: string): Type | undefined {
  const integer = /^i(u?)(\d+)_v1$/.exec(name) ?? /^i(\d+)_v1$/.exec(name);
  if (integer) return { kind: "integer", width: Number(integer[2]), sign: integer[1] ? "u" : "" };
  const float = /^(bf16|tf32|f\d+(?:E\w+?)?)_v\d$/.exec(name);
  if (float) return { kind: "float", name: float[1]! };
  return vhloScalars[name];
}

function shape({ scanner }: Reader): (number | null)[] {
  const extents: (number | null)[] = [];
  scanner.skip();
  for (;;) {
    const extent = scanner.matchHere(/(\d{1,16}|\?)x/y);
    if (!extent) return extents;
    extents.push(extent[1] === "?" ? null : Number(extent[1]));
  }
}

function tensor(reader: Reader): Type {
  const { scanner } = reader;
  scanner.expect("<");
  if (scanner.accept("*x")) {
    const element = parseType(reader);
    scanner.expect(">");
    return { kind: "unranked", element };
  }
  const extents = shape(reader);
  const element = parseType(reader);
  const encoding = scanner.accept(",") ? parseAttribute(reader) : undefined;
  scanner.expect(">");
  return { kind: "tensor", shape: extents, element, ...(encoding && { encoding }) };
}

/** After "!quant.uniform": `<i8<-127:127>:f32:0, {0.1:3, 0.2}>`. */
function quantized(reader: Reader): Type {
  const { scanner } = reader;
  scanner.expect("<");
  // Unsigned storage is written "u8".
  const unsignedStorage = scanner.match(/u(\d{1,3})(?!\w)/y);
  const storage: Type = unsignedStorage
    ? { kind: "integer", width: Number(unsignedStorage[1]), sign: "u" }
    : parseType(reader);
  const width = storage.kind === "integer" ? storage.width : scanner.fail("integer storage expected");
  const unsigned = storage.kind === "integer" && storage.sign === "u";
  let min = unsigned ? 0n : -(1n << BigInt(width - 1));
  let max = (1n << BigInt(unsigned ? width : width - 1)) - 1n;
  if (scanner.accept("<")) {
    min = BigInt(scanner.integer());
    scanner.expect(":");
    max = BigInt(scanner.integer());
    scanner.expect(">");
  }
  scanner.expect(":");
  const expressed = parseType(reader);
  const dimension = scanner.accept(":") ? scanner.integer() : undefined;
  scanner.expect(",");
  const scales: number[] = [];
  const zeroPoints: bigint[] = [];
  const pair = () => {
    scales.push(Number(scanner.need(/[-+]?\d[\d.]*(?:[eE][-+]?\d+)?/y, "a scale")));
    zeroPoints.push(scanner.accept(":") ? BigInt(scanner.integer()) : 0n);
  };
  if (dimension === undefined) pair();
  else {
    scanner.expect("{");
    scanner.list("}", pair);
  }
  scanner.expect(">");
  return { kind: "quantized", storage, expressed, min, max, dimension, scales, zeroPoints };
}

/** After "!": types of dialects. */
function dialectType(reader: Reader): Type {
  const { scanner } = reader;
  const start = scanner.position;
  const name = scanner.word("a type");
  switch (name) {
    case "quant.uniform":
      return quantized(reader);
    case "stablehlo.token":
    case "mhlo.token":
      return { kind: "token" };
    case "vhlo.complex_v1": {
      scanner.expect("<");
      const element = parseType(reader);
      scanner.expect(">");
      return { kind: "complex", element };
    }
    case "vhlo.tensor_v1":
      return tensor(reader);
    case "vhlo.tuple_v1":
      scanner.expect("<");
      return tupleType(scanner.list(">", () => parseType(reader)));
    case "vhlo.func_v1": {
      scanner.expect("<");
      const type = parseType(reader);
      scanner.expect(">");
      return type;
    }
    case "stablehlo.future":
    case "vhlo.future_v1": {
      scanner.expect("<");
      const elements = scanner.list(">", () => parseType(reader));
      return { kind: "opaque", text: "!stablehlo.future", elements };
    }
    default: {
      const known = name.startsWith("vhlo.") ? vhloScalar(name.slice(5)) : undefined;
      if (known) return known;
      if (!name.includes(".") && reader.hasAlias(`!${name}`)) return reader.typeAlias(name);
      if (scanner.peek("<")) scanner.balanced();
      return { kind: "opaque", text: `!${scanner.text.slice(start, scanner.position)}` };
    }
  }
}

/** `(a, b)` as a list of types, or one type. */
export function parseTypes(reader: Reader): Type[] {
  const { scanner } = reader;
  if (!scanner.accept("(")) return [parseType(reader)];
  return scanner.list(")", () => parseType(reader));
}

/** A type. Throws FormatError. */
export function parseType(reader: Reader): Type {
  const { scanner } = reader;
  return scanner.nested(() => {
    const simple = scanner.match(scalar);
    if (simple) {
      if (simple[2]) return { kind: "integer", width: Number(simple[2]), sign: (simple[1] ?? "") as "" | "s" | "u" };
      if (simple[3]) return { kind: "float", name: simple[3] };
      return { kind: simple[4] as "index" | "none" };
    }
    if (scanner.accept("!")) return dialectType(reader);
    if (scanner.accept("tensor")) return tensor(reader);
    if (scanner.accept("complex")) {
      scanner.expect("<");
      const element = parseType(reader);
      scanner.expect(">");
      return { kind: "complex", element };
    }
    if (scanner.accept("tuple")) {
      scanner.expect("<");
      return tupleType(scanner.list(">", () => parseType(reader)));
    }
    if (scanner.peek("(")) {
      const inputs = parseTypes(reader);
      scanner.expect("->");
      return functionType(inputs, parseTypes(reader));
    }
    for (const word of ["memref", "vector"]) {
      if (scanner.accept(word)) return { kind: "opaque", text: `${word}${scanner.balanced().replaceAll(/\s/g, "")}` };
    }
    return scanner.fail(`a type expected, found ${scanner.next}`);
  });
}

/** The ranked type that dense attributes need. */
export function parseRanked(reader: Reader): RankedType {
  const at = reader.scanner.position;
  const type = parseType(reader);
  return type.kind === "tensor" ? type : reader.scanner.fail("a ranked tensor type expected", at);
}
