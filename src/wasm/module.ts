// Builds WebAssembly modules (WebAssembly Core Specification 2.0, section 5.5): imports first, then functions.

import { ByteWriter, Code } from "./code.ts";
import { op } from "./opcodes.ts";

interface Import {
  readonly module: string;
  readonly name: string;
  /** Writes the import's descriptor. */
  readonly describe: (to: ByteWriter) => void;
}

interface Limits {
  readonly initial: number;
  readonly maximum?: number;
  /** Shared between threads (the threads proposal); needs a maximum. */
  readonly shared?: boolean;
}

const kind = { function: 0, table: 1, memory: 2, global: 3 } as const;

function limits(to: ByteWriter, { initial, maximum, shared }: Limits): void {
  to.byte(maximum === undefined ? 0 : shared ? 3 : 1);
  to.u32(initial);
  if (maximum !== undefined) to.u32(maximum);
}

/** A module under construction. Function, table, memory and global indices count imports first, as the format does. */
export class ModuleBuilder {
  private readonly types: { parameters: readonly number[]; results: readonly number[] }[] = [];
  private readonly typeKeys = new Map<string, number>();
  private readonly imports: Import[] = [];
  private importedFunctions = 0;
  private importedGlobals = 0;
  private tables = 0;
  private readonly ownTables: { element: number; limits: Limits }[] = [];
  private readonly functions: { type: number; code: Code; name: string | undefined }[] = [];
  private readonly globals: { valueType: number; mutable: boolean; value: number }[] = [];
  private readonly exports: { name: string; kind: number; index: number }[] = [];
  private readonly elements: { table: number; offset: number; functions: readonly number[] }[] = [];
  private readonly data: { offset: number; bytes: Uint8Array }[] = [];

  /** Index of a function type; equal types share one. */
  type(parameters: readonly number[], results: readonly number[] = []): number {
    const key = `${parameters.join()}>${results.join()}`;
    let index = this.typeKeys.get(key);
    if (index === undefined) {
      index = this.types.push({ parameters, results }) - 1;
      this.typeKeys.set(key, index);
    }
    return index;
  }

  importFunction(module: string, name: string, typeIndex: number): number {
    if (this.functions.length > 0) throw new Error("wasm: functions are imported before any is defined");
    this.imports.push({
      module,
      name,
      describe: (to) => {
        to.byte(kind.function);
        to.u32(typeIndex);
      },
    });
    return this.importedFunctions++;
  }
  importMemory(module: string, name: string, size: Limits = { initial: 0 }): void {
    this.imports.push({
      module,
      name,
      describe: (to) => {
        to.byte(kind.memory);
        limits(to, size);
      },
    });
  }
  importTable(module: string, name: string, element: number, size: Limits = { initial: 0 }): number {
    if (this.ownTables.length > 0) throw new Error("wasm: tables are imported before any is defined");
    this.imports.push({
      module,
      name,
      describe: (to) => {
        to.byte(kind.table);
        to.byte(element);
        limits(to, size);
      },
    });
    return this.tables++;
  }
  importGlobal(module: string, name: string, valueType: number, options: { mutable: boolean }): number {
    if (this.globals.length > 0) throw new Error("wasm: globals are imported before any is defined");
    this.imports.push({
      module,
      name,
      describe: (to) => {
        to.byte(kind.global);
        to.byte(valueType);
        to.byte(options.mutable ? 1 : 0);
      },
    });
    return this.importedGlobals++;
  }

  /** Defines a function; its body is written into `code`. The name is kept for profilers. */
  function(typeIndex: number, name?: string, capacity?: number): { index: number; code: Code } {
    const code = new Code(this.types[typeIndex]!.parameters.length, capacity);
    return {
      index: this.importedFunctions + this.functions.push({ type: typeIndex, code, name }) - 1,
      code,
    };
  }
  table(element: number, size: Limits): number {
    this.ownTables.push({ element, limits: size });
    return this.tables++;
  }
  /** An i32 or i64 global with a constant start value. */
  global(valueType: number, value: number, options: { mutable: boolean }): number {
    return this.importedGlobals + this.globals.push({ valueType, value, ...options }) - 1;
  }

  exportFunction(name: string, index: number): void {
    this.exports.push({ name, kind: kind.function, index });
  }
  exportTable(name: string, index: number): void {
    this.exports.push({ name, kind: kind.table, index });
  }
  exportGlobal(name: string, index: number): void {
    this.exports.push({ name, kind: kind.global, index });
  }

  /** Puts functions into a table from `offset` on when the module is instantiated. */
  fill(table: number, offset: number, functions: readonly number[]): void {
    this.elements.push({ table, offset, functions });
  }
  /** Puts bytes into memory when the module is instantiated. */
  place(offset: number, bytes: Uint8Array): void {
    this.data.push({ offset, bytes });
  }

  /** The module's bytes. Every function body is closed here; `names` adds the name section. */
  finish(options: { names: boolean } = { names: false }): Uint8Array<ArrayBuffer> {
    let size = 1024;
    for (const { code } of this.functions) size += code.length + 64;
    const to = new ByteWriter(size);
    to.raw([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    section(to, 1, this.types, (item, { parameters, results }) => {
      item.byte(0x60);
      for (const list of [parameters, results]) {
        item.u32(list.length);
        item.raw(list);
      }
    });
    section(to, 2, this.imports, (item, { module, name, describe }) => {
      item.name(module);
      item.name(name);
      describe(item);
    });
    section(to, 3, this.functions, (item, { type }) => item.u32(type));
    section(to, 4, this.ownTables, (item, table) => {
      item.byte(table.element);
      limits(item, table.limits);
    });
    section(to, 6, this.globals, (item, { valueType, mutable, value }) => {
      item.byte(valueType);
      item.byte(mutable ? 1 : 0);
      item.byte(valueType === 0x7e ? op["i64.const"] : op["i32.const"]);
      item.s32(value);
      item.byte(op.end);
    });
    section(to, 7, this.exports, (item, entry) => {
      item.name(entry.name);
      item.byte(entry.kind);
      item.u32(entry.index);
    });
    section(to, 9, this.elements, (item, { table, offset, functions }) => {
      // Form 0 is for table 0; form 2 names the table and the kind of element.
      item.byte(table === 0 ? 0 : 2);
      if (table !== 0) item.u32(table);
      item.byte(op["i32.const"]);
      item.s32(offset);
      item.byte(op.end);
      if (table !== 0) item.byte(0);
      item.u32(functions.length);
      for (const index of functions) item.u32(index);
    });
    section(to, 10, this.functions, (item, { code }) => {
      const locals = localRuns(code.localTypes);
      item.u32(locals.length + code.length + 1);
      item.raw(locals);
      item.raw(code.view());
      item.byte(op.end);
    });
    section(to, 11, this.data, (item, { offset, bytes }) => {
      item.byte(0);
      item.byte(op["i32.const"]);
      item.s32(offset);
      item.byte(op.end);
      item.u32(bytes.length);
      item.raw(bytes);
    });
    if (options.names) this.nameSection(to);
    return to.view();
  }

  private nameSection(to: ByteWriter): void {
    const named = this.functions.flatMap(({ name }, i) => (name === undefined ? [] : [{ name, i }]));
    const map = new ByteWriter();
    map.u32(named.length);
    for (const { name, i } of named) {
      map.u32(this.importedFunctions + i);
      map.name(name);
    }
    const content = new ByteWriter(map.length + 16);
    content.name("name");
    content.byte(1);
    content.u32(map.length);
    content.raw(map.view());
    to.byte(0);
    to.u32(content.length);
    to.raw(content.view());
  }
}

function section<T>(to: ByteWriter, id: number, items: readonly T[], write: (to: ByteWriter, item: T) => void): void {
  if (items.length === 0) return;
  to.byte(id);
  // The size comes first but is known last: keep five bytes for it, which a padded LEB128 number may take.
  to.reserve(5);
  const at = to.length;
  to.length += 5;
  to.u32(items.length);
  for (const item of items) write(to, item);
  const size = to.length - at - 5;
  for (let i = 0; i < 5; i++) to.bytes[at + i] = ((size >>> (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
}

/** A function's local declarations: runs of equal types. */
function localRuns(types: readonly number[]): Uint8Array {
  const runs: { valueType: number; count: number }[] = [];
  for (const valueType of types) {
    const last = runs.at(-1);
    if (last?.valueType === valueType) last.count++;
    else runs.push({ valueType, count: 1 });
  }
  const to = new ByteWriter(16);
  to.u32(runs.length);
  for (const { valueType, count } of runs) {
    to.u32(count);
    to.byte(valueType);
  }
  return to.view();
}
