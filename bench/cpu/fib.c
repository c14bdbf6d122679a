// Recursive Fibonacci numbers: calls and returns.
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, optimize("no-optimize-sibling-calls", "no-inline"))) static unsigned fib(unsigned n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int count, char **arguments) {
  printf("fib %u\n", fib(count > 1 ? (unsigned)atoi(arguments[1]) : 41));
  return 0;
}
