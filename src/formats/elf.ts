// ELF: headers, segments, sections, dynamic entries, notes and symbols of an executable or a shared library.
// Source: System V gABI chapters 4 and 5, elf(5). Everything past the header and the program headers is read when asked for.

import { Cursor, range } from "../base/cursor.ts";
import { FormatError } from "../base/errors.ts";
import { cString, hex, hexBytes, utf8 } from "../base/text.ts";

/** e_type. */
export const ElfType = { relocatable: 1, executable: 2, shared: 3, core: 4 } as const;

/** e_machine of the processors that Cerebro runs. */
export const Machine = { i386: 3, x86_64: 62 } as const;

/** p_type. */
export const SegmentType = {
  load: 1,
  dynamic: 2,
  interp: 3,
  note: 4,
  phdr: 6,
  tls: 7,
  gnuStack: 0x6474e551,
  gnuRelro: 0x6474e552,
  gnuProperty: 0x6474e553,
} as const;

/** p_flags. */
export const SegmentFlag = { execute: 1, write: 2, read: 4 } as const;

/** d_tag of the entries read here. */
const Tag = { null: 0, needed: 1, strtab: 5, strsz: 10, soname: 14, rpath: 15, runpath: 29 } as const;

const sectionNoBits = 8;
const manyProgramHeaders = 0xffff;
const manySections = 0;

/** Names of e_machine values that people meet; others print as a number. */
const machineNames: Readonly<Record<number, string>> = {
  0: "no machine",
  2: "SPARC",
  3: "i386",
  4: "Motorola 68000",
  8: "MIPS",
  20: "PowerPC",
  21: "PowerPC64",
  22: "IBM S/390",
  40: "ARM",
  42: "SuperH",
  43: "SPARC V9",
  50: "Itanium",
  62: "x86-64",
  183: "AArch64",
  243: "RISC-V",
  247: "BPF",
  258: "LoongArch",
};

/** "AArch64", or "machine 1234". */
export function machineName(machine: number): string {
  return machineNames[machine] ?? `machine ${machine}`;
}

/** A program header (Elf64_Phdr). */
export interface Segment {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
  align: number;
}

/** A section header (Elf64_Shdr) with its name. */
export interface Section {
  name: string;
  type: number;
  flags: number;
  address: number;
  offset: number;
  size: number;
  link: number;
  info: number;
  align: number;
  entrySize: number;
}

/** What PT_DYNAMIC says to the dynamic linker. */
export interface Dynamic {
  needed: string[];
  soname: string | undefined;
  rpath: string | undefined;
  runpath: string | undefined;
  /** Every entry in order: tag and value. */
  entries: [tag: number, value: bigint][];
}

export interface Note {
  name: string;
  type: number;
  description: Uint8Array;
}

export interface ElfSymbol {
  name: string;
  value: bigint;
  size: number;
  /** STT_*: 0 none, 1 object, 2 function, 3 section, 4 file, 6 TLS, 10 indirect function. */
  type: number;
  /** STB_*: 0 local, 1 global, 2 weak. */
  binding: number;
  /** Index of its section; 0 when undefined here. */
  section: number;
}

/** Whether bytes begin like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads the header and the program headers. `fileSize` is given when `bytes` is only the file's beginning; what is read later
 * (sections, dynamic entries, …) has to be within `bytes`.
 */
export function parseElf(bytes: Uint8Array, options: { fileSize?: number } = {}): Elf {
  return new Elf(bytes, options.fileSize ?? bytes.length);
}

/** An ELF file. Addresses and sizes are numbers: a file whose own exceed 2^53 is refused. */
export class Elf {
  readonly bytes: Uint8Array;
  readonly fileSize: number;
  readonly bits: 32 | 64;
  readonly bigEndian: boolean;
  readonly osAbi: number;
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  readonly flags: number;
  readonly programHeaderOffset: number;
  readonly programHeaderSize: number;
  readonly segments: readonly Segment[];
  readonly #sectionOffset: number;
  readonly #sectionCount: number;
  readonly #sectionEntrySize: number;
  readonly #sectionNames: number;
  #sections: readonly Section[] | undefined;
  #dynamic: { value: Dynamic | undefined } | undefined;

  constructor(bytes: Uint8Array, fileSize: number) {
    if (!isElf(bytes)) throw new FormatError(`ELF: begins with ${hexBytes(bytes.subarray(0, 4))}, not 7f454c46`);
    const ident = new Cursor(bytes, "ELF").skip(4);
    const [fileClass, encoding, version, osAbi] = [ident.u8(), ident.u8(), ident.u8(), ident.u8()];
    if (fileClass !== 1 && fileClass !== 2) throw new FormatError(`ELF: class is ${fileClass}, known are 1 and 2`);
    if (encoding !== 1 && encoding !== 2) throw new FormatError(`ELF: data encoding is ${encoding}, known are 1 and 2`);
    if (version !== 1) throw new FormatError(`ELF: version is ${version}, known is 1`);
    this.bytes = bytes;
    this.fileSize = fileSize;
    this.bits = fileClass === 2 ? 64 : 32;
    this.bigEndian = encoding === 2;
    this.osAbi = osAbi;

    const header = this.#cursor(16);
    this.type = header.u16();
    this.machine = header.u16();
    header.skip(4);
    this.entry = this.#word(header);
    this.programHeaderOffset = this.#word(header);
    this.#sectionOffset = this.#word(header);
    this.flags = header.u32();
    header.skip(2);
    this.programHeaderSize = header.u16();
    const programHeaders = header.u16();
    this.#sectionEntrySize = header.u16();
    const sections = header.u16();
    this.#sectionNames = header.u16();
    this.#sectionCount = this.#sectionOffset === 0 ? 0 : sections;
    this.segments = this.#readSegments(programHeaders);
  }

  /** "x86-64", "AArch64", … */
  get machineName(): string {
    return machineName(this.machine);
  }

  /** The program interpreter's path (PT_INTERP), if it has one. */
  get interpreter(): string | undefined {
    const segment = this.segments.find(({ type }) => type === SegmentType.interp);
    if (!segment) return undefined;
    // The kernel allows 2 to PATH_MAX bytes and wants a NUL at the end (load_elf_binary).
    if (segment.fileSize < 2 || segment.fileSize > 4096) {
      throw new FormatError(`ELF: interpreter's path has ${segment.fileSize} bytes, allowed are 2 to 4096`);
    }
    const path = range(this.bytes, segment.offset, segment.fileSize, "ELF", "interpreter's path");
    if (path[path.length - 1] !== 0) throw new FormatError("ELF: interpreter's path has no NUL at its end");
    return cString(path);
  }

  get sections(): readonly Section[] {
    this.#sections ??= this.#readSections();
    return this.#sections;
  }

  /** What the dynamic linker reads; undefined for a static file. */
  get dynamic(): Dynamic | undefined {
    this.#dynamic ??= { value: this.#readDynamic() };
    return this.#dynamic.value;
  }

  section(name: string): Section | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** A section's bytes; empty for one that takes no room in the file. */
  contents(section: Section): Uint8Array {
    if (section.type === sectionNoBits) return new Uint8Array(0);
    return range(this.bytes, section.offset, section.size, "ELF", `section ${section.name}`);
  }

  /** The file offset of an address, through PT_LOAD; undefined when no segment has bytes there. */
  offsetOf(address: number): number | undefined {
    for (const segment of this.segments) {
      if (segment.type !== SegmentType.load) continue;
      const delta = address - segment.address;
      if (delta >= 0 && delta < segment.fileSize) return segment.offset + delta;
    }
    return undefined;
  }

  /** The notes in all PT_NOTE segments. */
  notes(): Note[] {
    const notes: Note[] = [];
    for (const segment of this.segments) {
      if (segment.type !== SegmentType.note) continue;
      const align = segment.align === 8 ? 8 : 4;
      const cursor = new Cursor(
        range(this.bytes, segment.offset, segment.fileSize, "ELF", "note segment"),
        "ELF note",
        this.#order,
      );
      while (cursor.remaining >= 12) {
        const [nameSize, size, type] = [cursor.u32(), cursor.u32(), cursor.u32()];
        const name = cString(cursor.take(nameSize));
        pad(cursor, align);
        notes.push({ name, type, description: cursor.take(size) });
        pad(cursor, align);
      }
    }
    return notes;
  }

  /** The GNU build id in hexadecimal, if it has one. */
  get buildId(): string | undefined {
    const note = this.notes().find(({ name, type }) => name === "GNU" && type === 3);
    return note && hexBytes(note.description);
  }

  /** The symbols of `.symtab`, or of `.dynsym`; none when the section is not there. */
  *symbols(table: ".symtab" | ".dynsym" = ".symtab"): Generator<ElfSymbol> {
    const section = this.section(table);
    if (!section) return;
    const strings = this.sections[section.link];
    if (!strings)
      throw new FormatError(`ELF: ${table} names section ${section.link}, there are ${this.sections.length}`);
    const names = this.contents(strings);
    const cursor = new Cursor(this.contents(section), `ELF ${table}`, this.#order);
    const entry = this.bits === 64 ? 24 : 16;
    while (cursor.remaining >= entry) {
      const name = stringAt(names, cursor.u32(), table);
      if (this.bits === 64) {
        const [info, , index] = [cursor.u8(), cursor.u8(), cursor.u16()];
        yield { name, value: cursor.u64(), size: cursor.size64(), type: info & 15, binding: info >> 4, section: index };
      } else {
        const [value, size, info] = [cursor.u32(), cursor.u32(), cursor.u8()];
        const index = cursor.skip(1).u16();
        yield { name, value: BigInt(value), size, type: info & 15, binding: info >> 4, section: index };
      }
    }
  }

  get #order(): { bigEndian: boolean } {
    return { bigEndian: this.bigEndian };
  }

  #cursor(position: number): Cursor {
    return new Cursor(this.bytes, "ELF", { bigEndian: this.bigEndian }).seek(position);
  }

  #word(cursor: Cursor): number {
    return this.bits === 64 ? cursor.size64() : cursor.u32();
  }

  /** Refuses a table that the file cannot hold before anything is allocated for it. */
  #table(offset: number, count: number, entrySize: number, least: number, name: string): void {
    if (count === 0) return;
    if (entrySize < least) throw new FormatError(`ELF: ${name} entries have ${entrySize} bytes, needed are ${least}`);
    const end = offset + count * entrySize;
    if (end > this.bytes.length) {
      throw new FormatError(`ELF: ${count} ${name}s end at ${hex(end)}, file has ${hex(this.bytes.length)}`);
    }
  }

  #readSegments(headerCount: number): Segment[] {
    let count = headerCount;
    if (count === manyProgramHeaders && this.#sectionOffset !== 0) count = this.#sectionHeader(0).info;
    this.#table(this.programHeaderOffset, count, this.programHeaderSize, this.bits === 64 ? 56 : 32, "program header");
    const segments: Segment[] = [];
    for (let i = 0; i < count; i++) {
      const cursor = this.#cursor(this.programHeaderOffset + i * this.programHeaderSize);
      const type = cursor.u32();
      let flags = this.bits === 64 ? cursor.u32() : 0;
      const offset = this.#word(cursor);
      const address = this.#word(cursor);
      this.#word(cursor);
      const fileSize = this.#word(cursor);
      const memorySize = this.#word(cursor);
      if (this.bits === 32) flags = cursor.u32();
      const segment = { type, flags, offset, address, fileSize, memorySize, align: this.#word(cursor) };
      if (type === SegmentType.load) this.#checkLoad(segment, i);
      segments.push(segment);
    }
    return segments;
  }

  #checkLoad(segment: Segment, index: number): void {
    const { offset, fileSize, memorySize, align } = segment;
    if (fileSize > memorySize) {
      throw new FormatError(`ELF: segment ${index} has ${hex(fileSize)} bytes for ${hex(memorySize)} bytes of memory`);
    }
    if (offset + fileSize > this.fileSize) {
      throw new FormatError(`ELF: segment ${index} ends at ${hex(offset + fileSize)}, file has ${hex(this.fileSize)}`);
    }
    if (align > 1 && !Number.isInteger(Math.log2(align))) {
      throw new FormatError(`ELF: segment ${index} is aligned to ${hex(align)}, no power of two`);
    }
  }

  #sectionHeader(index: number): Omit<Section, "name"> & { nameOffset: number } {
    const cursor = this.#cursor(this.#sectionOffset + index * this.#sectionEntrySize);
    const nameOffset = cursor.u32();
    const type = cursor.u32();
    const flags = this.#word(cursor);
    const address = this.#word(cursor);
    const offset = this.#word(cursor);
    const size = this.#word(cursor);
    const link = cursor.u32();
    const info = cursor.u32();
    return {
      nameOffset,
      type,
      flags,
      address,
      offset,
      size,
      link,
      info,
      align: this.#word(cursor),
      entrySize: this.#word(cursor),
    };
  }

  #readSections(): Section[] {
    if (this.#sectionOffset === 0) return [];
    let count = this.#sectionCount;
    if (count === manySections) count = this.#sectionHeader(0).size;
    this.#table(this.#sectionOffset, count, this.#sectionEntrySize, this.bits === 64 ? 64 : 40, "section");
    const headers = Array.from({ length: count }, (_, i) => this.#sectionHeader(i));
    for (const [i, header] of headers.entries()) {
      const end = header.offset + header.size;
      if (header.type !== sectionNoBits && i > 0 && end > this.fileSize) {
        throw new FormatError(`ELF: section ${i} ends at ${hex(end)}, file has ${hex(this.fileSize)}`);
      }
    }
    const namesIndex = this.#sectionNames === 0xffff ? (headers[0]?.link ?? 0) : this.#sectionNames;
    const namesHeader = headers[namesIndex];
    if (!namesHeader && count > 0) throw new FormatError(`ELF: names are in section ${namesIndex}, there are ${count}`);
    const names =
      namesHeader && namesIndex > 0
        ? range(this.bytes, namesHeader.offset, namesHeader.size, "ELF", "section names")
        : undefined;
    return headers.map(({ nameOffset, ...rest }, i) => ({
      name: names ? stringAt(names, nameOffset, `section ${i}`) : "",
      ...rest,
    }));
  }

  #readDynamic(): Dynamic | undefined {
    const segment = this.segments.find(({ type }) => type === SegmentType.dynamic);
    if (!segment) return undefined;
    const bytes = range(this.bytes, segment.offset, segment.fileSize, "ELF", "dynamic segment");
    const cursor = new Cursor(bytes, "ELF dynamic segment", this.#order);
    const entrySize = this.bits === 64 ? 16 : 8;
    const entries: [number, bigint][] = [];
    const values = new Map<number, number>();
    while (cursor.remaining >= entrySize) {
      const tag = this.bits === 64 ? Number(cursor.i64()) : cursor.i32();
      const value = this.bits === 64 ? cursor.u64() : BigInt(cursor.u32());
      if (tag === Tag.null) break;
      entries.push([tag, value]);
      if (!values.has(tag)) values.set(tag, Number(value));
    }
    const strings = this.#dynamicStrings(values.get(Tag.strtab), values.get(Tag.strsz));
    const text = (tag: number) => {
      const value = values.get(tag);
      return value === undefined ? undefined : stringAt(strings, value, "dynamic entry");
    };
    const needed = entries
      .filter(([tag]) => tag === Tag.needed)
      .map(([, value]) => stringAt(strings, Number(value), "dynamic entry"));
    return { needed, soname: text(Tag.soname), rpath: text(Tag.rpath), runpath: text(Tag.runpath), entries };
  }

  #dynamicStrings(address: number | undefined, size: number | undefined): Uint8Array {
    if (address === undefined || size === undefined) return new Uint8Array(0);
    const offset = this.offsetOf(address);
    if (offset === undefined) throw new FormatError(`ELF: no segment has the dynamic strings at ${hex(address)}`);
    return range(this.bytes, offset, size, "ELF", "dynamic string table");
  }
}

/** Moves to the next multiple of `align`; the last note may end without padding. */
function pad(cursor: Cursor, align: number): void {
  cursor.skip(Math.min((align - (cursor.position % align)) % align, cursor.remaining));
}

function stringAt(table: Uint8Array, offset: number, part: string): string {
  if (offset >= table.length) {
    throw new FormatError(`ELF: ${part}'s name is at ${hex(offset)} of a string table of ${hex(table.length)}`);
  }
  const end = table.indexOf(0, offset);
  if (end < 0) throw new FormatError(`ELF: ${part}'s name at ${hex(offset)} has no NUL at its end`);
  return utf8(table.subarray(offset, end));
}
