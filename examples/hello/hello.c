// The program of examples/hello.deb: says hello through the kernel's own interface. It needs no C library, so that the
// package is small and complete. Build: examples/build.ts. Runs on any x86-64 Linux.

enum { SYS_write = 1, SYS_getpid = 39, SYS_uname = 63, SYS_getcwd = 79, SYS_exit_group = 231 };

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static char line[4096];
static unsigned used;

static void text(const char *from) {
  while (*from && used < sizeof line) line[used++] = *from++;
}

static void number(unsigned long value) {
  char digits[24];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count && used < sizeof line) line[used++] = digits[--count];
}

static void end(void) {
  text("\n");
  call(SYS_write, 1, (long)line, used);
  used = 0;
}

// Something for the translator: the primes below a limit.
static unsigned long primes(unsigned limit) {
  static unsigned char struck[5000000];
  unsigned long found = 0;
  for (unsigned i = 2; i < limit; i++) {
    if (struck[i]) continue;
    found++;
    for (unsigned long j = (unsigned long)i * i; j < limit; j += i) struck[j] = 1;
  }
  return found;
}

__attribute__((used)) static void run(long *stack) {
  long count = stack[0];
  char **arguments = (char **)(stack + 1), **variables = arguments + count + 1;
  struct { char system[65], node[65], release[65], version[65], machine[65], domain[65]; } name;
  char place[256];
  int shown = 0;
  text("Hello, ");
  text(count > 1 ? arguments[1] : "world");
  text("! This is machine code from a Debian package.");
  end();
  if (call(SYS_uname, (long)&name, 0, 0) == 0) {
    text("  kernel      "), text(name.system), text(" "), text(name.release), text(" on "), text(name.machine);
    end();
  }
  text("  process     "), number((unsigned long)call(SYS_getpid, 0, 0, 0));
  if (call(SYS_getcwd, (long)place, sizeof place, 0) > 0) text(" in "), text(place);
  end();
  text("  environment");
  for (; *variables; variables++, shown++) text(shown ? ", " : " "), text(*variables);
  end();
  text("  primes      "), number(primes(5000000)), text(" below 5000000");
  end();
  call(SYS_exit_group, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n");
