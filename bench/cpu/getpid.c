// System calls: a loop of getpid, which glibc does not cache.
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
  long calls = count > 1 ? atol(arguments[1]) : 1000000;
  long sum = 0;
  for (long i = 0; i < calls; i++) sum += syscall(SYS_getpid) > 0;
  printf("getpid %ld\n", sum);
  return sum != calls;
}
