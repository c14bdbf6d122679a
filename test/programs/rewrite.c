// Maps memory, writes code into it and runs it; rewrites it, in place and while the page is executable, and runs it again.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef int function(int);

// mov eax, edi (or [esp+4]); add eax, N; ret
static size_t code(unsigned char *to, int add) {
#if __x86_64__
  static const unsigned char start[] = {0x89, 0xf8, 0x05};
#else
  static const unsigned char start[] = {0x8b, 0x44, 0x24, 0x04, 0x05};
#endif
  memcpy(to, start, sizeof start);
  memcpy(to + sizeof start, &add, 4);
  to[sizeof start + 4] = 0xc3;
  return sizeof start + 5;
}

int main(void) {
  unsigned char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  long sum = 0;
  for (int round = 0; round < 200; round++) {
    code(page + round % 8 * 64, round);
    for (int i = 0; i < 100; i++) sum += ((function *)(page + round % 8 * 64))(i);
  }
  printf("in place: %ld\n", sum);

  // The same place many times over, hot, then changed by one byte.
  code(page, 1);
  sum = 0;
  for (int i = 0; i < 300000; i++) sum += ((function *)page)(i & 7);
  size_t length = code(page + 128, 0);
  page[length - 5] = 2;
  for (int i = 0; i < 300000; i++) sum += ((function *)page)(i & 7);
  printf("hot, then changed: %ld\n", sum);

  // Never writable and executable at once.
  sum = 0;
  for (int round = 0; round < 20; round++) {
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    code(page, round * 3);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    sum += ((function *)page)(round);
  }
  printf("by turns: %ld\n", sum);

  // Code over a page's end, and a mapping replaced by another one.
  mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
  code(page + 4096 - 4, 77);
  printf("over the end: %d\n", ((function *)(page + 4092))(1));
  page = mmap(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  code(page + 4096 - 4, 99);
  printf("mapped anew: %d\n", ((function *)(page + 4092))(1));
  return 0;
}
