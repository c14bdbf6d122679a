import { expect, test } from "vitest";
import { opRows } from "../cpu/ir/ops.ts";
import { ByteWriter } from "./code.ts";
import { ModuleBuilder } from "./module.ts";
import { op, type } from "./opcodes.ts";

test("LEB128 numbers read back", () => {
  for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 0x7fffffff, -0x80000000]) {
    const to = new ByteWriter(1);
    to.s32(value);
    const wide = new ByteWriter(1);
    wide.s64(value, value < 0 ? -1 : 0);
    expect(to.view()).toEqual(wide.view());
    let read = 0n;
    to.view().forEach((byte, i) => (read |= BigInt(byte & 0x7f) << BigInt(7 * i)));
    expect(BigInt.asIntN(7 * to.length, read)).toBe(BigInt(value));
  }
});

test("constants, loops, branches, memory, tables and tail calls work", () => {
  const module = new ModuleBuilder();
  const binary = module.type([type.i32, type.i32], [type.i32]);
  const log = module.importFunction("env", "log", module.type([type.i32]));
  module.importMemory("env", "memory", { initial: 1, maximum: 65536 });
  const table = module.importTable("env", "table", type.funcref, { initial: 2 });
  const counter = module.global(type.i32, -5, { mutable: true });
  const add = module.function(binary, "add");
  add.code.get(0).get(1).op(op["i32.add"]);
  // The product by repeated addition: a loop that leaves through two blocks, one branch table and a call.
  const multiply = module.function(binary, "multiply");
  {
    const { code } = multiply;
    const sum = code.local(type.i32);
    code.local(type.v128);
    const out = code.block();
    const top = code.loop();
    code.get(1).op(op["i32.eqz"]).brIf(out);
    code.get(sum).get(0).call(add.index).set(sum);
    code.get(1).i32(1).op(op["i32.sub"]).set(1).br(top);
    code.end().end();
    code.get(sum).call(log);
    code.i32(0).get(sum).memory(op["i32.store"], 1024).i32(0).memory(op["i32.load"], 1024);
    code.globalGet(counter).op(op["i32.add"]);
  }
  const tail = module.function(binary);
  tail.code.get(0).get(1).i32(1).returnCallIndirect(binary, table);
  module.exportFunction("tail", tail.index);
  module.fill(table, 0, [add.index, multiply.index]);
  module.place(8, Uint8Array.of(1, 2, 3));
  const bytes = module.finish({ names: true });
  expect(WebAssembly.validate(bytes)).toBe(true);
  const logged: number[] = [];
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: {
      log: (n: number) => logged.push(n),
      memory,
      table: new WebAssembly.Table({ element: "anyfunc", initial: 2 }),
    },
  });
  expect((exports["tail"] as (a: number, b: number) => number)(6, 7)).toBe(37);
  expect(logged).toEqual([42]);
  expect([...new Uint8Array(memory.buffer, 8, 3)]).toEqual([1, 2, 3]);
});

test("every opcode that the IR names is encoded as this table says", () => {
  const named: Record<string, number> = op;
  for (const row of opRows) {
    if (row.wasm === undefined || named[row.name] === undefined) continue;
    expect([row.name, named[row.name]]).toEqual([row.name, row.wasm]);
  }
});

test("every IR operation that is a WebAssembly instruction has the signature its row says", () => {
  for (const { name, wasm, args, result, immediate } of opRows) {
    if (wasm === undefined) continue;
    const code = (key: string) => type[key as keyof typeof type];
    const module = new ModuleBuilder();
    const fn = module.function(module.type(args.map(code), [code(result)]));
    args.forEach((_, i) => fn.code.get(i));
    if (name === "i8x16.shuffle") fn.code.shuffle(0x03020100, 0x07060504, 0x1b1a1918, 0x1f1e1d1c);
    else if (immediate === "lane number") fn.code.lane(wasm, 1);
    else fn.code.op(wasm);
    expect([name, WebAssembly.validate(module.finish())]).toEqual([name, true]);
  }
});
