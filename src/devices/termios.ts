// Terminal settings (termios(3), asm-generic/termbits.h): the flags that matter and their layout in guest memory.

import type { GuestMemory } from "../memory/guest.ts";
import { Access } from "../memory/layout.ts";

export const Input = {
  ignoreBreak: 0o1,
  strip: 0o40,
  newlineToReturn: 0o100,
  ignoreReturn: 0o200,
  returnToNewline: 0o400,
  toLower: 0o1000,
  flow: 0o2000,
  anyRestarts: 0o4000,
  bellWhenFull: 0o20000,
  utf8: 0o40000,
} as const;
export const Output = {
  process: 0o1,
  toUpper: 0o2,
  newlineToBoth: 0o4,
  returnToNewline: 0o10,
  noReturnAtStart: 0o20,
  newlineReturns: 0o40,
  expandTabs: 0o14000,
} as const;
export const Local = {
  signals: 0o1,
  canonical: 0o2,
  echo: 0o10,
  echoErase: 0o20,
  echoKill: 0o40,
  echoNewline: 0o100,
  noFlush: 0o200,
  stopBackground: 0o400,
  echoControl: 0o1000,
  echoKillErase: 0o4000,
  extended: 0o100000,
} as const;
/** Indices of special characters. */
export const Special = {
  interrupt: 0,
  quit: 1,
  erase: 2,
  kill: 3,
  endOfFile: 4,
  time: 5,
  minimum: 6,
  start: 8,
  stop: 9,
  suspend: 10,
  endOfLine: 11,
  reprint: 12,
  discard: 13,
  wordErase: 14,
  literalNext: 15,
  endOfLine2: 16,
} as const;

const specials = 19;
const size = 36;
const size2 = 44;
const sizeOld = 17;
const specialsOld = 8;

export interface Termios {
  input: number;
  output: number;
  control: number;
  local: number;
  line: number;
  readonly special: Uint8Array;
  inputSpeed: number;
  outputSpeed: number;
}

/** What a terminal begins with. */
export function defaultTermios(): Termios {
  const special = new Uint8Array(specials);
  special.set([3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0]);
  return {
    input: Input.returnToNewline | Input.flow,
    output: Output.process | Output.newlineToBoth,
    control: 0xbf,
    local:
      Local.signals |
      Local.canonical |
      Local.echo |
      Local.echoErase |
      Local.echoKill |
      Local.echoControl |
      Local.echoKillErase |
      Local.extended,
    line: 0,
    special,
    inputSpeed: 38400,
    outputSpeed: 38400,
  };
}

/** Which structure a request uses: struct termios, termios2, or the old termio. */
export type Form = "termios" | "termios2" | "termio";

export function writeTermios(guest: GuestMemory, at: number, termios: Termios, form: Form): void {
  if (form === "termio") {
    const bytes = guest.bytes(at, sizeOld, Access.write);
    [termios.input, termios.output, termios.control, termios.local].forEach((flags, i) =>
      guest.view.setUint16(at + i * 2, flags, true),
    );
    bytes[8] = termios.line;
    bytes.set(termios.special.subarray(0, specialsOld), 9);
    return;
  }
  const bytes = guest.bytes(at, form === "termios" ? size : size2, Access.write);
  [termios.input, termios.output, termios.control, termios.local].forEach((flags, i) =>
    guest.view.setUint32(at + i * 4, flags, true),
  );
  bytes[16] = termios.line;
  bytes.set(termios.special, 17);
  if (form === "termios") return;
  guest.view.setUint32(at + 36, termios.inputSpeed, true);
  guest.view.setUint32(at + 40, termios.outputSpeed, true);
}

export function readTermios(guest: GuestMemory, at: number, termios: Termios, form: Form): void {
  if (form === "termio") {
    const bytes = guest.bytes(at, sizeOld, Access.read);
    const low = (old: number, i: number) => (old & ~0xffff) | guest.view.getUint16(at + i * 2, true);
    termios.input = low(termios.input, 0);
    termios.output = low(termios.output, 1);
    termios.control = low(termios.control, 2);
    termios.local = low(termios.local, 3);
    termios.special.set(bytes.subarray(9, 9 + specialsOld));
    return;
  }
  const bytes = guest.bytes(at, form === "termios" ? size : size2, Access.read);
  termios.input = guest.view.getUint32(at, true);
  termios.output = guest.view.getUint32(at + 4, true);
  termios.control = guest.view.getUint32(at + 8, true);
  termios.local = guest.view.getUint32(at + 12, true);
  termios.line = bytes[16]!;
  termios.special.set(bytes.subarray(17, 17 + specials));
  if (form === "termios") return;
  termios.inputSpeed = guest.view.getUint32(at + 36, true);
  termios.outputSpeed = guest.view.getUint32(at + 40, true);
}
