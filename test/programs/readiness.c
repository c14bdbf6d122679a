// Waiting for files: poll, select, epoll, counters, timers, signals and changes as descriptors, pipes and splicing.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void num(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
}
#define N(call) num(#call, (long)(call))
static long elapsed(struct timespec *from) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - from->tv_sec) * 1000 + (now.tv_nsec - from->tv_nsec) / 1000000;
}
static volatile int caught;
static void handler(int signo) { caught = signo; }

static void pipes(void) {
  int p[2];
  char text[100];
  static char block[200000];
  N(pipe2(p, O_NONBLOCK));
  N(read(p[0], text, 10));
  N(write(p[0], text, 10));
  N(write(p[1], block, sizeof block));
  N(write(p[1], "x", 1));
  N(fcntl(p[1], F_GETPIPE_SZ));
  N(read(p[0], block, 100));
  N(read(p[0], block, 4996));
  N(write(p[1], block, 5000) > 0);
  N(write(p[1], block, 4096));
  int count;
  ioctl(p[0], FIONREAD, &count);
  printf("%d\n", count > 60000);
  N(fcntl(p[1], F_SETPIPE_SZ, 4096));
  N(fcntl(p[1], F_SETPIPE_SZ, 100000));
  N(lseek(p[0], 0, SEEK_SET));
  N(pread(p[0], text, 1, 0));
  close(p[1]);
  while (read(p[0], block, sizeof block) > 0) {}
  N(read(p[0], text, 1));
  close(p[0]);
  N(pipe(p));
  close(p[0]);
  signal(SIGPIPE, handler);
  N(write(p[1], "x", 1));
  printf("caught %d\n", caught);
  close(p[1]);
  N(pipe2(p, 1));
  // A writer that fills the pipe while the other end reads.
  pipe(p);
  fflush(stdout);
  if (fork() == 0) {
    close(p[0]);
    N(write(p[1], block, sizeof block));
    fflush(stdout);
    _exit(0);
  }
  close(p[1]);
  long total = 0;
  for (long n; (n = read(p[0], text, sizeof text)) > 0;) total += n;
  wait(NULL);
  printf("total %ld\n", total);
  close(p[0]);
  // Through a pipe without reading.
  int file = open("source", O_CREAT | O_RDWR | O_TRUNC, 0600), out = open("copy", O_CREAT | O_RDWR | O_TRUNC, 0600);
  write(file, "0123456789", 10);
  loff_t from = 2, to = 5;
  pipe(p);
  N(splice(file, &from, p[1], NULL, 6, 0));
  printf("from %ld\n", (long)from);
  int q[2];
  pipe(q);
  N(tee(p[0], q[1], 100, 0));
  N(splice(p[0], NULL, out, &to, 100, 0));
  N(read(q[0], text, 100));
  off_t position = 1;
  N(sendfile(out, file, &position, 4));
  N(lseek(file, 0, SEEK_CUR));
  N(copy_file_range(file, &(loff_t){0}, out, &(loff_t){20}, 10, 0));
  N(pread(out, text, 100, 0));
  for (int i = 0; i < 30; i++) putchar(text[i] ? text[i] : '.');
  putchar('\n');
  N(splice(file, NULL, out, NULL, 5, 0));
}

static void polling(void) {
  int p[2], q[2];
  char text[10];
  pipe(p);
  pipe(q);
  struct pollfd set[4] = {{p[0], POLLIN}, {p[1], POLLOUT}, {-1, POLLIN, 7}, {999, POLLIN}};
  N(poll(set, 4, 0));
  printf("%x %x %x %x\n", set[0].revents, set[1].revents, set[2].revents, set[3].revents);
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  N(poll(set, 1, 30));
  printf("waited %d\n", elapsed(&start) >= 29 && elapsed(&start) < 500);
  fflush(stdout);
  if (fork() == 0) {
    usleep(20000);
    write(p[1], "x", 1);
    _exit(0);
  }
  N(poll(set, 1, 5000));
  printf("%x\n", set[0].revents);
  wait(NULL);
  fd_set r, w, e;
  FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&e);
  FD_SET(p[0], &r); FD_SET(q[0], &r); FD_SET(p[1], &w); FD_SET(p[0], &e);
  N(select(q[1] + 1, &r, &w, &e, NULL));
  printf("%d %d %d %d\n", FD_ISSET(p[0], &r) != 0, FD_ISSET(q[0], &r) != 0, FD_ISSET(p[1], &w) != 0, FD_ISSET(p[0], &e) != 0);
  read(p[0], text, 1);
  FD_ZERO(&r); FD_SET(p[0], &r);
  struct timeval tv = {0, 20000};
  N(select(p[0] + 1, &r, NULL, NULL, &tv));
  printf("left %ld\n", (long)tv.tv_usec);
  FD_ZERO(&r); FD_SET(900, &r);
  N(select(901, &r, NULL, NULL, &tv));
  N(select(-1, NULL, NULL, NULL, &tv));
  close(p[1]);
  N(poll(set, 1, 0));
  printf("%x\n", set[0].revents);
  close(q[0]);
  struct pollfd gone = {q[1], POLLOUT};
  N(poll(&gone, 1, 0));
  printf("%x\n", gone.revents);
  // A signal that only the call lets through.
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  signal(SIGUSR1, handler);
  caught = 0;
  raise(SIGUSR1);
  printf("caught %d\n", caught);
  N(ppoll(NULL, 0, &(struct timespec){5, 0}, &none));
  printf("caught %d\n", caught);
  caught = 0;
  fflush(stdout);
  pid_t parent = getpid();
  if (fork() == 0) {
    usleep(10000);
    kill(parent, SIGUSR1);
    _exit(0);
  }
  N(pselect(0, NULL, NULL, NULL, &(struct timespec){5, 0}, &none));
  printf("caught %d\n", caught);
  wait(NULL);
}

static void epolls(void) {
  int p[2], e = epoll_create1(0);
  char text[10];
  pipe2(p, O_NONBLOCK);
  struct epoll_event event = {EPOLLIN, {.u64 = 0x123456789abcULL}}, got[4];
  N(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
  N(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event));
  N(epoll_ctl(e, EPOLL_CTL_MOD, p[1], &event));
  N(epoll_ctl(e, EPOLL_CTL_ADD, e, &event));
  N(epoll_ctl(e, EPOLL_CTL_ADD, open("source", O_RDONLY), &event));
  N(epoll_ctl(p[0], EPOLL_CTL_ADD, e, &event));
  N(epoll_ctl(e, EPOLL_CTL_ADD, 999, &event));
  N(epoll_wait(e, got, 4, 0));
  write(p[1], "ab", 2);
  N(epoll_wait(e, got, 4, -1));
  printf("%x %llx\n", got[0].events, (long long)got[0].data.u64);
  read(p[0], text, 1);
  N(epoll_wait(e, got, 4, 0));
  event.events = EPOLLIN | EPOLLET;
  N(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &event));
  N(epoll_wait(e, got, 4, 0));
  N(epoll_wait(e, got, 4, 0));
  write(p[1], "c", 1);
  N(epoll_wait(e, got, 4, 0));
  event.events = EPOLLIN | EPOLLONESHOT;
  N(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &event));
  N(epoll_wait(e, got, 4, 0));
  write(p[1], "d", 1);
  N(epoll_wait(e, got, 4, 0));
  event.events = EPOLLOUT;
  N(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &event));
  int outer = epoll_create(1);
  event.events = EPOLLIN;
  N(epoll_ctl(outer, EPOLL_CTL_ADD, e, &event));
  N(epoll_wait(outer, got, 4, 0));
  N(epoll_ctl(e, EPOLL_CTL_DEL, p[1], NULL));
  N(epoll_ctl(e, EPOLL_CTL_DEL, p[1], NULL));
  N(epoll_wait(outer, got, 4, 0));
  N(epoll_wait(e, got, 0, 0));
  event.events = EPOLLIN;
  N(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &event));
  close(p[1]);
  N(epoll_wait(e, got, 4, 0));
  printf("%x\n", got[0].events);
  close(p[0]);
  N(epoll_wait(e, got, 4, 0));
}

static void counters(void) {
  uint64_t value;
  int c = eventfd(3, EFD_NONBLOCK);
  N(read(c, &value, 8));
  printf("%llu\n", (long long)value);
  N(read(c, &value, 8));
  value = 5;
  N(write(c, &value, 8));
  N(write(c, &value, 4));
  value = -2;
  N(write(c, &value, 8));
  value = -1;
  N(write(c, &value, 8));
  int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  N(read(s, &value, 8));
  N(read(s, &value, 8));
  N(read(s, &value, 8));

  int t = timerfd_create(CLOCK_MONOTONIC, 0);
  struct itimerspec setting = {{0, 5000000}, {0, 10000000}}, now;
  N(timerfd_settime(t, 0, &setting, NULL));
  N(read(t, &value, 8));
  printf("%d\n", value >= 1 && value < 20);
  usleep(30000);
  N(read(t, &value, 8));
  printf("%d\n", value >= 5 && value < 100);
  timerfd_gettime(t, &now);
  printf("%ld %d\n", now.it_interval.tv_nsec, now.it_value.tv_nsec <= 5000000);
  setting = (struct itimerspec){{0, 0}, {0, 0}};
  timerfd_settime(t, 0, &setting, NULL);
  fcntl(t, F_SETFL, O_NONBLOCK);
  N(read(t, &value, 8));
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  setting.it_value = at;
  timerfd_settime(t, TFD_TIMER_ABSTIME, &setting, NULL);
  N(read(t, &value, 8));
  N(timerfd_create(77, 0));

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigaddset(&mask, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  int f = signalfd(-1, &mask, SFD_NONBLOCK);
  struct signalfd_siginfo info[3];
  N(read(f, info, sizeof info));
  kill(getpid(), SIGUSR2);
  sigqueue(getpid(), SIGRTMIN, (union sigval){77});
  N(read(f, info, sizeof info) / sizeof info[0]);
  printf("%d %d %d %d\n", info[0].ssi_signo, info[0].ssi_pid == getpid(), info[1].ssi_signo, info[1].ssi_int);
  fflush(stdout);
  pid_t parent = getpid();
  if (fork() == 0) {
    usleep(10000);
    kill(parent, SIGUSR2);
    _exit(0);
  }
  struct pollfd p = {f, POLLIN};
  N(poll(&p, 1, 5000));
  N(read(f, info, sizeof info[0]) == sizeof info[0]);
  wait(NULL);
}

static void changes(void) {
  char buffer[4096];
  mkdir("watched", 0755);
  int i = inotify_init1(IN_NONBLOCK);
  int wd = inotify_add_watch(i, "watched", IN_ALL_EVENTS);
  printf("wd %d\n", wd);
  N(read(i, buffer, sizeof buffer));
  int fd = open("watched/a", O_CREAT | O_WRONLY, 0600);
  write(fd, "x", 1);
  write(fd, "y", 1);
  close(fd);
  chmod("watched/a", 0644);
  rename("watched/a", "watched/b");
  mkdir("watched/d", 0755);
  unlink("watched/b");
  rmdir("watched/d");
  rmdir("watched");
  long count = read(i, buffer, sizeof buffer);
  unsigned first = 0;
  for (long at = 0; at < count;) {
    struct inotify_event *e = (void *)(buffer + at);
    if (e->cookie && !first) first = e->cookie;
    printf("%d %x %d %u %s\n", e->wd, e->mask, e->cookie == first && first != 0, e->len, e->len ? e->name : "");
    at += sizeof *e + e->len;
  }
  N(inotify_rm_watch(i, wd));
  N(inotify_add_watch(i, "nothing", IN_MODIFY));
  N(inotify_add_watch(i, "source", IN_MODIFY | IN_ONLYDIR));
}

int main(void) {
  char where[] = "/tmp/readiness-XXXXXX";
  if (!mkdtemp(where) || chdir(where)) return 1;
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  pipes();
  polling();
  epolls();
  counters();
  changes();
  return 0;
}
