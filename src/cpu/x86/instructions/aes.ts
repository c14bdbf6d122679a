// AES-NI and carry-less multiplication; the work is done by callouts (../crypto.ts).

import { AesOp } from "../crypto.ts";
import { ins, type LiftRow, type Row } from "../table.ts";
import { lane } from "./vector.ts";

/** The callout reads and writes the destination register itself. */
const aes =
  (operation: number): LiftRow =>
  (ir, to, from, imm) => {
    const value = ir.read128(from!);
    const request = operation | (to!.number << 4) | (((imm?.low ?? 0) & 0xff) << 8);
    ir.callout("aes", ir.i64(request), lane(ir, "i64x2", value, 0), lane(ir, "i64x2", value, 1));
  };

const carrylessMultiply: LiftRow = (ir, to, from, imm) => {
  const value = ir.read128(from!);
  const a = lane(ir, "i64x2", ir.getx(to!.number), imm!.low & 1);
  ir.callout("carrylessMultiply", ir.i64(to!.number), a, lane(ir, "i64x2", value, (imm!.low >> 4) & 1));
};

const operands = ["xmm", "xmm/m128"] as const;

export const aesRows: readonly Row[] = [
  ins("66 0F 38 DB /r", "aesimc", operands, aes(AesOp.inverseMix)),
  ins("66 0F 38 DC /r", "aesenc", operands, aes(AesOp.encrypt)),
  ins("66 0F 38 DD /r", "aesenclast", operands, aes(AesOp.encryptLast)),
  ins("66 0F 38 DE /r", "aesdec", operands, aes(AesOp.decrypt)),
  ins("66 0F 38 DF /r", "aesdeclast", operands, aes(AesOp.decryptLast)),
  ins("66 0F 3A DF /r ib", "aeskeygenassist", [...operands, "uimm"], aes(AesOp.keyAssist)),
  ins("66 0F 3A 44 /r ib", "pclmulqdq", [...operands, "uimm"], carrylessMultiply),
];
