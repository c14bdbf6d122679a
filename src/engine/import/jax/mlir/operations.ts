// Operations in MLIR text, in the generic form and in the short forms, to a module.

import {
  parseAttribute,
  parseConvolution,
  parseDictionary,
  parseIntegers,
  parseLocation,
  parseProperties,
  parseSymbol,
} from "./attributes.ts";
import {
  type Attribute,
  type Block,
  i1,
  i32,
  i64,
  type Operation,
  type Region,
  type Type,
  type Value,
} from "./module.ts";
import { Reader } from "./reader.ts";
import type { Scanner } from "./scanner.ts";
import { hloSyntax, otherSyntax, shortNames } from "./syntax.ts";
import { parseType, parseTypes } from "./types.ts";

/** Most operations and values of one file. */
const maximumValues = 1 << 22;

/** An operation that is being read. */
interface Draft {
  readonly name: string;
  readonly count: number;
  operands: Value[];
  readonly attributes: Map<string, Attribute>;
  regions: Region[];
  results: readonly Type[] | undefined;
}

type Names = { readonly values: Map<string, Value>; readonly outer: Names | undefined };
type Parameter = readonly [name: string, value: Value];

const valueName = /%[\w$.-]+(?:#\d+)?/y;
const integer = (value: bigint | number, type: Type = i64): Attribute => ({
  kind: "integer",
  value: BigInt(value),
  type,
});

/** Reads MLIR text. Throws FormatError. A file without a module gets one around it. */
export function parseModule(text: string): Operation {
  const parser = new Parser(new Reader(text));
  const operations = parser.file();
  if (operations.length === 1 && operations[0]!.name === "builtin.module") return operations[0]!;
  const block: Block = { parameters: [], operations };
  return {
    name: "builtin.module",
    operands: [],
    results: [],
    attributes: new Map(),
    regions: [{ blocks: [block] }],
    location: undefined,
  };
}

class Parser {
  private readonly reader: Reader;
  private readonly scanner: Scanner;
  private names: Names = { values: new Map(), outer: undefined };
  private valueCount = 0;

  constructor(reader: Reader) {
    this.reader = reader;
    this.scanner = reader.scanner;
  }

  file(): Operation[] {
    const { scanner } = this;
    const operations: Operation[] = [];
    while (!scanner.atEnd) {
      if (scanner.peek("{-#")) break;
      // Aliases are read where they are used.
      if (scanner.match(/[#!][\w$.-]+[ \t]*=[^\n]*/y)) {
        while (!scanner.atEnd && !/^[ \t]*(?:[#!][\w$.-]+[ \t]*=|module|"|func|builtin|\{-#|%)/.test(this.line())) {
          scanner.match(/[^\n]*/y);
        }
        continue;
      }
      operations.push(this.operation());
    }
    return operations;
  }

  private line(): string {
    const { text, position } = this.scanner;
    return text.slice(position, position + 80);
  }

  // Names of values.

  private lookUp(): Value {
    const at = this.scanner.position;
    const name = this.scanner.need(valueName, "a value");
    const key = name.endsWith("#0") ? name.slice(0, -2) : name;
    for (let names: Names | undefined = this.names; names; names = names.outer) {
      const value = names.values.get(key);
      if (value) return value;
    }
    return this.scanner.fail(`${name} is not defined`, at);
  }

  private define(name: string, value: Value): void {
    if (++this.valueCount > maximumValues) this.scanner.fail(`more than ${maximumValues} values`);
    this.names.values.set(name, value);
  }

  private operands(): Value[] {
    const { scanner } = this;
    if (!scanner.peek("%")) return [];
    const list = [this.lookUp()];
    while (scanner.match(/,(?=\s*%)/y)) list.push(this.lookUp());
    return list;
  }

  private bracketed(): Value[] {
    this.scanner.expect("(");
    const list = this.operands();
    this.scanner.expect(")");
    return list;
  }

  // Operations.

  private operation(): Operation {
    const { scanner } = this;
    return scanner.nested(() => {
      const names: [string, number][] = [];
      if (scanner.peek("%")) {
        do {
          const name = scanner.need(/%[\w$.-]+/y, "a result");
          names.push([name, scanner.accept(":") ? scanner.integer("a number of results") : 1]);
        } while (scanner.accept(","));
        scanner.expect("=");
      }
      const count = names.reduce((sum, [, n]) => sum + n, 0);
      if (count < 0 || count > 65_536) scanner.fail(`${count} results`);
      const at = scanner.position;
      const quoted = scanner.string();
      const written = quoted ?? scanner.word("an operation");
      const name = shortNames[written] ?? written;
      const draft: Draft = { name, count, operands: [], attributes: new Map(), regions: [], results: undefined };
      if (quoted !== undefined) this.generic(draft);
      else this.short(draft);
      const types = draft.results ?? [];
      if (names.length > 0 && types.length !== count) {
        scanner.fail(`${name} has ${types.length} results, ${count} are named`, at);
      }
      const location = parseLocation(this.reader);
      const results = types.map((type): Value => ({ type, location }));
      let index = 0;
      for (const [each, n] of names) {
        for (let i = 0; i < n; i++) this.define(i === 0 ? each : `${each}#${i}`, results[index++]!);
      }
      const { operands, attributes, regions } = draft;
      return { name, operands, results, attributes, regions, location };
    });
  }

  /** `(%a, %b) <{…}> ({…}) {…} : (…) -> …`. */
  private generic(draft: Draft): void {
    const { scanner, reader } = this;
    draft.operands = this.bracketed();
    if (scanner.peek("[")) scanner.fail("branches between blocks are not read");
    for (const [name, value] of parseProperties(reader)) draft.attributes.set(name, value);
    const isolated = draft.name.endsWith("func") || draft.name.startsWith("vhlo.func");
    if (scanner.accept("(")) draft.regions = scanner.list(")", () => this.region([], isolated));
    for (const [name, value] of parseDictionary(reader)) draft.attributes.set(name, value);
    scanner.expect(":");
    parseTypes(reader);
    scanner.expect("->");
    draft.results = parseTypes(reader);
  }

  private short(draft: Draft): void {
    const [dialect, ...rest] = draft.name.split(".");
    const hlo = dialect === "stablehlo" || dialect === "mhlo" || dialect === "vhlo";
    const own = (table: Readonly<Record<string, string>>, key: string) =>
      Object.hasOwn(table, key) ? table[key] : undefined;
    const syntax = own(otherSyntax, draft.name) ?? (hlo ? own(hloSyntax, rest.join(".")) : undefined) ?? "%* {} :types";
    this.follow(draft, syntax.split(" "), 0, syntax.split(" ").length);
  }

  /** Reads what a short form says. */
  private follow(draft: Draft, steps: readonly string[], from: number, to: number): void {
    const { scanner } = this;
    for (let i = from; i < to; i++) {
      let step = steps[i]!;
      if (step.startsWith("[[")) {
        let end = i;
        while (!steps[end]!.endsWith("]]")) end++;
        const inner = steps.slice(i, end + 1).map((word) => word.replace(/^\[\[|\]\]$/g, ""));
        if (inner[0] === ":types" ? scanner.peek(":") : this.literal(inner[0]!, true)) {
          this.follow(draft, inner, 0, inner.length);
        }
        i = end;
        continue;
      }
      step = steps[i]!;
      if (step === "%") draft.operands.push(this.lookUp());
      else if (step === "%*") draft.operands.push(...this.operands());
      else if (step === "(%*)") draft.operands.push(...this.bracketed());
      else if (step === "{}")
        for (const [name, value] of parseDictionary(this.reader)) draft.attributes.set(name, value);
      else if (step === ":types") this.types(draft);
      else if (step.startsWith("$")) {
        const [name, kind] = step.slice(1).split(":") as [
          string,
          keyof typeof kinds | "reduce" | "while" | "function" | "module",
        ];
        if (kind === "reduce") this.reduce(draft);
        else if (kind === "while") this.while(draft);
        else if (kind === "function") this.function(draft);
        else if (kind === "module") this.module(draft);
        else kinds[kind](draft, this.reader, name);
      } else this.literal(step, false);
    }
  }

  private literal(word: string, optional: boolean): boolean {
    const { scanner } = this;
    const { position } = scanner;
    const found = word.split("~").every((part) => scanner.accept(part));
    if (optional || !found) scanner.position = position;
    if (!optional && !found) scanner.fail(`'${word.replace("~", " ")}' expected, found ${scanner.next}`);
    return found;
  }

  /**
   * ": (a, b) -> c", ": a, b -> c", or only the types of the results (of all operands; or of the last ones, as for
   * select).
   */
  private types(draft: Draft): void {
    const { scanner, reader } = this;
    scanner.expect(":");
    const functional = scanner.peek("(");
    const types = functional ? parseTypes(reader) : [parseType(reader)];
    while (!functional && scanner.accept(",")) types.push(parseType(reader));
    if (scanner.accept("->")) draft.results = parseTypes(reader);
    else if (functional || draft.count > types.length) scanner.fail(`'->' expected, found ${scanner.next}`);
    else draft.results = draft.count === 0 ? [] : types.slice(-draft.count);
  }

  // Regions.

  /** `{ ^bb0(%a: t): … }`; `parameters` are those of its first block when they stand elsewhere. */
  region(parameters: readonly Parameter[], isolated: boolean): Region {
    const { scanner } = this;
    const { names } = this;
    this.names = { values: new Map(), outer: isolated ? undefined : names };
    scanner.expect("{");
    const blocks: Block[] = [];
    let current: { parameters: Value[]; operations: Operation[] } | undefined;
    if (parameters.length > 0) {
      for (const [name, value] of parameters) this.define(name, value);
      current = { parameters: parameters.map(([, value]) => value), operations: [] };
      blocks.push(current);
    }
    while (!scanner.accept("}")) {
      if (scanner.match(/\^[\w$.-]+/y)) {
        const list = scanner.accept("(") ? scanner.list(")", () => this.parameter()) : [];
        scanner.expect(":");
        for (const [name, value] of list) this.define(name, value);
        current = { parameters: list.map(([, value]) => value), operations: [] };
        blocks.push(current);
        continue;
      }
      if (!current) {
        current = { parameters: [], operations: [] };
        blocks.push(current);
      }
      current.operations.push(this.operation());
    }
    this.names = names;
    return { blocks };
  }

  /** `%name: type loc(…)`. */
  private parameter(): Parameter {
    const name = this.scanner.need(/%[\w$.-]+/y, "a parameter");
    this.scanner.expect(":");
    const type = parseType(this.reader);
    return [name, { type, location: parseLocation(this.reader) }];
  }

  // Operations with forms of their own.

  /** `(%x init: %y), (…) applies stablehlo.add across dimensions = [0] : …`, or with a `reducer` that is written out. */
  private reduce(draft: Draft): void {
    const { scanner, reader } = this;
    const starts: Value[] = [];
    do {
      scanner.expect("(");
      draft.operands.push(this.lookUp());
      scanner.expect("init");
      scanner.expect(":");
      starts.push(this.lookUp());
      scanner.expect(")");
    } while (scanner.accept(","));
    draft.operands.push(...starts);
    const applied = scanner.accept("applies") ? scanner.word("an operation") : undefined;
    scanner.expect("across");
    scanner.expect("dimensions");
    scanner.expect("=");
    draft.attributes.set("dimensions", parseIntegers(reader));
    for (const [name, value] of parseDictionary(reader)) draft.attributes.set(name, value);
    this.types(draft);
    if (applied !== undefined) {
      const first = draft.results?.[0];
      const element: Type = { kind: "tensor", shape: [], element: first?.kind === "tensor" ? first.element : i64 };
      const value = (): Value => ({ type: element, location: undefined });
      const [a, b, sum] = [value(), value(), value()];
      const plain = { attributes: new Map(), regions: [], location: undefined };
      const dialect = draft.name.split(".")[0]!;
      const operations: Operation[] = [
        { name: applied, operands: [a, b], results: [sum], ...plain },
        { name: `${dialect}.return`, operands: [sum], results: [], ...plain },
      ];
      draft.regions.push({ blocks: [{ parameters: [a, b], operations }] });
      return;
    }
    // Dangling locations may stand before the reducer.
    parseLocation(reader);
    scanner.expect("reducer");
    const [before, after]: [Parameter[], Parameter[]] = [[], []];
    while (scanner.accept("(")) {
      before.push(this.parameter());
      scanner.expect(",");
      after.push(this.parameter());
      scanner.expect(")");
    }
    draft.regions.push(this.region([...before, ...after], false));
  }

  /** `(%a = %x, …) : types cond {…} do {…}`. */
  private while(draft: Draft): void {
    const { scanner, reader } = this;
    const names: string[] = [];
    scanner.expect("(");
    scanner.list(")", () => {
      names.push(scanner.need(/%[\w$.-]+/y, "a loop value"));
      scanner.expect("=");
      draft.operands.push(this.lookUp());
    });
    const types: Type[] = [];
    if (scanner.accept(":")) {
      do types.push(parseType(reader));
      while (scanner.accept(","));
    }
    if (types.length !== names.length) scanner.fail(`${names.length} loop values have ${types.length} types`);
    if (scanner.accept("attributes")) {
      for (const [name, value] of parseDictionary(reader)) draft.attributes.set(name, value);
    }
    draft.results = types;
    parseLocation(reader);
    for (const word of ["cond", "do"]) {
      scanner.expect(word);
      draft.regions.push(
        this.region(
          names.map((name, i): Parameter => [name, { type: types[i]!, location: undefined }]),
          false,
        ),
      );
    }
  }

  /** `public @main(%a: t {…}) -> (t {…}) attributes {…} {…}`. */
  private function(draft: Draft): void {
    const { scanner, reader } = this;
    const { attributes } = draft;
    for (const word of ["public", "private", "nested"]) {
      if (scanner.accept(word)) attributes.set("sym_visibility", { kind: "string", value: word });
    }
    attributes.set("sym_name", { kind: "string", value: parseSymbol(reader) });
    const parameters: Parameter[] = [];
    const inputs: Type[] = [];
    const results: Type[] = [];
    const described: [Attribute[], Attribute[]] = [[], []];
    const describe = (list: Attribute[]) => list.push({ kind: "dictionary", entries: parseDictionary(reader) });
    scanner.expect("(");
    scanner.list(")", () => {
      if (!scanner.peek("%")) {
        inputs.push(parseType(reader));
        describe(described[0]);
        parseLocation(reader);
        return;
      }
      const name = scanner.need(/%[\w$.-]+/y, "a parameter");
      scanner.expect(":");
      const type = parseType(reader);
      describe(described[0]);
      inputs.push(type);
      parameters.push([name, { type, location: parseLocation(reader) }]);
    });
    if (scanner.accept("->")) {
      if (scanner.accept("(")) {
        scanner.list(")", () => {
          results.push(parseType(reader));
          describe(described[1]);
        });
      } else {
        results.push(parseType(reader));
      }
    }
    attributes.set("function_type", { kind: "type", type: { kind: "function", inputs, results } });
    ["arg_attrs", "res_attrs"].forEach((name, i) => {
      const elements = described[i]!;
      if (elements.some((each) => each.kind === "dictionary" && each.entries.size > 0)) {
        attributes.set(name, { kind: "array", elements });
      }
    });
    if (scanner.accept("attributes")) {
      for (const [name, value] of parseDictionary(reader)) attributes.set(name, value);
    }
    draft.regions.push(scanner.peek("{") ? this.region(parameters, true) : { blocks: [] });
    draft.results = [];
  }

  private module(draft: Draft): void {
    const { scanner, reader } = this;
    if (scanner.peek("@")) draft.attributes.set("sym_name", { kind: "string", value: parseSymbol(reader) });
    if (scanner.accept("attributes")) {
      for (const [name, value] of parseDictionary(reader)) draft.attributes.set(name, value);
    }
    draft.regions.push(this.region([], true));
    draft.results = [];
  }
}

const word = (draft: Draft, { scanner }: Reader, name: string): void => {
  draft.attributes.set(name, { kind: "enum", name, value: scanner.word("a value") });
};

/** How the attributes of short forms are written. */
const kinds = {
  attribute: (draft: Draft, reader: Reader, name: string) => void draft.attributes.set(name, parseAttribute(reader)),
  number: (draft: Draft, { scanner }: Reader, name: string) => {
    const value = Number(scanner.need(/-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?/y, "a number"));
    draft.attributes.set(name, { kind: "float", value, type: { kind: "float", name: "f64" } });
  },
  boolean: (draft: Draft, { scanner }: Reader, name: string) => {
    const value = scanner.accept("true") || (scanner.expect("false"), false);
    draft.attributes.set(name, { kind: "boolean", value });
  },
  i32: (draft: Draft, { scanner }: Reader, name: string) =>
    void draft.attributes.set(name, integer(scanner.integer(), i32)),
  i64: (draft: Draft, { scanner }: Reader, name: string) => void draft.attributes.set(name, integer(scanner.integer())),
  integers: (draft: Draft, reader: Reader, name: string) => void draft.attributes.set(name, parseIntegers(reader)),
  string: (draft: Draft, { scanner }: Reader, name: string) => {
    const value = scanner.string() ?? scanner.fail(`a string expected, found ${scanner.next}`);
    draft.attributes.set(name, { kind: "string", value });
  },
  symbol: (draft: Draft, reader: Reader, name: string) =>
    void draft.attributes.set(name, { kind: "symbol", value: parseSymbol(reader) }),
  target: (draft: Draft, reader: Reader, name: string) =>
    void draft.attributes.set(name, { kind: "string", value: parseSymbol(reader) }),
  word,
  comparison_direction: word,
  comparison_type: word,
  fft_type: word,
  rng_algorithm: word,
  rng_distribution: word,
  constant: (draft: Draft, reader: Reader, name: string) => {
    const value = parseAttribute(reader);
    draft.attributes.set(name, value);
    draft.results = [value.kind === "dense" || value.kind === "integer" || value.kind === "float" ? value.type : i1];
  },
  convolution: (draft: Draft, reader: Reader, name: string) =>
    void draft.attributes.set(name, parseConvolution(reader)),
  dot_algorithm: (draft: Draft, reader: Reader, name: string) => {
    reader.scanner.balanced();
    draft.attributes.set(name, { kind: "opaque", text: "algorithm" });
  },
  precisions: (draft: Draft, { scanner }: Reader, name: string) => {
    scanner.expect("[");
    const elements = scanner.list("]", (): Attribute => ({ kind: "enum", name: "precision", value: scanner.word() }));
    draft.attributes.set(name, { kind: "array", elements });
  },
  /** `e5m10`. */
  precision_format: (draft: Draft, { scanner }: Reader) => {
    const [, exponent, mantissa] = scanner.match(/e(\d{1,4})m(\d{1,4})/y) ?? scanner.fail("'e…m…' expected");
    draft.attributes.set("exponent_bits", integer(BigInt(exponent!), i32));
    draft.attributes.set("mantissa_bits", integer(BigInt(mantissa!), i32));
  },
  /** `[0] x [1]`: dimensions of both operands of dot_general. */
  pair: (draft: Draft, reader: Reader, name: string) => {
    const known = draft.attributes.get("dot_dimension_numbers");
    const fields = new Map(known?.kind === "record" ? known.fields : []);
    const which = name === "batching_dims" ? "batching_dimensions" : "contracting_dimensions";
    fields.set(`lhs_${which}`, parseIntegers(reader));
    reader.scanner.expect("x");
    fields.set(`rhs_${which}`, parseIntegers(reader));
    draft.attributes.set("dot_dimension_numbers", { kind: "record", name: "dot", fields });
  },
  /** `[0:4, 1:8:2]`. */
  slice: (draft: Draft, { scanner }: Reader) => {
    const [start, limit, strides]: bigint[][] = [[], [], []];
    scanner.expect("[");
    scanner.list("]", () => {
      start!.push(BigInt(scanner.integer()));
      scanner.expect(":");
      limit!.push(BigInt(scanner.integer()));
      strides!.push(scanner.accept(":") ? BigInt(scanner.integer()) : 1n);
    });
    draft.attributes.set("start_indices", { kind: "list", element: i64, values: start! });
    draft.attributes.set("limit_indices", { kind: "list", element: i64, values: limit! });
    draft.attributes.set("strides", { kind: "list", element: i64, values: strides! });
  },
  /** `{stride = [1, 1], pad = [[0, 0], [0, 0]], lhs_dilate = …, rhs_dilate = …, reverse = …}`. */
  window: (draft: Draft, reader: Reader) => {
    const { scanner } = reader;
    const lists = { stride: "window_strides", lhs_dilate: "lhs_dilation", rhs_dilate: "rhs_dilation" } as const;
    scanner.expect("{");
    scanner.list("}", () => {
      const part = scanner.word("a part of the window");
      scanner.expect("=");
      if (part === "pad") {
        const values: bigint[] = [];
        const rows =
          (scanner.expect("["),
          scanner.list("]", () => {
            scanner.expect("[");
            values.push(...scanner.list("]", () => BigInt(scanner.integer())));
          }));
        draft.attributes.set("padding", { kind: "list", element: i64, values });
        if (values.length !== 2 * rows.length) scanner.fail("padding is not in pairs");
      } else if (part === "reverse") {
        scanner.expect("[");
        const values = scanner.list("]", () => {
          if (scanner.accept("true")) return 1n;
          if (scanner.accept("false")) return 0n;
          return BigInt(scanner.integer());
        });
        draft.attributes.set("window_reversal", { kind: "list", element: i1, values });
      } else if (part in lists) {
        draft.attributes.set(lists[part as keyof typeof lists], parseIntegers(reader));
      } else scanner.fail(`part '${part}' of a window`);
    });
  },
  /** What nothing here looks into: `<@mesh, [{}]>`. */
  skipped: (draft: Draft, { scanner }: Reader, name: string) =>
    void draft.attributes.set(name, { kind: "opaque", text: scanner.balanced() }),
} satisfies Record<string, (draft: Draft, reader: Reader, name: string) => void>;
