// Attributes in MLIR text: builtin ones, and those that StableHLO, CHLO, MHLO and VHLO define.

import { FormatError } from "../../../../base/errors.ts";
import { scalar, toNumbers } from "../../../hlo/tensor.ts";
import { denseBytes, denseNumbers, denseTensor, hexadecimal, type Literal } from "./dense.ts";
import { type Attribute, dtypeOf, i64, type Location, type RankedType, type Type } from "./module.ts";
import type { Reader } from "./reader.ts";
import { parseRanked, parseType } from "./types.ts";

const number = /-?(?:0x[0-9A-Fa-f]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)/y;
const startsType =
  /!|tensor\b|complex<|tuple<|memref<|vector<|\(|(?:[su]?i\d+|bf16|tf32|f\d\w*|index|none)(?![\w$.<])/y;

/** The value of a float attribute: decimal, or its bits in hexadecimal. Rounded as its type does. */
function floatValue(text: Literal, type: Type): number {
  const dtype = dtypeOf(type);
  if (!text.startsWith("0x")) return dtype === undefined ? Number(text) : toNumbers(scalar(dtype, Number(text)))[0]!;
  const ranked: RankedType = { kind: "tensor", shape: [], element: type };
  return dtype === undefined ? Number(text) : toNumbers(denseTensor(denseNumbers(ranked, [text], true)))[0]!;
}

/** The value of an integer literal, decimal or hexadecimal. Throws FormatError. */
function integerBits(text: Literal): bigint {
  if (!/^-?(?:\d+|0x[0-9a-f]+)$/i.test(text)) throw new FormatError(`MLIR: '${text}' is no integer`);
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
}

function numberAttribute(reader: Reader, text: Literal): Attribute {
  const { scanner } = reader;
  const integral = /^-?(?:\d+|0x.*)$/.test(text);
  const type: Type = scanner.accept(":") ? parseType(reader) : integral ? i64 : { kind: "float", name: "f64" };
  if (type.kind === "float") return { kind: "float", value: floatValue(text, type), type };
  if (!integral) scanner.fail(`'${text}' is no integer`);
  return { kind: "integer", value: integerBits(text), type };
}

/** After "dense": `<1.0>`, `<[[1, 2]]>`, `<"0xFF">`, `<>`, then its type. */
function dense(reader: Reader): Attribute {
  const { scanner } = reader;
  scanner.expect("<");
  const literals: Literal[] = [];
  let bytes: Uint8Array | undefined;
  let splat = false;
  const element = () => {
    if (scanner.accept("(")) {
      literals.push(scanner.need(number, "a real part"));
      scanner.expect(",");
      literals.push(scanner.need(number, "an imaginary part"));
      return scanner.expect(")");
    }
    const found = scanner.match(number);
    if (found) literals.push(found[0]);
    else if (scanner.accept("true")) literals.push("true");
    else if (scanner.accept("false")) literals.push("false");
    else scanner.fail(`an element expected, found ${scanner.next}`);
  };
  const list = (): void => {
    if (scanner.accept("[")) scanner.nested(() => scanner.list("]", list));
    else element();
  };
  const at = scanner.position;
  if (scanner.peek('"') && scanner.text.startsWith('"0x', scanner.position)) {
    const start = scanner.position + 3;
    const end = scanner.text.indexOf('"', start);
    if (end < 0) scanner.fail("a string is not closed");
    bytes = hexadecimal(scanner.text, start, end);
    scanner.position = end + 1;
  } else if (scanner.peek('"')) scanner.fail("dense attributes of strings are not read");
  else if (scanner.peek("[")) list();
  else if (!scanner.peek(">")) {
    element();
    splat = true;
  }
  scanner.expect(">");
  scanner.expect(":");
  const type = parseRanked(reader);
  try {
    return bytes ? denseBytes(type, bytes) : denseNumbers(type, literals, splat);
  } catch (error) {
    if (error instanceof FormatError) scanner.fail(error.message, at);
    throw error;
  }
}

/** After "array": `<i64: 1, 2>` or `<i64>`. */
function array(reader: Reader): Attribute {
  const { scanner } = reader;
  scanner.expect("<");
  const element = parseType(reader);
  if (!scanner.accept(":")) {
    scanner.expect(">");
    return { kind: "list", element, values: [] };
  }
  const values = scanner.list(">", () => {
    if (scanner.accept("true")) return 1n;
    if (scanner.accept("false")) return 0n;
    const text = scanner.need(number, "a number");
    return element.kind === "float" ? floatValue(text, element) : integerBits(text);
  });
  return { kind: "list", element, values };
}

/** `{a = 1, b}`, after the opening brace. */
function entries(reader: Reader, close: string): Map<string, Attribute> {
  const { scanner } = reader;
  const map = new Map<string, Attribute>();
  scanner.list(close, () => {
    const name = scanner.string() ?? scanner.need(/[A-Za-z_][\w$.-]*/y, "an attribute's name");
    map.set(name, scanner.accept("=") ? parseAttribute(reader) : { kind: "unit" });
  });
  return map;
}

/** `{…}` when it comes next. */
export function parseDictionary(reader: Reader): Map<string, Attribute> {
  return reader.scanner.accept("{") ? reader.scanner.nested(() => entries(reader, "}")) : new Map();
}

/** `<{…}>` when it comes next: properties. */
export function parseProperties(reader: Reader): Map<string, Attribute> {
  if (!reader.scanner.accept("<{")) return new Map();
  return reader.scanner.nested(() => entries(reader, "}>"));
}

/** `[1, 2]` as a list of integers; `?` is the smallest one, as MLIR holds it. */
export function parseIntegers(reader: Reader): Attribute {
  const { scanner } = reader;
  scanner.expect("[");
  const values = scanner.list("]", () => (scanner.accept("?") ? -(1n << 63n) : BigInt(scanner.integer())));
  return { kind: "list", element: i64, values };
}

/** `[b, 0, f]x[0, i, o]->[b, 0, f]`: the dimension numbers of convolutions, by StableHLO's names. */
export function parseConvolution(reader: Reader): Attribute {
  const { scanner } = reader;
  const fields = new Map<string, Attribute>();
  const part = (name: string, letters: Readonly<Record<string, string>>) => {
    const spatial: bigint[] = [];
    scanner.expect("[");
    let position = 0n;
    scanner.list("]", () => {
      const at = scanner.position;
      const letter = scanner.need(/[a-z]|\d+|\?/y, "a dimension");
      const field = letters[letter];
      if (field !== undefined)
        fields.set(`${name}_${field}_dimension`, { kind: "integer", value: position, type: i64 });
      else if (/\d/.test(letter)) {
        if (Number(letter) > 64) scanner.fail("too many dimensions", at);
        spatial[Number(letter)] = position;
      } else if (letter !== "?") scanner.fail(`dimension '${letter}'`, at);
      position++;
    });
    for (let i = 0; i < spatial.length; i++) if (spatial[i] === undefined) scanner.fail(`no dimension ${i}`);
    fields.set(`${name}_spatial_dimensions`, { kind: "list", element: i64, values: spatial });
  };
  part("input", { b: "batch", f: "feature" });
  scanner.expect("x");
  part("kernel", { i: "input_feature", o: "output_feature" });
  scanner.expect("->");
  part("output", { b: "batch", f: "feature" });
  return { kind: "record", name: "conv", fields };
}

/** Attributes with named parts, by what the dialects call them (StablehloAttrs.td, VhloAttrs.td). */
const records = new Set([
  "gather",
  "scatter",
  "dot",
  "conv",
  "channel_handle",
  "output_operand_alias",
  "type_extensions",
  "bounds",
  "dot_algorithm",
  "result_accuracy",
  "ragged_dot",
  "axis_ref",
  "replica_group_mesh_axes",
]);

/** `<offset_dims = [0], index_vector_dim = 1, flag>`: after the opening bracket. */
function record(reader: Reader, name: string): Attribute {
  const { scanner } = reader;
  if (name === "conv" && !scanner.peek("raw")) {
    const numbers = parseConvolution(reader);
    scanner.expect(">");
    return numbers;
  }
  scanner.accept("raw");
  const fields = new Map<string, Attribute>();
  scanner.list(">", () => {
    const field = scanner.word("a field");
    if (!scanner.accept("=")) {
      fields.set(field, { kind: "unit" });
    } else if (field === "sub_axis_info") {
      const [, before, size] = scanner.match(/\((\d{1,15})\)(\d{1,15})/y) ?? scanner.fail("'(before)size' expected");
      fields.set(field, { kind: "list", element: i64, values: [BigInt(before!), BigInt(size!)] });
    } else if (
      scanner.peek("[") &&
      /^\[\s*(?:[-\d?]|\])/.test(scanner.text.slice(scanner.position, scanner.position + 99))
    ) {
      fields.set(field, parseIntegers(reader));
    } else {
      fields.set(field, parseAttribute(reader));
    }
  });
  return { kind: "record", name, fields };
}

/** VHLO wraps builtin attributes: `#vhlo.integer_v1<1 : i64>` (VhloAttrs.td). */
function vhlo(reader: Reader, name: string): Attribute {
  const { scanner } = reader;
  scanner.expect("<");
  const inner = (): Attribute => {
    switch (name) {
      case "dict_v1": {
        const map = new Map<string, Attribute>();
        const pairs = scanner.accept("{") ? "}" : ">";
        scanner.list(pairs, () => {
          const key = parseAttribute(reader);
          scanner.expect("=");
          map.set(key.kind === "string" ? key.value : scanner.fail("a string expected"), parseAttribute(reader));
        });
        if (pairs === ">") scanner.position--;
        return { kind: "dictionary", entries: map };
      }
      case "type_v1":
        return { kind: "type", type: parseType(reader) };
      case "boolean_v1":
      case "bool_v1":
        return { kind: "boolean", value: scanner.accept("true") || (scanner.expect("false"), false) };
      default:
        return parseAttribute(reader);
    }
  };
  const attribute = inner();
  scanner.expect(">");
  return attribute;
}

const vhloWrappers =
  /^vhlo\.((?:integer|float|string|bool|boolean|type|array|dict|tensor|symbol_ref|flat_symbol_ref)_v1)$/;

/** After "#": aliases and attributes of dialects. */
function dialectAttribute(reader: Reader): Attribute {
  const { scanner } = reader;
  const start = scanner.position;
  const name = scanner.need(/[A-Za-z_\d][\w$.-]*/y, "an attribute");
  if (!name.includes(".") && !scanner.peek("<") && reader.hasAlias(`#${name}`)) return reader.attributeAlias(name);
  const wrapper = vhloWrappers.exec(name);
  if (wrapper) return vhlo(reader, wrapper[1]!);
  const dialect = /^(stablehlo|chlo|mhlo|vhlo)(?:\.(.+))?$/.exec(name);
  if (dialect && scanner.peek("<")) {
    const opening = scanner.position;
    const kind = dialect[2];
    if (kind === undefined) {
      // #stablehlo<precision HIGH>, or the form with the record's name inside.
      scanner.expect("<");
      // Older versions quote it: #mhlo<"precision HIGH">.
      const quoted = /^(\w+) (\w+)$/.exec(scanner.string() ?? "");
      if (quoted) {
        scanner.expect(">");
        return { kind: "enum", name: quoted[1]!, value: quoted[2]! };
      }
      const inner = scanner.word("an attribute").replace(/_v\d$/, "");
      if (records.has(inner)) {
        const bracketed = scanner.accept("<");
        const attribute = record(reader, inner);
        if (bracketed) scanner.expect(">");
        return attribute;
      }
      const bracketed = scanner.accept("<");
      const value = scanner.word("a value");
      if (bracketed) scanner.expect(">");
      scanner.expect(">");
      return { kind: "enum", name: inner, value };
    }
    const plain = kind.replace(/_v\d$/, "");
    if (records.has(plain)) {
      scanner.expect("<");
      return record(reader, plain);
    }
    const word = scanner.match(/<\s*([A-Za-z_]\w*)\s*>/y);
    if (word) return { kind: "enum", name: plain, value: word[1]! };
    scanner.position = opening;
  }
  if (scanner.peek("<")) scanner.balanced();
  return { kind: "opaque", text: `#${scanner.text.slice(start, scanner.position)}` };
}

/** An attribute. Throws FormatError. */
export function parseAttribute(reader: Reader): Attribute {
  const { scanner } = reader;
  return scanner.nested(() => {
    if (scanner.accept("[")) return { kind: "array", elements: scanner.list("]", () => parseAttribute(reader)) };
    if (scanner.peek("{")) return { kind: "dictionary", entries: parseDictionary(reader) };
    const text = scanner.string();
    if (text !== undefined) {
      if (scanner.accept(":")) parseType(reader);
      return { kind: "string", value: text };
    }
    if (scanner.peek("@")) return { kind: "symbol", value: parseSymbol(reader) };
    const found = scanner.match(number);
    if (found) return numberAttribute(reader, found[0]);
    if (scanner.accept("#")) return dialectAttribute(reader);
    if (scanner.accept("true")) return { kind: "boolean", value: true };
    if (scanner.accept("false")) return { kind: "boolean", value: false };
    if (scanner.accept("unit")) return { kind: "unit" };
    if (scanner.accept("dense")) return dense(reader);
    if (scanner.accept("dense_resource")) {
      scanner.expect("<");
      const at = scanner.position;
      const key = scanner.string() ?? scanner.need(/[\w$.-]+/y, "a resource");
      scanner.expect(">");
      scanner.expect(":");
      const type = parseRanked(reader);
      const bytes = reader.resource(key) ?? scanner.fail(`no resource '${key}'`, at);
      return denseBytes(type, bytes);
    }
    if (scanner.accept("array")) return array(reader);
    if (scanner.peek("loc")) {
      parseLocation(reader);
      return { kind: "opaque", text: "loc" };
    }
    for (const word of ["affine_map", "affine_set", "strided", "distinct", "sparse", "opaque"]) {
      if (scanner.accept(word)) return { kind: "opaque", text: word + scanner.balanced() };
    }
    startsType.lastIndex = (scanner.skip(), scanner.position);
    if (startsType.test(scanner.text)) return { kind: "type", type: parseType(reader) };
    return scanner.fail(`an attribute expected, found ${scanner.next}`);
  });
}

/** `@name`, `@"any name"`, `@outer::@inner`. */
export function parseSymbol(reader: Reader): string {
  const { scanner } = reader;
  const parts: string[] = [];
  do {
    scanner.expect("@");
    parts.push(scanner.string() ?? scanner.need(/[A-Za-z_$.\d][\w$.-]*/y, "a symbol"));
  } while (scanner.accept("::"));
  return parts.join("::");
}

/** `loc(…)` when it comes next. */
export function parseLocation(reader: Reader): Location | undefined {
  const { scanner } = reader;
  if (!scanner.accept("loc")) return undefined;
  scanner.expect("(");
  const location = innerLocation(reader);
  scanner.expect(")");
  return location;
}

/** What stands between the brackets of `loc(…)`. */
export function innerLocation(reader: Reader): Location {
  const { scanner } = reader;
  return scanner.nested(() => {
    if (scanner.accept("#")) return reader.locationAlias(scanner.need(/[\w$.-]+/y, "an alias"));
    if (scanner.accept("unknown")) return {};
    if (scanner.accept("loc")) {
      scanner.expect("(");
      const location = innerLocation(reader);
      scanner.expect(")");
      return location;
    }
    const text = scanner.string();
    if (text !== undefined) {
      const lines = scanner.match(/:(\d+):(\d+)(?:\s*to\s*(?:\d+)?:\d+)?/y);
      if (lines) return { file: `${text}:${lines[1]}:${lines[2]}` };
      if (!scanner.accept("(")) return { name: text };
      const inner = innerLocation(reader);
      scanner.expect(")");
      return { name: text, ...(inner.file !== undefined && { file: inner.file }) };
    }
    if (scanner.accept("callsite")) {
      scanner.expect("(");
      const callee = innerLocation(reader);
      scanner.expect("at");
      innerLocation(reader);
      scanner.expect(")");
      return callee;
    }
    if (scanner.accept("fused")) {
      if (scanner.peek("<")) scanner.balanced();
      scanner.expect("[");
      const parts = scanner.list("]", () => innerLocation(reader));
      return parts.find(({ name }) => name !== undefined) ?? parts[0] ?? {};
    }
    return scanner.fail(`a location expected, found ${scanner.next}`);
  });
}
