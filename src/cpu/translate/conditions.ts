// Condition codes of flags whose origin is known, as comparisons. Common cases become single comparisons of the operands;
// the rest is one node that ir/emit.ts spells out.

import { Flag, FlagKind } from "../ir/flags.ts";
import { extra, ops, type Node, type Nodes } from "./nodes.ts";

/** Comparisons after CMP or SUB by condition code; undefined where it takes more than one. For 32 and 64 bits. */
const compared: Readonly<Record<number, readonly [number, number]>> = {
  2: [ops.ltU32, ops.ltU64],
  3: [ops.geU32, ops.geU64],
  4: [ops.eq32, ops.eq64],
  5: [ops.ne32, ops.ne64],
  6: [ops.leU32, ops.leU64],
  7: [ops.gtU32, ops.gtU64],
  12: [ops.ltS32, ops.ltS64],
  13: [ops.geS32, ops.geS64],
  14: [ops.leS32, ops.leS64],
  15: [ops.gtS32, ops.gtS64],
};
/** Comparisons of a result with zero, after an operation that clears CF and OF. */
const tested: Readonly<Record<number, readonly [number, number]>> = {
  4: [ops.eq32, ops.eq64],
  5: [ops.ne32, ops.ne64],
  6: [ops.eq32, ops.eq64],
  7: [ops.ne32, ops.ne64],
  8: [ops.ltS32, ops.ltS64],
  9: [ops.geS32, ops.geS64],
  12: [ops.ltS32, ops.ltS64],
  13: [ops.geS32, ops.geS64],
  14: [ops.leS32, ops.leS64],
  15: [ops.gtS32, ops.gtS64],
};
const isSigned = (code: number): boolean => code === 8 || code === 9 || code >= 12;

/** The i32 node, 0 or 1, of condition `code` (tttn) for flags of a shape (immediate of cc.set) and its operands. */
export function condition(nodes: Nodes, shape: number, a: Node, b: Node, c: Node, code: number): Node {
  const kind = shape & 0xff;
  const size = shape >>> 8;
  const wide = size === 3 ? 1 : 0;
  const clean = (node: Node, signed: boolean): Node => {
    if (size >= 2) return node;
    if (signed) return nodes.make(size === 0 ? ops.extend8 : ops.extend16, node);
    return nodes.make(ops.and32, node, nodes.i32(size === 0 ? 0xff : 0xffff));
  };
  const zero = () => (wide ? nodes.i64(0) : nodes.i32(0));
  const withZero = (value: Node, row: Readonly<Record<number, readonly [number, number]>>, of: number) =>
    nodes.make(row[of]![wide]!, clean(value, isSigned(of)), zero());

  switch (kind) {
    case FlagKind.sub: {
      const row = compared[code];
      if (row !== undefined) {
        const signed = isSigned(code);
        return nodes.make(row[wide]!, clean(a, signed), clean(b, signed));
      }
      if (code === 8 || code === 9) return withZero(nodes.make(wide ? ops.sub64 : ops.sub32, a, b), tested, code);
      break;
    }
    case FlagKind.logic:
      if (code < 4) return nodes.i32(code & 1);
      if (tested[code] !== undefined) return withZero(a, tested, code);
      break;
    case FlagKind.add:
      if (code === 4 || code === 5 || code === 8 || code === 9)
        return withZero(nodes.make(wide ? ops.add64 : ops.add32, a, b), tested, code);
      if (code === 2 || code === 3) {
        const sum = clean(nodes.make(wide ? ops.add64 : ops.add32, a, b), false);
        return nodes.make(compared[code]![wide]!, sum, clean(a, false));
      }
      break;
    case FlagKind.inc:
    case FlagKind.dec:
    case FlagKind.shl:
    case FlagKind.shr:
    case FlagKind.sar:
    case FlagKind.mul:
      // The first operand is the result.
      if (code === 4 || code === 5 || code === 8 || code === 9) return withZero(a, tested, code);
      if ((kind === FlagKind.inc || kind === FlagKind.dec || kind === FlagKind.mul) && (code === 2 || code === 3)) {
        const carry = wide ? nodes.make(ops.wrap, b) : b;
        return code === 2 ? carry : nodes.make(ops.eqz32, carry);
      }
      break;
    case FlagKind.bits: {
      const mask = [Flag.overflow, Flag.carry, Flag.zero, Flag.carry | Flag.zero, Flag.sign, Flag.parity][code >> 1];
      if (mask === undefined) break;
      const masked = nodes.make(ops.and32, a, nodes.i32(mask));
      return nodes.make(code & 1 ? ops.eqz32 : ops.ne32, masked, code & 1 ? -1 : nodes.i32(0));
    }
  }
  return nodes.make(extra.test, a, b, c, shape | (code << 12));
}
