// An interpreter for a small stack machine, with a switch: counts primes with a sieve, written in its bytecode.
#include <stdint.h>
#include <stdio.h>

enum { PUSH, LOAD, STORE, ADD, SUB, MUL, LESS, JUMP, JUMPZ, PEEK, POKE, HALT };

static int64_t memory[200001];

static int64_t run(const int32_t *code) {
  int64_t stack[64], local[8] = {0};
  int64_t *top = stack;
  for (const int32_t *pc = code;;) {
    switch (*pc++) {
      case PUSH: *top++ = *pc++; break;
      case LOAD: *top++ = local[*pc++]; break;
      case STORE: local[*pc++] = *--top; break;
      case ADD: top--; top[-1] += top[0]; break;
      case SUB: top--; top[-1] -= top[0]; break;
      case MUL: top--; top[-1] *= top[0]; break;
      case LESS: top--; top[-1] = top[-1] < top[0]; break;
      case JUMP: pc = code + *pc; break;
      case JUMPZ: pc = *--top ? pc + 1 : code + *pc; break;
      case PEEK: top[-1] = memory[top[-1]]; break;
      case POKE: top -= 2; memory[top[1]] = top[0]; break;
      case HALT: return local[2];
    }
  }
}

int main(void) {
  // local 0: i, local 1: j, local 2: count, local 3: limit
  int32_t code[200];
  int n = 0;
#define EMIT(...) do { const int32_t piece[] = {__VA_ARGS__}; \
    for (unsigned q = 0; q < sizeof piece / sizeof *piece; q++) code[n++] = piece[q]; } while (0)
  EMIT(PUSH, 200000, STORE, 3, PUSH, 0, STORE, 0);
  int clear = n;
  EMIT(LOAD, 0, LOAD, 3, LESS, JUMPZ, 0);
  int cleared = n - 1;
  EMIT(PUSH, 0, LOAD, 0, POKE, LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, clear);
  code[cleared] = n;
  EMIT(PUSH, 0, STORE, 2, PUSH, 2, STORE, 0);
  int outer = n;
  EMIT(LOAD, 0, LOAD, 3, LESS, JUMPZ, 0);
  int done = n - 1;
  EMIT(LOAD, 0, PEEK, JUMPZ, 0);
  int prime = n - 1;
  EMIT(JUMP, 0);
  int skip = n - 1;
  code[prime] = n;
  EMIT(LOAD, 2, PUSH, 1, ADD, STORE, 2, LOAD, 0, LOAD, 0, ADD, STORE, 1);
  int inner = n;
  EMIT(LOAD, 1, LOAD, 3, LESS, JUMPZ, 0);
  int struck = n - 1;
  EMIT(PUSH, 1, LOAD, 1, POKE, LOAD, 1, LOAD, 0, ADD, STORE, 1, JUMP, inner);
  code[skip] = code[struck] = n;
  EMIT(LOAD, 0, PUSH, 1, ADD, STORE, 0, JUMP, outer);
  code[done] = n;
  EMIT(HALT);
  int64_t total = 0;
  for (int round = 0; round < 25; round++) total += run(code);
  printf("bytecode %lld\n", (long long)total);
  return 0;
}
