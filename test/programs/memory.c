// mmap, mprotect, mremap, brk, shared memory between processes, files mapped shared and private, madvise.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// The result of a call, and errno as it left it when it failed.
static const char *outcome(long result) {
  static char text[100];
  if (result < 0) snprintf(text, sizeof text, "%ld %s", result, strerror(errno));
  else snprintf(text, sizeof text, "%s", result == 0 ? "0" : "positive");
  return text;
}

int main(void) {
  size_t size = 1 << 20;
  char *a = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(a, 'a', size);
  a = mremap(a, size, 4 * size, MREMAP_MAYMOVE);
  printf("grown: %c %d\n", a[size - 1], a[size]);
  madvise(a, 4096, MADV_DONTNEED);
  printf("dropped: %d %c\n", a[0], a[4096]);
  printf("unmapped: %d", munmap(a, 4 * size));
  printf(" %s\n", outcome(msync(a, 4096, MS_ASYNC)));

  volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (fork() == 0) {
    for (int i = 0; i < 1000; i++) shared[0]++;
    shared[1] = 42;
    _exit(0);
  }
  wait(NULL);
  printf("shared: %d %d\n", shared[0], shared[1]);

  char name[] = "/tmp/mapped-XXXXXX";
  int fd = mkstemp(name);
  if (ftruncate(fd, 10000)) return 1;
  char *file = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *copy = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  strcpy(file + 5000, "through the map");
  char text[32] = "";
  if (pread(fd, text, 15, 5000) != 15) return 1;
  printf("file: %s\n", text);
  if (pwrite(fd, "THROUGH", 7, 5000) != 7) return 1;
  printf("map: %s\n", file + 5000);
  printf("private sees: %s\n", copy + 5000);
  copy[5000] = '!';
  printf("private keeps: %s, file has %c\n", copy + 5000, file[5000]);
  printf("behind the end: %d\n", file[10001]);
  unlink(name);
  close(fd);

  char *start = sbrk(0);
  printf("brk: %d\n", sbrk(1 << 16) == (void *)start);
  start[65535] = 'b';
  sbrk(-(1 << 16));
  printf("bad: %s\n", outcome(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0));
  long sum = 0;
  for (int i = 0; i < 200; i++) {
    size_t length = (size_t)(i * 7919 % 300000 + 1);
    unsigned char *block = malloc(length);
    memset(block, i, length);
    sum += block[length / 2];
    if (i % 3) free(block);
  }
  printf("malloc: %ld\n", sum);
  return 0;
}
