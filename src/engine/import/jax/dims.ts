// Symbolic extents of JAX ("b", "2*b + 1", "floordiv(b, 2)"): their values when the names are bound (JAX, shape
// polymorphism).

import { FormatError } from "../../../base/errors.ts";

const token = /\s*(?:(\d+)|([A-Za-z_]\w*)|([-+*^(),]))/y;
const maximumDepth = 50;

const functions: Readonly<Record<string, (...values: number[]) => number>> = {
  floordiv: (a, b) => Math.floor(a / b!),
  mod: (a, b) => a - b! * Math.floor(a / b!),
  max: Math.max,
  min: Math.min,
  non_negative: (a) => Math.max(a, 0),
};

/** Whether an extent is one name. */
export const isName = (extent: string): boolean => /^[A-Za-z_]\w*$/.test(extent);

/** The value of an extent; names that are not bound are 1. Throws FormatError for what is no such expression. */
export function extentValue(text: string, bound: ReadonlyMap<string, number>): number {
  token.lastIndex = 0;
  let depth = 0;
  let current: RegExpExecArray | null = null;
  const fail = (): never => {
    throw new FormatError(`symbolic extent '${text.slice(0, 80)}' is not read`);
  };
  const advance = () => {
    const at = token.lastIndex;
    current = token.exec(text);
    if (!current && text.slice(at).trim() !== "") fail();
  };
  const peek = (symbol: string) => current?.[3] === symbol;
  const accept = (symbol: string) => peek(symbol) && (advance(), true);

  function sum(): number {
    if (++depth > maximumDepth) fail();
    let value = product();
    for (;;) {
      if (accept("+")) value += product();
      else if (accept("-")) value -= product();
      else break;
    }
    depth--;
    return value;
  }
  function product(): number {
    let value = power();
    while (accept("*")) value *= power();
    return value;
  }
  function power(): number {
    if (accept("-")) return -power();
    const base = atom();
    return accept("^") ? base ** atom() : base;
  }
  function atom(): number {
    const [, digits, name] = current ?? fail();
    if (digits !== undefined) {
      advance();
      return Number(digits);
    }
    if (name === undefined) {
      if (!accept("(")) return fail();
      const value = sum();
      return accept(")") ? value : fail();
    }
    advance();
    if (!accept("(")) return bound.get(name) ?? 1;
    const values: number[] = [];
    do values.push(sum());
    while (accept(","));
    if (!accept(")")) return fail();
    return Object.hasOwn(functions, name) ? functions[name]!(...values) : fail();
  }

  advance();
  const value = sum();
  return current === null && Number.isFinite(value) ? value : fail();
}
