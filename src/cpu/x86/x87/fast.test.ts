import { beforeEach, describe, expect, it } from "vitest";
import { GuestMemory } from "../../../memory/guest.ts";
import { Access, layout } from "../../../memory/layout.ts";
import { calloutNumber, callouts, type CalloutName } from "../../callouts.ts";
import { offsets } from "../../state.ts";
import { CpuView } from "../../view.ts";
import { fastModule } from "./fast.ts";
import { resetFloatingPoint } from "./unit.ts";

const place = layout.guest;
const memory = new GuestMemory();
memory.reach(place + 0x10000);
memory.allow(place, place + 0x10000, Access.read | Access.write);
const cpu = new CpuView(memory);
cpu.enter();
let slow = 0;
const fast = new WebAssembly.Instance(new WebAssembly.Module(fastModule()), {
  env: { memory: memory.wasm, callout: () => ++slow && 77 },
}).exports["callout"] as (number: number) => number;

let seed = 1;
const random = (): number => {
  seed = (seed + 0x9e3779b9) | 0;
  let z = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
};
const below = (limit: number): number => random() % limit;
const significand = (): [number, number] => {
  const shape = below(6);
  if (shape === 0) return [0, 0x80000000];
  if (shape === 1) return [-1, -1];
  if (shape === 2) return [1 << below(32), (0x80000000 | (1 << below(32))) >>> 0];
  if (shape === 3) return [below(4) - 2, random() | 0x80000000];
  if (shape === 4) return [random() & 0xfffff800, random() | 0x80000000];
  return [random(), random() | 0x80000000];
};

/** Registers with ordinary numbers and now and then a zero; a memory operand in the scratch words. */
function fill(): void {
  resetFloatingPoint(cpu);
  const top = below(8);
  cpu.view.setUint16(offsets.x87Status, (top << 11) | (below(2) << 9) | (below(2) << 14), true);
  if (below(8) === 0) cpu.view.setUint16(offsets.x87Control, 0x37f | (3 << 10), true);
  let tags = 0;
  const range = [2, 70, 200, 3000][below(4)]!;
  for (let i = 0; i < 8; i++) {
    const at = offsets.x87 + 16 * i;
    const [low, high] = significand();
    const zero = below(12) === 0;
    cpu.view.setUint32(at, zero ? 0 : low >>> 0, true);
    cpu.view.setUint32(at + 4, zero ? 0 : high >>> 0, true);
    cpu.view.setUint16(at + 8, (zero ? 0 : 0x3fff - range + below(2 * range)) | (below(2) << 15), true);
    if (((i - top) & 7) > 5) tags |= 3 << (2 * i);
  }
  cpu.view.setUint16(offsets.x87Tags, tags, true);
}

/** Runs a callout both ways from the same state; true when the fast one did it. */
function both(name: CalloutName, request: number, low: number, high: number, third: number): boolean {
  const words = [request, 0, low, high, third, 0];
  words.forEach((value, i) => cpu.view.setInt32(offsets.scratch + 4 * i, value, true));
  const before = cpu.bytes.slice();
  const beforeMemory = memory.u8.slice(place, place + 64);
  const done = fast(calloutNumber(name)) === 0;
  if (!done) return false;
  const after = cpu.bytes.slice();
  const afterMemory = memory.u8.slice(place, place + 64);
  cpu.bytes.set(before);
  memory.u8.set(beforeMemory, place);
  callouts[calloutNumber(name)]!(cpu);
  // Tags count as empty or not; the words above a register's 80 bits mean nothing.
  for (let i = 0; i < 8; i++) {
    after.fill(0, offsets.x87 + 16 * i + 10, offsets.x87 + 16 * i + 16);
    cpu.bytes.fill(0, offsets.x87 + 16 * i + 10, offsets.x87 + 16 * i + 16);
  }
  if (Buffer.compare(after, cpu.bytes) !== 0 || Buffer.compare(afterMemory, memory.u8.slice(place, place + 64)) !== 0) {
    const different = [...after.keys()].filter((i) => after[i] !== cpu.bytes[i]);
    throw new Error(
      `${name} ${request.toString(16)} operand ${high.toString(16)} ${low.toString(16)} differs at ${different.join()}: ` +
        `${Buffer.from(after.subarray(offsets.x87Control, offsets.x87 + 128)).toString("hex")} ` +
        `want ${Buffer.from(cpu.bytes.subarray(offsets.x87Control, offsets.x87 + 128)).toString("hex")} ` +
        `from ${Buffer.from(before.subarray(offsets.x87Control, offsets.x87 + 128)).toString("hex")} ` +
        `memory ${Buffer.from(afterMemory).toString("hex", 0, 10)} want ${Buffer.from(memory.u8).toString("hex", place, place + 10)}`,
    );
  }
  return true;
}

const double = (): [number, number] => {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(4, below(6) === 0 ? 0 : random(), true);
  view.setUint32(0, below(4) === 0 ? 0 : ((0x3ff - 40 + below(80)) << 20) | (random() & 0x800fffff), true);
  if (below(16) === 0) return [0, below(2) << 31];
  return [view.getInt32(4, true), view.getInt32(0, true)];
};
const single = (): [number, number] => [
  below(16) === 0 ? 0 : ((127 - 20 + below(40)) << 23) | (random() & 0x807fffff),
  0,
];
const integer = (): [number, number] => {
  const value = [below(3), random() | 0][below(2)]!;
  return [value, value >> 31];
};

describe("the fast callouts do what the callouts do", () => {
  beforeEach(() => {
    seed = 7;
    slow = 0;
  });
  const each = (count: number, run: () => boolean, share: number) => {
    let done = 0;
    for (let i = 0; i < count; i++) {
      fill();
      if (run()) done++;
    }
    expect(done / count).toBeGreaterThan(share);
  };
  const operand = (source: number) => (source === 2 ? double() : source === 1 ? single() : integer());

  it.each([0, 1, 4, 5, 6, 7])("arithmetic %i", (digit) => {
    each(
      20000,
      () => {
        const source = below(5);
        const request = digit | (below(3) << 4) | (below(6) << 8) | (below(2) << 12) | (source << 16);
        return both("x87Arithmetic", request, ...operand(source), 0);
      },
      0.5,
    );
  });
  it("loads", () => {
    each(
      10000,
      () => {
        const format = below(6);
        const [low, high] =
          format === 0 ? single() : format === 1 ? double() : format === 2 ? [random(), random()] : integer();
        return both("x87Load", format, low!, high!, below(0x10000));
      },
      0.8,
    );
  });
  it("stores", () => {
    each(20000, () => both("x87Store", below(10) | (below(2) << 4), place + below(16), 0, 0), 0.3);
  });
  it("comparisons", () => {
    each(
      20000,
      () => {
        const source = below(3);
        const request =
          below(6) | (below(2) << 4) | ([0, 0x20, 0x60][below(3)]! | (below(2) << 7) | (below(8) === 0 ? 0x100 : 0));
        return both("x87Compare", request, ...operand(source), source);
      },
      0.5,
    );
  });
  it("moves", () => {
    each(4000, () => both("x87Duplicate", below(8), 0, 0, 0), 0.5);
    each(4000, () => both("x87StoreRegister", below(8) | (below(4) << 4), 0, 0, 0), 0.5);
    each(4000, () => both("x87Exchange", below(8), 0, 0, 0), 0.5);
    each(4000, () => both("x87Unary", below(2), 0, 0, 0), 0.5);
    each(4000, () => both("x87Constant", below(7), 0, 0, 0), 0.2);
    each(4000, () => both("x87SetControl", 0x37f | (below(16) << 8), 0, 0, 0), 0.5);
  });
});
