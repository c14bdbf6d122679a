// The stack that a new program finds: strings, auxiliary vector, environment, arguments (System V ABI, "Process
// Initialization"; getauxval(3)).

import type { AddressSpace } from "../../kernel/addressspace.ts";
import { E2BIG } from "../../kernel/errno.ts";
import { Access } from "../../memory/layout.ts";

/** AT_ types of the auxiliary vector. */
export const Aux = {
  null: 0,
  phdr: 3,
  phent: 4,
  phnum: 5,
  pagesz: 6,
  base: 7,
  flags: 8,
  entry: 9,
  uid: 11,
  euid: 12,
  gid: 13,
  egid: 14,
  platform: 15,
  hwcap: 16,
  clktck: 17,
  secure: 23,
  random: 25,
  hwcap2: 26,
  execfn: 31,
  minsigstksz: 51,
} as const;

export interface StackParts {
  readonly arguments: readonly Uint8Array[];
  readonly environment: readonly Uint8Array[];
  /** AT_EXECFN. */
  readonly name: Uint8Array;
  /** "x86_64", "i686". */
  readonly platform: string;
  /** 16 bytes for AT_RANDOM. */
  readonly random: Uint8Array;
  /** Entries but for those that point into the stack. */
  readonly auxiliary: readonly (readonly [type: number, value: number])[];
}

/** Writes the stack below `top` and returns the stack pointer. Throws E2BIG when it takes more than `limit` bytes. */
export function buildStack(space: AddressSpace, top: number, limit: number, bits: 32 | 64, parts: StackParts): number {
  const word = bits / 8;
  const strings = [...parts.arguments, ...parts.environment];
  const size = strings.reduce((sum, text) => sum + text.length + 1 + word, 0) + parts.name.length + 1;
  if (size > limit) throw E2BIG;
  const { guest } = space;

  // The end of the stack: one zero word, then downwards the name, the strings, the platform and the random bytes.
  let at = top - word;
  const put = (bytes: Uint8Array, zero: boolean): number => {
    at -= bytes.length + (zero ? 1 : 0);
    guest.write(at, bytes);
    return at;
  };
  const name = put(parts.name, true);
  const pointers = strings.map(() => 0);
  const { image } = space;
  image.envEnd = name;
  for (let i = strings.length - 1; i >= 0; i--) {
    pointers[i] = put(strings[i]!, true);
    if (i === parts.arguments.length) image.envStart = pointers[i]!;
  }
  image.argStart = pointers[0] ?? at;
  image.argEnd = parts.environment.length > 0 ? image.envStart : name;
  if (parts.environment.length === 0) image.envStart = image.envEnd;
  const platform = put(new TextEncoder().encode(parts.platform), true);
  at -= at % 16;
  const random = put(parts.random, false);

  const auxiliary: (readonly [number, number])[] = [
    ...parts.auxiliary,
    [Aux.random, random],
    [Aux.execfn, name],
    [Aux.platform, platform],
    [Aux.null, 0],
  ];
  const words = [
    parts.arguments.length,
    ...pointers.slice(0, parts.arguments.length),
    0,
    ...pointers.slice(parts.arguments.length),
    0,
    ...auxiliary.flat(),
  ];
  const pointer = Math.floor((at - words.length * word) / 16) * 16;
  const bytes = guest.bytes(pointer, words.length * word, Access.write);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const [i, value] of words.entries()) {
    if (bits === 64) view.setBigUint64(i * 8, BigInt(value), true);
    else view.setUint32(i * 4, value, true);
  }
  space.auxiliary = bytes.slice((words.length - 2 * auxiliary.length) * word);
  image.stack = pointer;
  return pointer;
}
