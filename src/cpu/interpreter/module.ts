// Generates the interpreter: one WebAssembly module per mode, a loop over encoded operations with one branch table.

import { Denied, layout } from "../../memory/layout.ts";
import type { Code, Label } from "../../wasm/code.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { op, type } from "../../wasm/opcodes.ts";
import { defineHelper, emitCondition, emitConditionOfBits, emitPure, type HelperName } from "../ir/emit.ts";
import type { Size } from "../ir/flags.ts";
import { opRows, type OpRow, type ValueType } from "../ir/ops.ts";
import { ExitKind, Vector, offsets, stateAddress } from "../state.ts";
import { importSurroundings } from "../translate/support.ts";
import { lanes, memoryOps } from "./accesses.ts";
import { blockIndex, defineDriver } from "./driver.ts";
import {
  Header,
  atOperation,
  copies,
  exitHot,
  flagBits,
  handlers,
  lengths,
  map,
  setFlags,
  targetMask,
  testBits,
  testKnown,
  testState,
  testedKinds,
} from "./format.ts";

const loads = { i32: "i32.load", i64: "i64.load", f32: "f32.load", f64: "f64.load", v128: "v128.load" } as const;
const stores = { i32: "i32.store", i64: "i64.store", f32: "f32.store", f64: "f64.store", v128: "v128.store" } as const;
type Plain = keyof typeof loads;

/**
 * Bytes of the interpreter's module. Imports `env.memory`, `env.table` (compiled functions), `env.slow(low, high, bytes,
 * access) -> i32` (0: go on, else the access faults and the state's fault fields are set) and `env.callout(number) -> i32`
 * (0: done, else the exit kind). Exports `run(block: i32, slot: i32, fuel: i32) -> i32`: runs compiled code from that slot on,
 * or when the slot is 0 interprets from that block on, and changes between both until JavaScript is needed.
 */
export function interpreterModule(long: boolean): Uint8Array<ArrayBuffer> {
  return new Generator(long).finish();
}

class Generator {
  private readonly to = new ModuleBuilder();
  private readonly long: boolean;
  private readonly slow: number;
  private readonly callout: number;
  private readonly helpers = new Map<HelperName, number>();
  private readonly code: Code;
  private readonly run: number;

  // Locals of `run`.
  private readonly block = 0;
  private readonly fuel = 1;
  private readonly ip: number;
  private readonly pc: number;
  private readonly link: number;
  private readonly kind: number;
  private readonly low: number;
  private readonly high: number;
  private readonly scratch: Record<string, number>;

  // Labels of `run`.
  private top: Label = 0;
  private chase: Label = 0;
  private stop: Label = 0;
  private exit: Label = 0;

  constructor(long: boolean) {
    this.long = long;
    const { to } = this;
    importSurroundings(to);
    const i = type.i32;
    this.slow = to.importFunction("env", "slow", to.type([i, i, i, i], [i]));
    this.callout = to.importFunction("env", "callout", to.type([i], [i]));
    const run = to.function(to.type([i, i], [i]), "interpret", 0x8000);
    this.run = run.index;
    const code = (this.code = run.code);
    [this.ip, this.pc, this.link, this.kind, this.low, this.high] = [
      code.local(i),
      code.local(i),
      code.local(i),
      code.local(i),
      code.local(i),
      code.local(i),
    ];
    this.scratch = { [type.i32]: code.local(i), [type.i64]: code.local(type.i64) };
  }

  finish(): Uint8Array<ArrayBuffer> {
    const { to } = this;
    this.body();
    to.exportFunction("run", defineDriver(to, this.long, this.run));
    return to.finish({ names: true });
  }

  private readonly helper = (name: HelperName): number => {
    let index = this.helpers.get(name);
    if (index === undefined) this.helpers.set(name, (index = defineHelper(this.to, name, this.helper)));
    return index;
  };

  private body(): void {
    const { code } = this;
    this.exit = code.block();
    this.stop = code.block();
    const blocks = code.loop();
    code.get(this.block).memory(op["i32.load"], Header.first).set(this.ip);
    this.chase = code.block();
    this.top = code.loop();
    const labels = handlers.map(() => code.block()).reverse();
    code.get(this.ip).memory(op["i32.load16_u"]).brTable(labels, labels[0]!);
    handlers.forEach((_, handler) => {
      code.end();
      this.handler(handler);
    });
    code.op(op.unreachable).end();
    code.op(op.unreachable).end();
    this.follow(blocks);
    code.op(op.unreachable).end();
    code.op(op.unreachable).end();
    this.store(map.operation, () => code.get(this.ip));
    this.store(map.block, () => code.get(this.block));
    code.get(this.kind).i32(atOperation).op(op["i32.or"]).set(this.kind);
    code.end();
    this.store(stateAddress(offsets.fuel), () => code.get(this.fuel));
    this.store(stateAddress(offsets.exitKind), () => code.get(this.kind));
    code.get(this.kind);
  }

  /** Goes on with the block at `pc`, by the operation's own link or the hash table. */
  private follow(blocks: Label): void {
    const { code } = this;
    const entry = this.low;
    code.get(this.link).memory(op["i32.load"]).tee(this.block);
    code.memory(op["i32.load"], Header.pc).get(this.pc).op(op["i32.ne"]).if();
    code.get(this.pc);
    blockIndex(code, this.pc).tee(entry);
    code.memory(op["i32.load"], map.blocks).get(this.pc).op(op["i32.ne"]).if();
    this.leaveAtPc(ExitKind.untranslated);
    code.end();
    code.get(this.link);
    code
      .get(entry)
      .memory(op["i32.load"], map.blocks + 4)
      .tee(this.block);
    code.memory(op["i32.store"]);
    code.end();
    code
      .get(this.block)
      .get(this.block)
      .memory(op["i32.load"], Header.countdown)
      .i32(1)
      .op(op["i32.sub"])
      .tee(this.low);
    code.memory(op["i32.store"], Header.countdown);
    code.get(this.low).i32(0).op(op["i32.lt_s"]).if();
    this.store(map.block, () => code.get(this.block));
    this.leaveAtPc(exitHot);
    code.end();
    code.get(this.fuel).i32(1).op(op["i32.sub"]).tee(this.fuel).i32(0).op(op["i32.lt_s"]).if();
    this.leaveAtPc(ExitKind.budget);
    code.end();
    code.br(blocks);
  }

  private leaveAtPc(kind: number): void {
    const { code } = this;
    this.storePc(() => code.get(this.pc).op(op["i64.extend_i32_u"]));
    code.i32(kind).set(this.kind).br(this.exit);
  }

  private storePc(push: () => void): void {
    this.code.i32(0);
    push();
    this.code.memory(op["i64.store"], stateAddress(offsets.pc));
  }

  private store(address: number, push: () => void): void {
    this.code.i32(0);
    push();
    this.code.memory(op["i32.store"], address);
  }

  /** Pushes word `i` of the operation. */
  private word(i: number): Code {
    return this.code.get(this.ip).memory(op["i32.load"], i * 4);
  }
  private immediate(): Code {
    return this.code.get(this.ip).memory(op["i32.load16_u"], 2);
  }
  private plain(valueType: ValueType): Plain {
    if (valueType === "none") throw new RangeError("interpreter: no such value");
    return valueType === "word" ? (this.long ? "i64" : "i32") : valueType;
  }
  /** Pushes the value whose address is in word `i`. */
  private value(valueType: ValueType, i: number): Code {
    return this.word(i).memory(op[loads[this.plain(valueType)]]);
  }
  /** Stores to the address in word `i`; i32 values fill eight bytes, so that they are their own zero extension. */
  private result(valueType: ValueType, i: number, push: () => void): void {
    const plain = this.plain(valueType);
    this.word(i);
    push();
    if (plain === "i32") this.code.op(op["i64.extend_i32_u"]).memory(op["i64.store"]);
    else this.code.memory(op[stores[plain]]);
  }

  /** Ends a handler: on to the next operation. */
  private next(words: number): void {
    this.code
      .get(this.ip)
      .i32(words * 4)
      .op(op["i32.add"])
      .set(this.ip)
      .br(this.top);
  }

  private handler(handler: number): void {
    const row = opRows[handler];
    const known = row === undefined ? this.own.get(handler) : this.special[row.name];
    const length = lengths[handler]!;
    if (known !== undefined) {
      known(length);
      return;
    }
    if (row === undefined) throw new RangeError(`interpreter: handler ${handlers[handler]} has no code`);
    const memory = memoryOps[row.name];
    if (memory !== undefined) this.access(row, memory);
    else if (lanes[row.name] !== undefined) this.lane(row);
    else if (row.effect === "pure" && row.args.length > 0 && !row.name.startsWith("cc.")) {
      this.result(row.result, length - 1, () =>
        emitPure(
          {
            code: this.code,
            operand: (i) => void this.value(row.args[i]!, i + 1),
            scratch: (valueType) => this.scratch[valueType]!,
            helper: this.helper,
          },
          handler,
          0,
        ),
      );
    } else {
      // Never encoded: constants, flags of a kind, and what becomes a copy.
      this.code.op(op.unreachable);
      return;
    }
    this.next(length);
  }

  /** Checks the pages of an access whose address is operand 1; leaves the linear address in `low`. */
  private check(bytes: number | "immediate", access: number): void {
    const { code } = this;
    if (this.long) {
      const wide = this.scratch[type.i64]!;
      this.value("i64", 1).tee(wide).op(op["i32.wrap_i64"]).set(this.low);
      code.get(wide).i64(32).op(op["i64.shr_u"]).op(op["i32.wrap_i64"]).set(this.high);
    } else this.value("i32", 1).set(this.low);
    const page = () => code.i32(12).op(op["i32.shr_u"]).memory(op["i32.load8_u"], layout.pageTable);
    const size = () => (bytes === "immediate" ? this.immediate() : code.i32(bytes));
    code.get(this.low);
    page();
    if (bytes !== 1) {
      code.get(this.low);
      size().op(op["i32.add"]).i32(1).op(op["i32.sub"]);
      page();
      code.op(op["i32.or"]);
    }
    code.i32(access === 1 ? Denied.read : Denied.write).op(op["i32.and"]);
    if (this.long) code.get(this.high).op(op["i32.or"]);
    code.if();
    this.remember();
    code.get(this.low);
    if (this.long) code.get(this.high);
    else code.i32(0);
    size();
    code.i32(access).call(this.slow).if();
    this.trap(() => code.i32(Vector.page));
    code.end().end();
  }

  private remember(): void {
    this.store(map.operation, () => this.code.get(this.ip));
    this.store(map.block, () => this.code.get(this.block));
  }

  private trap(vector: () => void): void {
    this.store(stateAddress(offsets.exitDetail), vector);
    this.code.i32(ExitKind.trap).set(this.kind).br(this.stop);
  }

  private access(row: OpRow, { bytes, opcode }: { bytes: number; opcode: number }): void {
    const { code } = this;
    const isLoad = row.result !== "none";
    this.check(bytes, isLoad ? 1 : 2);
    if (isLoad) this.result(row.result, 2, () => void code.get(this.low).memory(opcode));
    else {
      code.get(this.low);
      this.value(row.args[1]!, 2).memory(opcode);
    }
  }

  private lane(row: OpRow): void {
    const { code } = this;
    const { bytes, load, store } = lanes[row.name]!;
    const shift = Math.log2(bytes);
    const at = (word: number) => this.word(word).op(op["i32.add"]);
    const offset = () => this.immediate().i32(shift).op(op["i32.shl"]);
    if (store === 0) {
      this.result(row.result, 2, () => {
        offset();
        at(1).memory(load);
      });
      return;
    }
    this.word(3);
    this.value("v128", 1);
    code.memory(op["v128.store"]);
    offset();
    at(3);
    this.word(2).memory(load).memory(store);
  }

  private copy(load: number, valueType: ValueType) {
    return (length: number) => {
      this.result(valueType, 2, () => void this.word(1).memory(load));
      this.next(length);
    };
  }
  private copyTo(load: number, store: number) {
    return (length: number) => {
      this.word(2);
      this.word(1).memory(load).memory(store);
      this.next(length);
    };
  }

  /** Leaves to the block at `pc`, whose link is word `i`. */
  private jump(linkWord: number): void {
    this.code
      .get(this.ip)
      .i32(linkWord * 4)
      .op(op["i32.add"])
      .set(this.link)
      .br(this.chase);
  }

  private readonly jumpIndirect = (): void => {
    const { code } = this;
    if (this.long) {
      const wide = this.scratch[type.i64]!;
      this.value("i64", 1).tee(wide).op(op["i32.wrap_i64"]).set(this.pc);
      code.get(wide).i64(32).op(op["i64.shr_u"]).op(op["i64.eqz"]).op(op["i32.eqz"]).if();
      this.storePc(() => code.get(wide));
      code.i32(ExitKind.untranslated).set(this.kind).br(this.exit).end();
    } else this.value("i32", 1).set(this.pc);
    code.i32(0).memory(op["i32.load"], map.targetCount).tee(this.low);
    code.get(this.block).memory(op["i32.store"], map.targets);
    code
      .get(this.low)
      .get(this.pc)
      .memory(op["i32.store"], map.targets + 4);
    this.store(map.targetCount, () =>
      code
        .get(this.low)
        .i32(8)
        .op(op["i32.add"])
        .i32(targetMask & ~7)
        .op(op["i32.and"]),
    );
    this.jump(2);
  };

  private readonly jumpDirect = (): void => {
    this.word(1).set(this.pc);
    this.jump(2);
  };

  /** Operations of the IR that are not computed by `emitPure`. */
  private readonly special: Record<string, (length: number) => void> = {
    "state.load8": this.copy(op["i32.load8_u"], "i32"),
    "state.load16": this.copy(op["i32.load16_u"], "i32"),
    "state.load32": this.copy(op["i32.load"], "i32"),
    "state.load64": this.copy(op["i64.load"], "i64"),
    probeWrite: (length) => {
      this.check("immediate", 2);
      this.next(length);
    },
    trapif: (length) => {
      this.value("i32", 1).if();
      this.trap(() => this.immediate());
      this.code.end();
      this.next(length);
    },
    callout: (length) => {
      const { code } = this;
      for (let i = 0; i < 3; i++) {
        code.i32(0);
        this.value("i64", i + 1).memory(op["i64.store"], stateAddress(offsets.scratch + 8 * i));
      }
      this.remember();
      this.immediate().call(this.callout).tee(this.kind).if();
      code.br(this.stop).end();
      this.result("i64", 4, () => void code.i32(0).memory(op["i64.load"], stateAddress(offsets.scratch + 24)));
      this.next(length);
    },
    "cc.get": (length) => {
      this.result("i32", 1, () => this.stateBits());
      this.next(length);
    },
    "i8x16.shuffle": (length) => {
      // Swizzle gives 0 for lanes out of range: the lanes of the other vector.
      this.result("v128", 4, () => {
        this.value("v128", 1);
        this.value("v128", 3).op(op["i8x16.swizzle"]);
        this.value("v128", 2);
        this.value("v128", 3)
          .i32(16)
          .op(op["i8x16.splat"])
          .op(0xfd00 + 113)
          .op(op["i8x16.swizzle"]);
        this.code.op(op["v128.or"]);
      });
      this.next(length);
    },
    jump: this.jumpDirect,
    call: this.jumpDirect,
    branch: () => {
      const { code } = this;
      this.value("i32", 1).if();
      this.word(2).set(this.pc);
      this.jump(3);
      code.end();
      this.word(4).set(this.pc);
      this.jump(5);
    },
    jumpIndirect: this.jumpIndirect,
    callIndirect: this.jumpIndirect,
    ret: this.jumpIndirect,
    exit: () => {
      const { code } = this;
      this.storePc(() => this.word(1).op(op["i64.extend_i32_u"]));
      this.store(stateAddress(offsets.exitDetail), () => this.word(2));
      this.immediate().set(this.kind);
      code.br(this.exit);
    },
  };

  /** Pushes the EFLAGS bits of the state's lazy flags. */
  private stateBits(): void {
    const { code } = this;
    code.i32(0).memory(op["i32.load"], stateAddress(offsets.flagKind));
    for (const offset of [offsets.flagA, offsets.flagB, offsets.flagC])
      code.i32(0).memory(op["i64.load"], stateAddress(offset));
    code.call(this.helper("cc_bits"));
  }

  /** The interpreter's own handlers. */
  private readonly own = new Map<number, (length: number) => void>([
    [copies.copy128, this.copy(op["v128.load"], "v128")],
    [copies.store8, this.copyTo(op["i32.load8_u"], op["i32.store8"])],
    [copies.store16, this.copyTo(op["i32.load16_u"], op["i32.store16"])],
    [copies.store32, this.copyTo(op["i32.load"], op["i32.store"])],
    ...setFlags.map((handler, i) => [handler, (length: number) => this.setFlags(i + 1, length)] as const),
    [
      flagBits,
      (length: number) => {
        this.result("i32", 4, () => {
          this.immediate();
          for (let i = 1; i <= 3; i++) this.value("i64", i);
          this.code.call(this.helper("cc_bits"));
        });
        this.next(length);
      },
    ],
    ...testBits.map(
      (handler, condition) =>
        [
          handler,
          (length: number) => {
            this.value("i32", 1).set(this.low);
            this.result("i32", 2, () => emitConditionOfBits(this.code, this.low, condition));
            this.next(length);
          },
        ] as const,
    ),
    ...testState.map(
      (handler, condition) =>
        [
          handler,
          (length: number) => {
            this.stateBits();
            this.code.set(this.low);
            this.result("i32", 1, () => emitConditionOfBits(this.code, this.low, condition));
            this.next(length);
          },
        ] as const,
    ),
    ...testedKinds.flatMap(([kind]) =>
      Array.from(
        { length: 64 },
        (_, i) =>
          [
            testKnown[(kind << 6) | i]!,
            (length: number) => this.testKnown(kind, (i >> 4) as Size, i & 15, length),
          ] as const,
      ),
    ),
  ]);

  private setFlags(operands: number, length: number): void {
    const { code } = this;
    this.store(stateAddress(offsets.flagKind), () => this.immediate());
    const fields = [offsets.flagA, offsets.flagB, offsets.flagC];
    for (let i = 0; i < operands; i++) {
      code.i32(0);
      this.value("i64", i + 1).memory(op["i64.store"], stateAddress(fields[i]!));
    }
    this.next(length);
  }

  private testKnown(kind: number, size: Size, condition: number, length: number): void {
    const valueType = size === 3 ? "i64" : "i32";
    this.result("i32", length - 1, () =>
      emitCondition(
        {
          code: this.code,
          operand: (i) => void this.value(valueType, i + 1),
          scratch: (wanted) => this.scratch[wanted]!,
          helper: this.helper,
        },
        kind,
        size,
        condition,
      ),
    );
    this.next(length);
  }
}
