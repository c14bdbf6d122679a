// MLIR bytecode (MLIR Bytecode Format, versions 0 to 6): sections, then the operations.

import { FormatError } from "../../../../base/errors.ts";
import { latin1, utf8 } from "../../../../base/text.ts";
import { parseAttribute } from "./attributes.ts";
import { builtinAttribute, builtinType, type Located, locationOf } from "./builtin.ts";
import { Decoder, type DialectDecoder } from "./encoding.ts";
import {
  type Attribute,
  type Block,
  type Location,
  maximumDepth,
  type Operation,
  type Region,
  type Type,
  type Value,
} from "./module.ts";
import { Reader } from "./reader.ts";
import { chloAttribute, knownProperties, quantType, stablehloAttribute, stablehloType } from "./stablehlo.ts";
import { parseType } from "./types.ts";
import { vhloAttribute, vhloProperties, vhloType } from "./vhlo.ts";

const newest = 6;
const section = {
  strings: 0,
  dialects: 1,
  table: 2,
  offsets: 3,
  ir: 4,
  resources: 5,
  resourceOffsets: 6,
  properties: 8,
};
/** What an operation has (OpEncodingMask). */
const has = { attributes: 1, results: 2, operands: 4, successors: 8, regions: 16, useLists: 32, properties: 64 };

export function isBytecode(bytes: Uint8Array): boolean {
  return bytes[0] === 0x4d && bytes[1] === 0x4c && bytes[2] === 0xef && bytes[3] === 0x52;
}

export interface BytecodeFile {
  readonly module: Operation;
  /** "StableHLO_v1.0.0", "MLIR21.0.0git". */
  readonly producer: string;
  readonly version: number;
}

/** Reads MLIR bytecode. Throws FormatError. */
export function readBytecode(bytes: Uint8Array): BytecodeFile {
  return new Bytecode(bytes).file();
}

interface Entry {
  readonly dialect: string;
  readonly bytes: Uint8Array;
  /** Where they begin in the file: alignments count from its start. */
  readonly base: number;
  readonly custom: boolean;
}

interface MutableValue {
  type: Type;
  location: Location | undefined;
}

const unknown: Type = { kind: "opaque", text: "?" };

class Bytecode {
  private readonly bytes: Uint8Array;
  private readonly version: number;
  private readonly producer: string;
  private readonly sections = new Map<number, { bytes: Uint8Array; base: number }>();
  private readonly strings: string[] = [];
  private readonly stringBytes: Uint8Array[] = [];
  private readonly dialects: string[] = [];
  private readonly operations: { name: string; registered: boolean }[] = [];
  private readonly attributeEntries: Entry[] = [];
  private readonly typeEntries: Entry[] = [];
  private readonly attributes: (Located | "open" | undefined)[] = [];
  private readonly types: (Type | "open" | undefined)[] = [];
  private readonly propertyOffsets: number[] = [];
  private readonly resources: Uint8Array[] = [];
  private depth = 0;
  /** Values of the region that is isolated from those around it, by number. */
  private scope: { values: MutableValue[]; next: number[] } = { values: [], next: [] };

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const data = new Decoder(bytes);
    if (!isBytecode(bytes)) data.fail("does not begin as bytecode does");
    data.skip(4);
    this.version = data.varint();
    if (this.version > newest) data.fail(`version ${this.version}, the newest known is ${newest}`);
    this.producer = data.cString();
    while (!data.atEnd) {
      const id = data.u8();
      const length = data.varint();
      if (id & 0x80) data.align(data.varint(), 0);
      const base = data.position;
      this.sections.set(id & 0x7f, { bytes: data.take(length), base });
    }
    this.readStrings();
    this.readDialects();
    this.readOffsets();
    this.readResources();
    const properties = this.sections.get(section.properties);
    if (properties) {
      const list = new Decoder(properties.bytes);
      for (let count = list.count(); count > 0; count--) {
        this.propertyOffsets.push(list.position);
        list.skip(list.varint());
      }
    }
  }

  file(): BytecodeFile {
    const { bytes } = this.section(section.ir, "IR");
    const data = new Decoder(bytes);
    const { operations } = this.blocks(data, 1)[0]!;
    const { producer, version } = this;
    const [first] = operations;
    if (operations.length === 1 && first?.name === "builtin.module") return { module: first, producer, version };
    return data.fail(`${operations.length} operations outside of modules`);
  }

  private section(id: number, name: string): { bytes: Uint8Array; base: number } {
    const found = this.sections.get(id);
    if (!found) throw new FormatError(`MLIR bytecode: no section of ${name}`);
    return found;
  }

  private at<T>(list: readonly T[], index: number, kind: string): T {
    const found = list[index];
    if (found === undefined) throw new FormatError(`MLIR bytecode: ${kind} ${index}, there are ${list.length}`);
    return found;
  }

  // Tables.

  private readStrings(): void {
    const data = new Decoder(this.section(section.strings, "strings").bytes);
    const lengths = Array.from({ length: data.count() }, () => data.varint()).reverse();
    for (const length of lengths) {
      if (length < 1) data.fail("a string without its end");
      const bytes = data.take(length).subarray(0, -1);
      this.stringBytes.push(bytes);
      this.strings.push(utf8(bytes));
    }
  }

  private readDialects(): void {
    const data = new Decoder(this.section(section.dialects, "dialects").bytes);
    for (let count = data.count(); count > 0; count--) {
      const [name, versioned] = this.version >= 1 ? data.flagged() : [data.varint(), false];
      if (versioned) {
        data.skip(1);
        data.skip(data.varint());
      }
      this.dialects.push(this.at(this.strings, name, "string"));
    }
    if (this.version >= 4) data.varint();
    while (!data.atEnd) {
      const dialect = this.at(this.dialects, data.varint(), "dialect");
      for (let count = data.count(); count > 0; count--) {
        const [name, registered] = this.version >= 5 ? data.flagged() : [data.varint(), true];
        this.operations.push({ name: `${dialect}.${this.at(this.strings, name, "string")}`, registered });
      }
    }
  }

  private readOffsets(): void {
    const data = new Decoder(this.section(section.offsets, "offsets").bytes);
    const table = this.section(section.table, "attributes");
    const content = new Decoder(table.bytes);
    const counts = [data.varint(), data.varint()];
    [this.attributeEntries, this.typeEntries].forEach((list, i) => {
      while (list.length < counts[i]!) {
        const dialect = this.at(this.dialects, data.varint(), "dialect");
        for (let count = data.count(); count > 0; count--) {
          const [size, custom] = data.flagged();
          const base = table.base + content.position;
          list.push({ dialect, bytes: content.take(size), base, custom });
        }
      }
    });
  }

  private readResources(): void {
    const offsets = this.sections.get(section.resourceOffsets);
    const blobs = this.sections.get(section.resources);
    if (!offsets || !blobs) return;
    const data = new Decoder(offsets.bytes);
    const content = new Decoder(blobs.bytes);
    const external = data.atEnd ? 0 : data.varint();
    for (let group = 0; !data.atEnd; group++) {
      data.varint();
      for (let count = data.count(); count > 0; count--) {
        data.varint();
        const size = data.varint();
        const kind = data.u8();
        const end = content.position + size;
        if (group >= external) {
          // A blob has its alignment, its size, padding and bytes; other kinds are no tensors.
          if (kind === 0) {
            const alignment = content.varint();
            const length = content.varint();
            content.align(alignment, blobs.base);
            this.resources.push(content.take(length));
          } else this.resources.push(new Uint8Array());
        }
        content.seek(end);
      }
    }
  }

  private lookUp<T extends Located | Type>(
    known: (T | "open" | undefined)[],
    entries: readonly Entry[],
    index: number,
    kind: string,
    read: (entry: Entry) => T,
  ): T {
    const done = known[index];
    if (done === "open") throw new FormatError(`MLIR bytecode: ${kind} ${index} contains itself`);
    if (done !== undefined) return done;
    const entry = this.at(entries, index, kind);
    if (++this.depth > maximumDepth) throw new FormatError(`MLIR bytecode: ${kind} nested deeper than ${maximumDepth}`);
    known[index] = "open";
    const value = read(entry);
    known[index] = value;
    this.depth--;
    return value;
  }

  private attribute(index: number): Located {
    return this.lookUp(this.attributes, this.attributeEntries, index, "attribute", (entry): Located => {
      if (!entry.custom) return parseAttribute(new Reader(text(entry)));
      const decoder = this.decoder(entry);
      if (entry.dialect === "builtin") return builtinAttribute(decoder);
      if (entry.dialect === "vhlo") return vhloAttribute(decoder);
      if (entry.dialect === "stablehlo") return stablehloAttribute(decoder);
      if (entry.dialect === "chlo") return chloAttribute(decoder);
      return { kind: "opaque", text: `#${entry.dialect}.?` };
    });
  }

  private type(index: number): Type {
    return this.lookUp(this.types, this.typeEntries, index, "type", (entry): Type => {
      if (!entry.custom) return parseType(new Reader(text(entry)));
      const decoder = this.decoder(entry);
      if (entry.dialect === "builtin") return builtinType(decoder);
      if (entry.dialect === "vhlo") return vhloType(decoder);
      if (entry.dialect === "stablehlo") return stablehloType(decoder);
      if (entry.dialect === "quant") return quantType(decoder);
      return { kind: "opaque", text: `!${entry.dialect}.?` };
    });
  }

  private decoder(entry: Entry): DialectDecoder {
    const data = new Decoder(entry.bytes);
    const attribute = () => this.attribute(data.varint());
    const type = () => this.type(data.varint());
    return {
      data,
      attribute,
      type,
      attributes: () => Array.from({ length: data.count() }, attribute),
      types: () => Array.from({ length: data.count() }, type),
      string: () => {
        const bytes = this.at(this.stringBytes, data.varint(), "string");
        const read = utf8(bytes);
        return read.includes("\ufffd") ? latin1(bytes) : read;
      },
      blob: () => data.take(data.varint()),
      resource: () => this.at(this.resources, data.varint(), "resource"),
    };
  }

  // Operations.

  private location(index: number): Location | undefined {
    const found = locationOf(this.attribute(index));
    return found.name === undefined && found.file === undefined ? undefined : found;
  }

  /** The order of uses does not matter here. */
  private skipUseLists(data: Decoder, values: number): void {
    for (let count = values > 1 ? data.varint() : 1; count > 0; count--) {
      if (values > 1) data.varint();
      const [indices] = data.flagged();
      if (indices > data.remaining) data.fail(`${indices} uses`);
      for (let i = 0; i < indices; i++) data.varint();
    }
  }

  private define(type: Type, location: Location | undefined): Value {
    const { values, next } = this.scope;
    const index = next[next.length - 1]!++;
    const value = (values[index] ??= { type, location });
    value.type = type;
    value.location = location;
    return value;
  }

  private use(index: number): Value {
    const { values } = this.scope;
    if (index >= values.length) throw new FormatError(`MLIR bytecode: value ${index}, there are ${values.length}`);
    return (values[index] ??= { type: unknown, location: undefined });
  }

  private regions(data: Decoder): Region[] {
    const [count, isolated] = data.flagged();
    if (count > data.remaining) data.fail(`${count} regions`);
    if (!isolated) return Array.from({ length: count }, () => this.region(data));
    const outer = this.scope;
    this.scope = { values: [], next: [] };
    let inner = data;
    if (this.version >= 2) {
      const id = data.u8();
      const length = data.varint();
      if ((id & 0x7f) !== section.ir || id & 0x80) data.fail("a section of regions expected");
      inner = new Decoder(data.take(length));
    }
    const regions = Array.from({ length: count }, () => this.region(inner));
    this.scope = outer;
    return regions;
  }

  private region(data: Decoder): Region {
    const count = data.varint();
    if (count === 0) return { blocks: [] };
    if (count > data.remaining) data.fail(`${count} blocks`);
    const size = data.varint();
    if (size > data.remaining) data.fail(`${size} values in ${data.remaining} bytes`);
    const { values, next } = this.scope;
    const start = values.length;
    next.push(start);
    values.length = start + size;
    const blocks = this.blocks(data, count);
    if (next.pop() !== start + size) data.fail("a region defines another number of values than it says");
    values.length = start;
    return { blocks };
  }

  private blocks(data: Decoder, count: number): Block[] {
    if (++this.depth > maximumDepth) data.fail(`regions nested deeper than ${maximumDepth}`);
    const blocks = Array.from({ length: count }, () => this.block(data));
    this.depth--;
    return blocks;
  }

  private block(data: Decoder): Block {
    const [count, parametered] = data.flagged();
    const parameters: Value[] = [];
    if (parametered) {
      const number = data.count();
      for (let i = 0; i < number; i++) {
        const [type, located] = this.version >= 4 ? data.flagged() : [data.varint(), true];
        parameters.push(this.define(this.type(type), located ? this.location(data.varint()) : undefined));
      }
      if (this.version >= 3 && data.u8() !== 0) this.skipUseLists(data, number);
    }
    if (count > data.remaining) data.fail(`${count} operations in ${data.remaining} bytes`);
    const operations = Array.from({ length: count }, () => this.operation(data));
    return { parameters, operations };
  }

  private operation(data: Decoder): Operation {
    const named = this.at(this.operations, data.varint(), "operation");
    const { name } = named;
    const mask = data.u8();
    const location = this.location(data.varint());
    const attributes = new Map<string, Attribute>();
    if (mask & has.attributes) {
      const dictionary = this.attribute(data.varint());
      if (dictionary.kind !== "dictionary") data.fail("attributes of an operation are no dictionary");
      else for (const [key, value] of dictionary.entries) attributes.set(key, value);
    }
    if (mask & has.properties) this.properties(named, data.varint(), attributes);
    const types = mask & has.results ? Array.from({ length: data.count() }, () => this.type(data.varint())) : [];
    const operands = mask & has.operands ? Array.from({ length: data.count() }, () => this.use(data.varint())) : [];
    if (mask & has.successors) data.fail(`${name}: branches between blocks are not read`);
    if (mask & has.useLists && this.version >= 3) this.skipUseLists(data, types.length);
    const results = types.map((type) => this.define(type, location));
    const regions = mask & has.regions ? this.regions(data) : [];
    return { name, operands, results, attributes, regions, location };
  }

  private properties(
    { name, registered }: { name: string; registered: boolean },
    index: number,
    attributes: Map<string, Attribute>,
  ): void {
    const start = this.at(this.propertyOffsets, index, "properties");
    const outer = new Decoder(this.section(section.properties, "properties").bytes, start);
    const data = new Decoder(outer.take(outer.varint()));
    const [dialect, ...rest] = name.split(".");
    if (dialect === "vhlo") {
      for (const key of vhloProperties(rest.join("."))) attributes.set(key, this.attribute(data.varint()));
      if (!data.atEnd) data.fail(`${name} has more properties than are known`);
      return;
    }
    const known = knownProperties(name);
    if (known && registered) {
      for (const { key, required } of known) {
        if (data.atEnd) break;
        const [value, present] = required ? [data.varint(), true] : data.flagged();
        if (present) attributes.set(key, this.attribute(value));
      }
      if (!data.atEnd) data.fail(`${name} has more properties than are known`);
      return;
    }
    // Operations that the writer did not know have one dictionary.
    const dictionary = this.attribute(data.varint());
    if (dictionary.kind !== "dictionary" || !data.atEnd) data.fail(`properties of ${name} are not read`);
    else for (const [key, value] of dictionary.entries) attributes.set(key, value);
  }
}

/** The text of an attribute or type that is not encoded. */
function text({ bytes }: Entry): string {
  const end = bytes.indexOf(0);
  return utf8(end < 0 ? bytes : bytes.subarray(0, end));
}
