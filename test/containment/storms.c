// Does one thing for ever, as fast and as large as it can.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { large = 64 << 20 };

static void nothing(int signal) {}
static void again(int signal) { kill(getpid(), signal); }
static void *idle(void *argument) {
  pause();
  return argument;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
  if (!strcmp(what, "loop")) {
    for (volatile int i = 0;; i++) {}
  } else if (!strcmp(what, "rewriting")) {
    // inc byte [rip - 4]; jmp back: a loop that changes itself each time.
    unsigned char code[] = {0xfe, 0x05, 0x03, 0, 0, 0, 0xeb, 0xf8, 0x90, 0};
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    ((void (*)(void))page)();
  } else if (!strcmp(what, "children")) {
    for (;;) {
      if (fork() == 0) _exit(0);
      wait(NULL);
    }
  } else if (!strcmp(what, "programs")) {
    for (;;) {
      if (fork() == 0) execl("/proc/self/exe", "x", NULL), _exit(1);
      wait(NULL);
    }
  } else if (!strcmp(what, "bomb")) {
    for (;;) fork();
  } else if (!strcmp(what, "threads")) {
    pthread_t thread;
    for (;;) pthread_create(&thread, NULL, idle, NULL);
  } else if (!strcmp(what, "signals")) {
    signal(SIGUSR1, nothing);
    for (;;) kill(getpid(), SIGUSR1);
  } else if (!strcmp(what, "recursive signals")) {
    struct sigaction action = {.sa_handler = again, .sa_flags = SA_NODEFER};
    stack_t stack = {.ss_sp = malloc(1 << 20), .ss_size = 1 << 20};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    for (;;) {
      if (fork() == 0) kill(getpid(), SIGUSR1);
      wait(NULL);
    }
  } else if (!strcmp(what, "output")) {
    char *text = memset(malloc(1 << 20), 'x', 1 << 20);
    for (;;) write(1, text, 1 << 20);
  } else if (!strcmp(what, "zeros")) {
    char *block = malloc(large);
    for (;;) read(zero, block, large);
  } else if (!strcmp(what, "random")) {
    char *block = malloc(large);
    for (;;) getrandom(block, large, 0);
  } else if (!strcmp(what, "fill")) {
    char *block = malloc(large);
    for (;;) {
      char *at = block;
      long count = large;
      __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(1) : "memory");
    }
  } else if (!strcmp(what, "vectors")) {
    static struct iovec parts[1024];
    char *block = malloc(1 << 20);
    for (int i = 0; i < 1024; i++) parts[i] = (struct iovec){block, 1 << 20};
    for (;;) readv(zero, parts, 1024), writev(null, parts, 1024);
  } else if (!strcmp(what, "copies")) {
    for (;;) sendfile(null, zero, NULL, 0x7ffff000);
  } else if (!strcmp(what, "splices")) {
    int p[2];
    pipe(p);
    for (;;) splice(zero, NULL, p[1], NULL, 0x7ffff000, 0), splice(p[0], NULL, null, NULL, 0x7ffff000, 0);
  } else if (!strcmp(what, "regions")) {
    for (int i = 0;; i++) mmap(0, 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  } else if (!strcmp(what, "mappings")) {
    for (;;) {
      char *block = mmap(0, large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (long i = 0; i < large; i += 4096) block[i] = 1;
      mprotect(block, large, PROT_READ);
      munmap(block, large);
    }
  } else if (!strcmp(what, "links")) {
    char to[64], from[64];
    symlink("/tmp", "/tmp/l0");
    for (int i = 1; i < 39; i++) sprintf(to, "/tmp/l%d", i - 1), sprintf(from, "/tmp/l%d", i), symlink(to, from);
    for (;;) access("/tmp/l38/l37/l36/l35", 0);
  } else if (!strcmp(what, "depth")) {
    for (;;) mkdir("d", 0755), chdir("d");
  } else if (!strcmp(what, "names")) {
    char *path = malloc(4096);
    for (int i = 0; i < 4094; i += 2) path[i] = '.', path[i + 1] = '/';
    path[4094] = 0;
    for (;;) access(path, 0);
  } else if (!strcmp(what, "locks")) {
    int fd = open("/tmp/locked", O_CREAT | O_RDWR, 0600);
    for (long i = 0;; i += 2) fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = i, .l_len = 1});
  } else if (!strcmp(what, "polls")) {
    static struct pollfd files[1000];
    for (int i = 0; i < 1000; i++) files[i] = (struct pollfd){.fd = dup(zero), .events = POLLIN};
    for (;;) poll(files, 1000, 0);
  } else if (!strcmp(what, "files")) {
    char name[32];
    for (int i = 0;; i++) sprintf(name, "/tmp/%d", i), close(open(name, O_CREAT | O_WRONLY, 0600));
  } else if (!strcmp(what, "growth")) {
    int fd = open("/tmp/grown", O_CREAT | O_RDWR, 0600);
    for (;;) ftruncate(fd, 1L << 40), fallocate(fd, 0, 0, 1L << 35), ftruncate(fd, 0);
  } else if (!strcmp(what, "memory")) {
    for (;;) memset(malloc(1 << 20), 1, 1 << 20);
  }
  return 0;
}
