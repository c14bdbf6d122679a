// Runs x87 operations on pseudo-random operands on the real processor and writes one 64-byte record a case:
// operation, control word, status word, operands, results. Used by softfloat.test.ts.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint16_t op, control, status, pad;
  uint8_t a[10], b[10], r[10], r2[10], memory[16];
} Case;

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state * 0x2545f4914f6cdd1dull;
}

static const uint16_t heads[] = {0, 1, 2, 0x3ffe, 0x3fff, 0x4000, 0x7ffe, 0x7fff, 0x3c00, 0x3c01, 0x3bff, 0x43fe, 0x3f80,
                                 0x3f81, 0x407e, 0x403e, 0x403d, 0x403f, 0x401e, 0x400e, 0x3fbf, 0x3fc0, 0x3bcd, 0x3f6a};
static const uint64_t significands[] = {0, 1, 0x8000000000000000, 0xffffffffffffffff, 0xc000000000000000, 0x7fffffffffffffff,
                                        0xfffffffffffff800, 0xfffffffffffffc00, 0xffffff0000000000, 0xffffff8000000000,
                                        0x8000000000000001, 0xa000000000000000, 0x4000000000000000, 0x8000000000000400};

static void value(uint8_t *to, const uint8_t *near) {
  uint16_t head;
  uint64_t significand;
  switch (next() % 8) {
  case 0: head = heads[next() % (sizeof heads / 2)]; break;
  case 1: head = next(); break;
  case 2: head = near ? (near[8] | (near[9] & 0x7f) << 8) + next() % 140 - 70 : 0x3fff + next() % 70; break;
  case 3: head = near ? (near[8] | (near[9] & 0x7f) << 8) + next() % 5 - 2 : 0x3fff; break;
  default: head = 0x3fff - 8 + next() % 24;
  }
  head = (head & 0x7fff) | (next() & 0x8000);
  switch (next() % 8) {
  case 0: significand = significands[next() % (sizeof significands / 8)]; break;
  case 1: significand = 1ull << next() % 64 | 1ull << next() % 64; break;
  case 2: significand = next() << next() % 64; break;
  case 3: significand = ~(next() >> next() % 64); break;
  default: significand = next();
  }
  if (next() % 16) significand |= head & 0x7fff ? 0x8000000000000000 : 0;
  memcpy(to, &significand, 8);
  memcpy(to + 8, &head, 2);
}

#define RUN(text) \
  asm volatile("fninit\n\tfldt %[b]\n\tfldt %[a]\n\tfldcw %[cw]\n\t" text                                       \
               "\n\tfnstsw %[sw]\n\tfnclex\n\tfldcw %[plain]\n\tfstpt %[r]\n\tfstpt %[r2]\n\tfninit"             \
               : [r] "=m"(c->r), [r2] "=m"(c->r2), [sw] "=m"(c->status), [m] "+m"(c->memory)                     \
               : [a] "m"(c->a), [b] "m"(c->b), [cw] "m"(c->control), [plain] "m"(plain)                         \
               : "st", "st(1)", "st(2)", "st(3)", "memory")

static void run(Case *c) {
  const uint16_t plain = 0x37f;
  switch (c->op) {
  case 0: RUN("fadd %%st(1),%%st"); break;
  case 1: RUN("fsub %%st(1),%%st"); break;
  case 2: RUN("fmul %%st(1),%%st"); break;
  case 3: RUN("fdiv %%st(1),%%st"); break;
  case 4: RUN("fsqrt"); break;
  case 5: RUN("fprem"); break;
  case 6: RUN("fprem1"); break;
  case 7: RUN("frndint"); break;
  case 8: RUN("fscale"); break;
  case 9: RUN("fxtract"); break;
  case 10: RUN("fcom %%st(1)"); break;
  case 11: RUN("fucom %%st(1)"); break;
  case 12: RUN("flds %[m]"); break;
  case 13: RUN("fldl %[m]"); break;
  case 14: RUN("fsts %[m]"); break;
  case 15: RUN("fstl %[m]"); break;
  case 16: RUN("fists %[m]"); break;
  case 17: RUN("fistl %[m]"); break;
  case 18: RUN("fld %%st(0)\n\tfistpll %[m]"); break;
  case 19: RUN("fld %%st(0)\n\tfisttpll %[m]"); break;
  case 20: RUN("fbld %[m]"); break;
  case 21: RUN("fld %%st(0)\n\tfbstp %[m]"); break;
  case 22: RUN("f2xm1"); break;
  case 23: RUN("fyl2x\n\tfldz"); break;
  case 24: RUN("fyl2xp1\n\tfldz"); break;
  case 25: RUN("fpatan\n\tfldz"); break;
  case 26: RUN("fptan"); break;
  case 27: RUN("fsin"); break;
  case 28: RUN("fcos"); break;
  case 29: RUN("fsincos"); break;
  }
}

// native SEED COUNT FIRST LAST MASKED: operations FIRST to LAST in turn; MASKED 1 masks every exception.
int main(int argc, char **argv) {
  state = strtoull(argv[1], 0, 0) * 0x9e3779b97f4a7c15ull + 1;
  long count = atol(argv[2]);
  int first = atoi(argv[3]), last = atoi(argv[4]), masked = atoi(argv[5]);
  static const uint16_t precisions[] = {0, 0x200, 0x300, 0x300};
  (void)argc;
  for (long i = 0; i < count; i++) {
    Case c;
    memset(&c, 0, sizeof c);
    c.op = first + i % (last - first + 1);
    c.control = (masked || next() % 4 ? 0x7f : 0x40 | (next() & 0x3f)) | precisions[next() % 4] | (next() & 0xc00);
    value(c.a, 0);
    value(c.b, c.a);
    uint64_t memory = next();
    if (c.op == 12 || c.op == 13) {
      switch (next() % 4) {
      case 0: memory &= c.op == 12 ? 0x807fffff : 0x800fffffffffffff; break;
      case 1: memory |= c.op == 12 ? 0x7f800000 : 0x7ff0000000000000; break;
      }
      if (next() % 8 == 0) memory &= c.op == 12 ? 0xff800000 : 0xfff0000000000000;
    }
    if (c.op == 20)
      for (int j = 0; j < 9; j++) c.memory[j] = next() % 10 * 16 + next() % 10;
    else
      memcpy(c.memory, &memory, 8);
    if (c.op == 20) c.memory[9] = next();
    if (c.op >= 22) c.control |= 0x37f;
    uint8_t before[16];
    memcpy(before, c.memory, 16);
    run(&c);
    // The memory operand goes out as operand a of loads, as result of stores.
    if (c.op == 12 || c.op == 13 || c.op == 20) memcpy(c.a, before, 10), memcpy(c.memory, before, 16);
    fwrite(&c, sizeof c, 1, stdout);
  }
  return 0;
}
