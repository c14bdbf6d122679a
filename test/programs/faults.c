// Recovers from SIGSEGV (null, read-only, guard page), SIGFPE and SIGILL by siglongjmp, on an alternate stack, with the
// faulting address; ends a stack overflow likewise.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static sigjmp_buf back;
static volatile sig_atomic_t code;
static void *volatile where;

static void handler(int signal, siginfo_t *info, void *context) {
  (void)context;
  code = info->si_code;
  where = info->si_addr;
  siglongjmp(back, signal);
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
#pragma GCC diagnostic ignored "-Warray-bounds"
__attribute__((noinline)) static int deep(volatile char *above) {
  volatile char here[4096];
  here[0] = above[0];
  return deep(here) + here[0];
}

int main(void) {
  stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  sigaction(SIGTRAP, &action, NULL);
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(page, 4096, PROT_READ);
  mprotect(page + 4096, 4096, PROT_NONE);
  volatile int zero = 0;
  for (volatile int test = 0; test < 8; test++) {
    int signal = sigsetjmp(back, 1);
    if (signal == 0) {
      switch (test) {
        case 0: *(volatile int *)16 = 1; break;
        case 1: page[12] = 1; break;
        case 2: zero = page[4096 + 7]; break;
        case 3: zero = 7 / zero; break;
        case 4: __asm__ volatile("ud2"); break;
        case 5: zero = *(volatile int *)(page + 4094); break;
        case 6: {
          char top[1] = {1};
          printf("%d\n", deep(top));
          break;
        }
        case 7: __asm__ volatile("int3"); break;
      }
      printf("%d: nothing happened\n", test);
    } else {
      char *at = where;
      const char *place = at == (char *)16 ? "16" : at >= page && at < page + 8192 ? "page" : "elsewhere";
      if (test == 1 || test == 2 || test == 5) printf("%d: signal %d code %d at page+%d\n", test, signal, code, (int)(at - page));
      else printf("%d: signal %d code %d %s\n", test, signal, code, test == 0 ? place : "");
    }
    zero = 0;
  }
  return 0;
}
