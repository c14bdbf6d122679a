// What reading MLIR text needs everywhere: the position, the aliases and the resources, both found before reading starts
// because they may stand at the end of the file.

import { innerLocation, parseAttribute } from "./attributes.ts";
import { hexadecimal } from "./dense.ts";
import type { Attribute, Location, Type } from "./module.ts";
import { Scanner } from "./scanner.ts";
import { parseType } from "./types.ts";

/** The bytes of a resource blob begin with their alignment (MLIR language reference, "File metadata dictionary"). */
const alignmentBytes = 4;

export class Reader {
  readonly scanner: Scanner;
  /** Where the definition of each alias begins: "#loc3", "!t". */
  private readonly aliases = new Map<string, number>();
  private readonly read = new Map<string, Attribute | Type | Location>();
  private resources: Map<string, Uint8Array> | undefined;

  constructor(text: string) {
    this.scanner = new Scanner(text);
    for (const found of text.matchAll(/^[ \t]*([#!][\w$.-]+)[ \t]*=/gm)) {
      this.aliases.set(found[1]!, found.index + found[0].length);
    }
  }

  hasAlias(name: string): boolean {
    return this.aliases.has(name);
  }

  /** Parses an alias where it is defined, once. */
  private alias<T extends Attribute | Type | Location>(name: string, parse: () => T): T {
    const known = this.read.get(name);
    if (known) return known as T;
    const at = this.aliases.get(name);
    if (at === undefined) return this.scanner.fail(`alias '${name}' is not defined`);
    const { position } = this.scanner;
    this.scanner.position = at;
    const value = this.scanner.nested(parse);
    this.scanner.position = position;
    this.read.set(name, value);
    return value;
  }

  typeAlias(name: string): Type {
    return this.alias(`!${name}`, () => parseType(this));
  }
  attributeAlias(name: string): Attribute {
    return this.alias(`#${name}`, () => parseAttribute(this));
  }
  locationAlias(name: string): Location {
    return this.alias(`#${name}`, () => innerLocation(this));
  }

  /** A blob of `{-# dialect_resources: … #-}` at the end of the file. */
  resource(key: string): Uint8Array | undefined {
    if (!this.resources) {
      this.resources = new Map();
      const { text } = this.scanner;
      const start = text.lastIndexOf("{-#");
      for (const found of start < 0 ? [] : text.slice(start).matchAll(/([\w$.-]+|"[^"]*")\s*:\s*"0x([0-9A-Fa-f]*)"/g)) {
        const name = found[1]!.replace(/^"(.*)"$/, "$1");
        this.resources.set(name, hexadecimal(found[2]!).slice(alignmentBytes));
      }
    }
    return this.resources.get(key);
  }
}
