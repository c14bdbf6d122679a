import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { add, divide, multiply, squareRoot, subtract } from "./arithmetic.ts";
import { compare, extract, reduction, remainder, roundToInteger, scale } from "./parts.ts";
import { fromDecimal, fromDouble, fromSingle, toDecimal, toDouble, toInteger, toSingle, words } from "./convert.ts";
import { environment, Extended } from "./format.ts";

const program = join(mkdtempSync(join(tmpdir(), "softfloat-")), "native");
beforeAll(() => {
  execFileSync("gcc", ["-O1", "-o", program, join(import.meta.dirname, "native.c")]);
});

const recordSize = 64;
const a = new Extended();
const b = new Extended();
const r = new Extended();
const second = new Extended();

const names = [
  "fadd",
  "fsub",
  "fmul",
  "fdiv",
  "fsqrt",
  "fprem",
  "fprem1",
  "frndint",
  "fscale",
  "fxtract",
  "fcom",
  "fucom",
  "fld m32",
  "fld m64",
  "fst m32",
  "fst m64",
  "fist m16",
  "fist m32",
  "fistp m64",
  "fisttp m64",
  "fbld",
  "fbstp",
];

/** Runs one record; returns undefined when everything agrees, else what differs. */
function check(record: Buffer): string | undefined {
  const op = record.readUInt16LE(0);
  const control = record.readUInt16LE(2);
  const status = record.readUInt16LE(4);
  const read = (to: Extended, at: number) =>
    to.set(record.readUInt16LE(at + 8), record.readInt32LE(at + 4), record.readInt32LE(at));
  read(a, 8);
  read(b, 18);
  environment.rounding = (control >> 10) & 3;
  environment.precision = [24, 64, 53, 64][(control >> 8) & 3]!;
  environment.masked = control & 0x3f;
  environment.flags = environment.up = 0;
  let codes = 0;
  let want2 = b;
  const memory = Buffer.alloc(16);
  r.copy(a);
  switch (op) {
    case 0:
      add(r, a, b);
      break;
    case 1:
      subtract(r, a, b);
      break;
    case 2:
      multiply(r, a, b);
      break;
    case 3:
      divide(r, a, b);
      break;
    case 4:
      squareRoot(r, a);
      break;
    case 5:
    case 6: {
      remainder(r, a, b, op === 6);
      const q = reduction.quotient;
      environment.up = 0;
      codes = ((q & 1) << 9) | ((q & 2) << 13) | ((q & 4) << 6) | (reduction.incomplete ? 0x400 : 0);
      break;
    }
    case 7:
      roundToInteger(r, a);
      break;
    case 8:
      scale(r, a, b);
      break;
    case 9: {
      const kept = new Extended();
      kept.copy(a);
      extract(r, second, a);
      if (environment.flags & ~environment.masked & 7) r.copy(kept);
      else want2 = second;
      break;
    }
    case 10:
    case 11: {
      const order = compare(a, b, op === 10);
      codes = order === 2 ? 0x4500 : order < 0 ? 0x100 : order === 0 ? 0x4000 : 0;
      if (environment.flags & ~environment.masked & 7) codes = status & 0x4700;
      break;
    }
    case 12:
    case 13:
      if (op === 12) fromSingle(r, record.readInt32LE(8));
      else fromDouble(r, record.readInt32LE(8), record.readInt32LE(12));
      break;
    case 14:
      toSingle(a);
      memory.writeInt32LE(words.low);
      break;
    case 15:
      toDouble(a);
      memory.writeInt32LE(words.low);
      memory.writeInt32LE(words.high, 4);
      break;
    case 16:
      toInteger(a, 16, false);
      memory.writeInt16LE((words.low << 16) >> 16);
      break;
    case 17:
      toInteger(a, 32, false);
      memory.writeInt32LE(words.low);
      break;
    case 18:
    case 19:
      toInteger(a, 64, op === 19);
      memory.writeInt32LE(words.low);
      memory.writeInt32LE(words.high, 4);
      break;
    case 20:
      fromDecimal(r, record.subarray(8, 18));
      break;
    case 21:
      toDecimal(a, memory);
      break;
  }
  let flags = environment.flags;
  const refused = flags & ~environment.masked & 7;
  if (refused) {
    flags &= 7;
    environment.up = 0;
    // FISTP and FBSTP did not pop the copy.
    if (op === 18 || op === 19 || op === 21) want2 = a;
    if (op < 9) (r.copy(a), (codes &= 0));
  }
  const differences: string[] = [];
  const show = (x: Extended) =>
    `${x.head.toString(16)}:${(x.high >>> 0).toString(16).padStart(8, "0")}${(x.low >>> 0).toString(16).padStart(8, "0")}`;
  const same = (what: string, got: Extended, at: number) => {
    const native = new Extended();
    native.set(record.readUInt16LE(at + 8), record.readInt32LE(at + 4), record.readInt32LE(at));
    if (native.head !== got.head || native.high !== got.high || native.low !== got.low)
      differences.push(`${what} ${show(got)} native ${show(native)}`);
  };
  if ((status & 0x3f) !== flags) differences.push(`flags ${flags.toString(16)} native ${(status & 0x3f).toString(16)}`);
  const compared = op === 5 || op === 6 ? (refused || flags & 1 ? 0 : 0x4700) : op === 10 || op === 11 ? 0x4700 : 0x200;
  const got = codes | (environment.up << 9);
  if ((status ^ got) & compared) differences.push(`codes ${got.toString(16)} native ${(status & 0x4700).toString(16)}`);
  if (op === 12 || op === 13 || op === 20) {
    if (!refused) same("r", r, 28);
  } else {
    same("r", r, 28);
    same("r2", want2, 38);
    // Stores whose exception is not masked leave memory alone.
    const stores = op >= 14 && !(refused || flags & ~environment.masked & 0x18);
    if (stores) {
      const size = [4, 8, 2, 4, 8, 8, 0, 10][op - 14]!;
      if (memory.compare(record, 48, 48 + size, 0, size) !== 0)
        differences.push(`stored ${memory.toString("hex", 0, size)} native ${record.toString("hex", 48, 48 + size)}`);
    }
  }
  if (differences.length === 0) return undefined;
  const operand = op === 12 || op === 13 ? record.toString("hex", 8, 16) : show(a);
  return `${names[op]} ${operand} ${show(b)} cw ${control.toString(16)}: ${differences.join("; ")}`;
}

describe("arithmetic against the processor", () => {
  for (const [op, name] of names.entries())
    it(name, () => {
      const count = Number(process.env.CASES ?? 15000);
      const output = execFileSync(program, [`${op + 1}`, `${count}`, `${op}`, `${op}`, "0"], {
        maxBuffer: 1 << 30,
      });
      const bad: string[] = [];
      for (let at = 0; at < output.length; at += recordSize) {
        const difference = check(output.subarray(at, at + recordSize));
        if (difference) bad.push(difference);
      }
      expect(bad.slice(0, 8), `${bad.length} of ${count} differ`).toEqual([]);
    });
});
