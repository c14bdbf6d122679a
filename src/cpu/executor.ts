// Runs the x86 code of one address space: interprets cold blocks, has hot ones compiled, and keeps both true to memory.

import { PageFault, type GuestMemory } from "../memory/guest.ts";
import { Access, Denied, layout, pageShift } from "../memory/layout.ts";
import { callouts } from "./callouts.ts";
import { largeArena, smallArena, type Entry, type Installed } from "./entry.ts";
import { encode, encodeRelocatable, place } from "./interpreter/encode.ts";
import { Header, atOperation, blockCount, blockEntry, exitHot, map, targetMask } from "./interpreter/format.ts";
import type { Block } from "./ir/builder.ts";
import { opNumber } from "./ir/ops.ts";
import { ExitKind, Vector, offsets } from "./state.ts";
import { KnownBlock, type CodeCache, type KnownModule } from "./translate/cache.ts";
import { BranchEntry, branchEntry, type CodeSource, type RegionCompiler } from "./translate/types.ts";
import type { Translations } from "./translations.ts";
import { Trap } from "./trap.ts";
import type { CpuView } from "./view.ts";
import { translateBlock } from "./x86/block.ts";
import { environmentMask, needsDirected } from "./x86/directed.ts";

/** Hot blocks are compiled together: when this many wait, or when one of them ran a tenth of the threshold again. */
const batchSize = 8;
/** Executions before a compiled module of a relative process is looked for. */
const knownThreshold = 2;
/** Executions before a block that could not be compiled is tried again. */
const retryThreshold = 1 << 24;
/** Translations and changes of tier in one run, some milliseconds of work: then the kernel gets its turn. */
const mostRounds = 200;

export { Translations, hotThreshold } from "./translations.ts";
/** Bytes that string instructions move in one run, about. */
const mostEffort = 1 << 22;

type Callout = (number: number) => number;

/** Indices of state fields as words. */
const word = {
  pc: offsets.pc / 4,
  fuel: offsets.fuel / 4,
  kind: offsets.exitKind / 4,
  detail: offsets.exitDetail / 4,
  mxcsr: offsets.mxcsr / 4,
};
const exitOperation = opNumber("exit");

function endsInTrap({ code }: Block): boolean {
  return code[code.length - 4] === (exitOperation | (ExitKind.trap << 16));
}

/** The processor of one address space. */
export class X86Machine {
  readonly memory: GuestMemory;
  readonly translations: Translations;
  private readonly long: boolean;
  private cache: CodeCache;
  /** Translating for an environment in which SSE arithmetic goes through callouts. */
  private directed = false;
  private arena = smallArena;
  private top: number = smallArena.start;
  /** The highest `top` in the large arena. */
  private used = 0;
  /** Hot addresses that wait to be compiled together. */
  private hot: number[] = [];
  private cpu!: CpuView;

  private readonly entries = new Map<number, Entry>();
  /** Entries with interpreter code, by the id in their header. */
  private encoded: Entry[] = [];
  private readonly pages = new Map<number, Entry[]>();
  /** Slots of addresses with compiled code. */
  private readonly slots = new Map<number, number>();
  private readonly modules = new Map<number, Installed[]>();

  private drive!: (block: number, slot: number, fuel: number) => number;
  private stub!: unknown;
  /** Import of compiled code: `callout`, but for what is done without JavaScript. */
  private calloutFromRegion!: Callout;
  private table!: WebAssembly.Table;
  private started = false;
  /** Inside an import of the interpreter. */
  private inside = false;
  /** Code was invalidated since this was cleared. */
  private invalidated = false;
  private fetchPage = -1;

  constructor(memory: GuestMemory, translations: Translations) {
    this.memory = memory;
    this.translations = translations;
    this.cache = translations.caches[0];
    this.long = translations.long;
  }

  /** The same processor for a copy of the address space; shares translations. */
  fork(memory: GuestMemory): X86Machine {
    return new X86Machine(memory, this.translations);
  }

  /** Forgets everything that was translated. */
  dispose(): void {
    this.memory.codeWatcher = undefined;
    this.leaveArena();
    this.entries.clear();
    this.encoded = [];
    this.pages.clear();
    this.slots.clear();
    this.modules.clear();
  }

  private start(): void {
    this.started = true;
    const { memory } = this;
    const { interpreter, support, fast } = this.translations;
    this.table = new WebAssembly.Table({ element: "anyfunc", initial: 64 });
    const supported = new WebAssembly.Instance(support, { env: { memory: memory.wasm, table: this.table } }).exports;
    this.stub = supported["stub"];
    for (let i = 0; i < this.table.length; i++) this.table.set(i, this.stub);
    const around = (callout: Callout): Callout =>
      fast === undefined
        ? callout
        : (new WebAssembly.Instance(fast, { env: { memory: memory.wasm, callout } }).exports["callout"] as Callout);
    this.calloutFromRegion = around(this.callout);
    const interpreting = new WebAssembly.Instance(interpreter, {
      env: { memory: memory.wasm, table: this.table, slow: this.slow, callout: around(this.calloutFromBlock) },
    }).exports;
    this.drive = interpreting["run"] as typeof this.drive;
    memory.codeWatcher = (page) => this.invalidate(page);
    this.takeArena();
    memory.u8.fill(0, layout.branchCache, layout.branchCache + BranchEntry.size * BranchEntry.count);
    this.flush();
  }

  /** Moves to the large arena if nothing is mapped there. */
  private takeArena(): void {
    const { memory } = this;
    const pages = memory.table.subarray(layout.arena >>> pageShift, layout.arenaEnd >>> pageShift);
    if (memory.reserved !== undefined || pages.some((denied) => (denied & Denied.unmapped) === 0)) return;
    try {
      memory.reach(layout.arenaEnd);
    } catch (refused) {
      if (refused instanceof RangeError) return;
      throw refused;
    }
    this.arena = largeArena;
    memory.reserved = () => this.leaveArena();
  }

  /** Gives the large arena back as it was: all zeros. */
  private leaveArena(): void {
    if (this.arena !== largeArena) return;
    this.flush();
    this.arena = smallArena;
    this.top = smallArena.start;
    this.memory.reserved = undefined;
    this.memory.u8.fill(0, largeArena.start, this.used);
  }

  /**
   * Runs the task whose state is in linear memory until it needs its kernel; gives the exit kind, which is in the state
   * too. About `fuel` blocks or loop iterations may run; then the kind is `ExitKind.budget`, at a block boundary.
   */
  run(cpu: CpuView, fuel: number): number {
    if (!this.started) this.start();
    this.cpu = cpu;
    let left = fuel;
    let redo = false;
    let rounds = 0;
    cpu.effort = 0;
    for (;;) {
      const environment = cpu.words[word.mxcsr]! & environmentMask;
      if (needsDirected(environment) !== this.directed) this.redirect();
      this.memory.i32[map.environment >>> 2] = environment;
      const pc = cpu.words[word.pc]! >>> 0;
      const slot = redo ? undefined : this.slots.get(pc);
      let address = 0;
      if (slot === undefined) {
        address = this.find(pc);
        if (address === 0) return this.stopped(ExitKind.trap);
      }
      const kind = this.drive(address, slot ?? 0, left);
      redo = false;
      left = cpu.words[word.fuel]!;
      if (kind === ExitKind.untranslated) this.predict(cpu.words[word.pc]! >>> 0);
      else if (kind === ExitKind.slow) redo = true;
      else if (kind === exitHot) this.heat(cpu.words[word.pc]! >>> 0);
      else return this.stopped(kind >= atOperation ? this.locate(kind) : kind);
      // Code that rewrites itself comes back here each time without spending fuel.
      if (left < 0 || ++rounds === mostRounds || cpu.effort > mostEffort) return this.stopped(ExitKind.budget);
    }
  }

  private stopped(kind: number): number {
    this.cpu.words[word.kind] = kind;
    return kind;
  }

  /** Sets state.pc from the operation at which the interpreter stopped; gives the exit kind proper. */
  private locate(kind: number): number {
    const { i32 } = this.memory;
    const pc = this.instructionAt(i32[map.block >>> 2]!, i32[map.operation >>> 2]!);
    this.cpu.words[word.pc] = pc;
    this.cpu.words[word.pc + 1] = 0;
    return kind & ~atOperation;
  }

  /** The guest instruction that an operation of an encoded block belongs to. */
  private instructionAt(address: number, operation: number): number {
    const marks = this.marks(address);
    let pc = marks[1]!;
    for (let i = 0; i < marks.length && marks[i]! <= operation; i += 2) pc = marks[i + 1]!;
    return pc;
  }

  /** Pairs (address of the first operation, pc) of an encoded block's instructions: encodes it once more to find out. */
  private marks(address: number): number[] {
    const entry = this.encoded[this.memory.i32[(address + Header.id) >>> 2]!]!;
    const marks: number[] = [];
    encode(entry.known.block, new Int32Array(0), address, Infinity, marks);
    return marks;
  }

  /** Address of the interpreter's code for `pc`; 0 when it cannot be executed and the fault is in the state. */
  private find(pc: number): number {
    const high = this.cpu.words[word.pc + 1]!;
    const known = this.entries.get(pc);
    if (known !== undefined && known.address !== 0 && high === 0) return this.link(known);
    try {
      if (high !== 0) throw new PageFault(this.cpu.pc, Access.execute, false);
      return this.encodeEntry(this.entry(pc));
    } catch (refused) {
      this.fault(refused);
      return 0;
    }
  }

  /** Writes a fault that something threw to the state; throws what is none. */
  private fault(refused: unknown): void {
    const { cpu } = this;
    if (refused instanceof PageFault) {
      cpu.words[word.detail] = Vector.page;
      cpu.view.setUint32(offsets.faultAddress, refused.address % 0x1_0000_0000, true);
      cpu.view.setUint32(offsets.faultAddress + 4, Math.floor(refused.address / 0x1_0000_0000), true);
      cpu.view.setUint32(offsets.faultAccess, refused.access, true);
    } else if (refused instanceof Trap) cpu.words[word.detail] = refused.vector;
    else throw refused;
  }

  /** The translation of the block at `pc`. Throws PageFault when it cannot be executed. */
  private entry(pc: number): Entry {
    let entry = this.entries.get(pc);
    if (entry !== undefined) return entry;
    const { memory, cache, translations } = this;
    memory.check(pc, 1, Access.execute);
    let known = cache.block(pc, memory.u8);
    if (known === undefined) {
      this.fetchPage = -1;
      const block = translateBlock(this.fetch, pc, this.long, this.directed);
      // What ends in a trap may depend on bytes behind it.
      known = endsInTrap(block)
        ? new KnownBlock({ block, bytes: memory.u8.slice(pc, pc + block.length) }, false)
        : cache.keepBlock(pc, block, memory.u8);
      translations.counts.blocks++;
      translations.counts.instructions += block.instructions.length >>> 1;
    }
    const { block } = known;
    entry = { pc, known, address: 0, executions: 0, started: 0 };
    this.entries.set(pc, entry);
    const last = (pc + block.length - (endsInTrap(block) ? 0 : 1)) >>> pageShift;
    for (let page = pc >>> pageShift; page <= last; page++) this.watch(page, entry);
    return entry;
  }

  private watch(page: number, entry: Entry): void {
    const list = this.pages.get(page);
    if (list === undefined) this.pages.set(page, [entry]);
    else list.push(entry);
    this.memory.watchCode(page);
  }

  private readonly fetch = (address: number): number => {
    const page = Math.floor(address / 4096);
    if (page !== this.fetchPage) {
      this.memory.check(address, 1, Access.execute);
      this.fetchPage = page;
    }
    return this.memory.u8[address]!;
  };

  private encodeEntry(entry: Entry): number {
    let behind = this.placeEntry(entry);
    if (behind === 0) {
      this.flush();
      behind = this.placeEntry(entry);
      if (behind === 0) throw new RangeError("interpreter: a block does not fit the arena");
    }
    const { i32 } = this.memory;
    const address = (entry.address = this.top);
    this.top = behind;
    i32[(address + Header.id) >>> 2] = this.encoded.push(entry) - 1;
    i32[(address + Header.slot) >>> 2] = this.slots.get(entry.pc) ?? 0;
    this.countdown(entry, this.threshold(entry));
    return this.link(entry);
  }

  /** Puts an encoded block where the driver finds it, in the place of what shares its hash; returns its address. */
  private link({ pc, address }: Entry): number {
    const { i32 } = this.memory;
    const at = blockEntry(pc) >>> 2;
    i32[at] = pc | 0;
    i32[at + 1] = address;
    return address;
  }

  /** Encodes a block at the top of the arena, or copies it when it was encoded before. */
  private placeEntry({ known }: Entry): number {
    const { i32 } = this.memory;
    if (known.uses++ === 0) return encode(known.block, i32, this.top, this.arena.end);
    known.encoded ??= encodeRelocatable(known.block);
    return place(known.encoded, i32, this.top, this.arena.end);
  }

  private threshold(entry: Entry): number {
    if (this.slots.has(entry.pc)) return 0;
    if (this.translations.compiler === undefined) return retryThreshold;
    if (entry.executions < knownThreshold && this.cache.mayHaveModule(entry.pc)) return knownThreshold;
    return Math.max(this.translations.threshold - entry.executions, 1);
  }

  private countdown(entry: Entry, from: number): void {
    entry.started = from;
    this.memory.i32[(entry.address + Header.countdown) >>> 2] = from;
  }

  private count(entry: Entry): number {
    if (entry.address === 0) return entry.executions;
    return entry.executions + entry.started - this.memory.i32[(entry.address + Header.countdown) >>> 2]!;
  }

  /** Empties the arena: all blocks are encoded anew when they run again. */
  private flush(): void {
    const { i32 } = this.memory;
    for (const entry of this.encoded) {
      entry.executions = this.count(entry);
      entry.address = 0;
    }
    this.encoded = [];
    if (this.arena === largeArena) this.used = Math.max(this.used, this.top);
    this.top = this.arena.start;
    i32.fill(-1, map.nowhere >>> 2, (map.nowhere + 16) >>> 2);
    i32.fill(-1, map.blocks >>> 2, (map.blocks >>> 2) + blockCount * 2);
    i32.fill(0, map.targets >>> 2, (map.targets >>> 2) + 1024);
    i32[map.targetCount >>> 2] = 0;
    this.translations.counts.flushes++;
  }

  /** The floating-point environment has changed in a way that translations depend on: starts with none. */
  private redirect(): void {
    this.directed = !this.directed;
    this.cache = this.translations.caches[this.directed ? 1 : 0];
    for (const list of this.modules.values()) for (const installed of list) this.uninstall(installed);
    this.modules.clear();
    this.flush();
    this.entries.clear();
    this.pages.clear();
    this.hot = [];
  }

  /** Drops all translations of a page whose code changes. */
  private invalidate(page: number): void {
    const { memory, translations } = this;
    translations.counts.invalidations++;
    this.invalidated = true;
    for (const entry of this.pages.get(page) ?? []) {
      if (this.entries.get(entry.pc) === entry) this.entries.delete(entry.pc);
      if (entry.address === 0) continue;
      memory.i32[(entry.address + Header.pc) >>> 2] = -1;
      const at = blockEntry(entry.pc) >>> 2;
      if (memory.i32[at + 1] === entry.address) memory.i32[at] = -1;
      if (this.inside && memory.i32[map.block >>> 2] === entry.address) this.cutShort(entry);
      entry.address = 0;
    }
    this.pages.delete(page);
    for (const installed of this.modules.get(page) ?? []) this.uninstall(installed);
    this.modules.delete(page);
  }

  /** Makes the running block, which is no longer valid, end after the current instruction. */
  private cutShort(entry: Entry): void {
    const { i32 } = this.memory;
    const operation = i32[map.operation >>> 2]!;
    const marks = this.marks(entry.address);
    for (let i = 0; i < marks.length; i += 2) {
      if (marks[i]! <= operation) continue;
      const at = marks[i]! >>> 2;
      i32[at] = exitOperation | (ExitKind.untranslated << 16);
      i32[at + 1] = marks[i + 1]!;
      i32[at + 2] = 0;
      return;
    }
  }

  /** Import of the interpreter: an access that the page table refused. */
  private readonly slow = (low: number, high: number, bytes: number, access: number): number => {
    const address = (low >>> 0) + (this.long ? (high >>> 0) * 0x1_0000_0000 : 0);
    this.inside = true;
    try {
      this.memory.check(address, bytes, access);
      return 0;
    } catch (refused) {
      this.fault(refused);
      return 1;
    } finally {
      this.inside = false;
    }
  };

  /** Import of compiled code: 0 done, -1 done but the run shall end soon (code was invalidated, much was moved), else the exit kind. */
  private readonly callout = (number: number): number => {
    this.invalidated = false;
    try {
      callouts[number]!(this.cpu);
      return this.invalidated || this.cpu.effort > mostEffort ? -1 : 0;
    } catch (refused) {
      this.fault(refused);
      return ExitKind.trap;
    }
  };

  /** Import of the interpreter: a block that was invalidated is cut short, so that it may just go on. */
  private readonly calloutFromBlock = (number: number): number => {
    this.inside = true;
    const status = this.callout(number);
    this.inside = false;
    if (status >= 0) return status;
    // The block leaves the interpreter when it is entered again, as repetitions are.
    const { i32 } = this.memory;
    if (this.cpu.effort > mostEffort) i32[(i32[map.block >>> 2]! + Header.countdown) >>> 2] = 0;
    return 0;
  };

  /** A branch found no code: if there is compiled code by now, compiled branches shall find it. */
  private predict(pc: number): void {
    const slot = this.slots.get(pc);
    if (slot === undefined) return;
    const { i32 } = this.memory;
    const at = branchEntry(pc) >>> 2;
    i32[at + BranchEntry.pc / 4] = pc;
    i32[at + BranchEntry.slot / 4] = slot;
    // The next time another address has taken its place there, the driver shall know it.
    const entry = this.entries.get(pc);
    if (entry !== undefined && entry.address !== 0) this.link(entry);
  }

  /** A block's countdown ran out: it has compiled code, or shall have. */
  private heat(pc: number): void {
    if (this.slots.has(pc)) return;
    const entry = this.entries.get(pc);
    const { compiler, threshold } = this.translations;
    if (entry === undefined || compiler === undefined) return;
    const known = this.cache.modulesAt(pc).find((module) => this.applies(module));
    if (known !== undefined) this.install(known);
    else if (this.count(entry) >= threshold) {
      const waiting = this.hot.includes(pc);
      if (!waiting) this.hot.push(pc);
      if (waiting || this.hot.length >= batchSize) {
        const batch = this.hot;
        this.hot = [];
        this.compile(compiler, batch);
      }
    }
    if (this.slots.has(pc) || entry.address === 0) return;
    entry.executions = this.count(entry);
    const rest = threshold - entry.executions;
    this.countdown(entry, rest > 0 ? rest : this.hot.includes(pc) ? threshold / 10 : retryThreshold);
  }

  /** Whether a module was made from the code that is in memory now. */
  private applies(known: KnownModule): boolean {
    const { ranges } = known.compiled;
    try {
      // Readies pages that were not touched yet.
      for (let i = 0; i < ranges.length; i += 2)
        this.memory.check(ranges[i]! >>> 0, ranges[i + 1]! - ranges[i]!, Access.execute);
    } catch (refused) {
      if (refused instanceof PageFault) return false;
      throw refused;
    }
    return known.matches(this.memory.u8);
  }

  /** Compiles the code at `pc` now, hot or not: for tests that compare compiled code with the interpreter. */
  compileAt(cpu: CpuView, pc: number): boolean {
    if (!this.started) this.start();
    this.cpu = cpu;
    if (this.translations.compiler !== undefined) this.compile(this.translations.compiler, [pc]);
    return this.slots.has(pc);
  }

  private compile(compiler: RegionCompiler, hot: readonly number[]): void {
    const compiled = compiler.compile(this.source, hot);
    if (compiled === undefined) return;
    this.translations.counts.regions++;
    this.install(this.cache.keepModule(compiled, this.memory.u8));
  }

  private install(known: KnownModule): void {
    const { memory, table } = this;
    const missing = this.cache.slotCount - table.length;
    if (missing > 0) table.grow(Math.max(missing, table.length), this.stub);
    const instance = new WebAssembly.Instance(known.module, {
      env: { memory: memory.wasm, table, callout: this.calloutFromRegion },
    });
    const installed = { known, instance };
    for (const { pc, slot } of known.compiled.entries) {
      this.slots.set(pc, slot);
      const entry = this.entries.get(pc);
      if (entry !== undefined && entry.address !== 0) {
        entry.executions = this.count(entry);
        this.countdown(entry, 0);
        memory.i32[(entry.address + Header.slot) >>> 2] = slot;
      }
    }
    const { ranges } = known.compiled;
    for (let i = 0; i < ranges.length; i += 2)
      for (let page = ranges[i]! >>> pageShift; page <= ((ranges[i + 1]! >>> 0) - 1) >>> pageShift; page++) {
        const list = this.modules.get(page);
        if (list === undefined) this.modules.set(page, [installed]);
        else if (list.at(-1) !== installed) list.push(installed);
        memory.watchCode(page);
      }
  }

  private uninstall({ known }: Installed): void {
    const { i32 } = this.memory;
    for (const { pc, slot } of known.compiled.entries) {
      if (this.slots.get(pc) !== slot) continue;
      this.slots.delete(pc);
      this.table.set(slot, this.stub);
      const at = branchEntry(pc) >>> 2;
      if (i32[at] === (pc | 0)) i32[at] = 0;
      const entry = this.entries.get(pc);
      if (entry !== undefined && entry.address !== 0) {
        entry.executions = 0;
        this.countdown(entry, this.threshold(entry));
        i32[(entry.address + Header.slot) >>> 2] = 0;
      }
    }
  }

  /** What the region compiler asks. */
  private readonly source: CodeSource = (() => {
    const machine = this;
    return {
      get long() {
        return machine.long;
      },
      block: (pc) => {
        try {
          return machine.entry(pc).known.block;
        } catch (refused) {
          if (refused instanceof PageFault) return undefined;
          throw refused;
        }
      },
      executions: (pc) => {
        const entry = machine.entries.get(pc);
        return entry === undefined ? 0 : machine.count(entry);
      },
      targets: (pc) => machine.targets(pc),
      slot: (pc) => machine.cache.slot(pc),
    };
  })();

  /** Targets that the block's indirect branch took lately, most frequent first. */
  private targets(pc: number): number[] {
    const address = this.entries.get(pc)?.address ?? 0;
    if (address === 0) return [];
    const { i32 } = this.memory;
    const counts = new Map<number, number>();
    for (let at = map.targets; at < map.targets + targetMask; at += 8) {
      if (i32[at >>> 2] !== address) continue;
      const target = i32[(at + 4) >>> 2]! >>> 0;
      counts.set(target, (counts.get(target) ?? 0) + 1);
    }
    return [...counts].sort(([, a], [, b]) => b - a).map(([target]) => target);
  }
}
