// Takes all there is of one thing, then says how it ended.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[1 << 16];

int main(int argc, char **argv) {
  long count = 0;
  const char *what = argv[1];
  memset(block, 1, sizeof block);
  if (!strcmp(what, "disk")) {
    int fd = open("/tmp/full", O_CREAT | O_WRONLY, 0600);
    while (write(fd, block, sizeof block) > 0) count++;
    printf("%s after %d MiB\n", strerror(errno), (int)(count / 16) > 0);
    close(fd);
    unlink("/tmp/full");
    printf("again %d\n", write(open("/tmp/again", O_CREAT | O_WRONLY, 0600), block, sizeof block) == sizeof block);
  } else if (!strcmp(what, "sparse")) {
    int fd = open("/tmp/sparse", O_CREAT | O_RDWR, 0600);
    printf("%d\n", ftruncate(fd, 1L << 42));
    for (; count < 100000; count++)
      if (pwrite(fd, "x", 1, count << 26) < 0) break;
    printf("%s %d\n", strerror(errno), count > 10);
  } else if (!strcmp(what, "names")) {
    char name[100];
    for (;; count++) {
      sprintf(name, "/tmp/%ld", count);
      int fd = open(name, O_CREAT | O_WRONLY, 0600);
      if (fd < 0) break;
      close(fd);
    }
    printf("%s %d\n", strerror(errno), count > 100);
  } else if (!strcmp(what, "memfd")) {
    int fd = memfd_create("x", 0);
    while (write(fd, block, sizeof block) > 0) count++;
    printf("%s\n", strerror(errno));
  } else if (!strcmp(what, "files")) {
    while (dup(0) >= 0) count++;
    printf("%s %d\n", strerror(errno), count > 100);
  } else if (!strcmp(what, "pipes")) {
    int p[2];
    for (; pipe2(p, O_NONBLOCK) == 0; count++) {
      fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
      while (write(p[1], block, sizeof block) > 0) {}
    }
    printf("%s %d\n", strerror(errno), count > 100);
  } else if (!strcmp(what, "sockets")) {
    int p[2];
    for (; socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0; count++)
      while (write(p[1], block, sizeof block) > 0) {}
    printf("%s %d\n", strerror(errno), count > 100);
  } else if (!strcmp(what, "inotify")) {
    while (inotify_init() >= 0) count++;
    printf("%s %d\n", strerror(errno), count > 10);
  }
  return 0;
}
