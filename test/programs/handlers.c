// Handlers: alternative stack, nesting, resetting, changed registers, timers amid arithmetic, SIGCHLD, real-time queues.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <setjmp.h>
#include <unistd.h>
#include <errno.h>
#include <sys/wait.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
static sigjmp_buf env;
static char *alt;
static volatile int depth;
static void over(int s, siginfo_t *i, void *u) {
  char here;
  printf("overflow on alt %d code %d\n", &here >= alt && &here < alt+65536, i->si_code == SEGV_MAPERR || i->si_code == SEGV_ACCERR);
  siglongjmp(env, 1);
}
static int recurse(int n) {
  volatile char b[4096];
  b[0] = n;
  return recurse(n+1)+b[0];
}
static volatile int count;
static void nest(int s) {
  int c=++count;
  if (c < 4) raise(s);
  printf("leave %d\n", c);
}
static void once(int s) {
  printf("once\n");
}
static void skip(int s, siginfo_t*i, void*u) {
  ucontext_t*c = u;
#ifdef __x86_64__
  c->uc_mcontext.gregs[REG_RIP] += 2;
  c->uc_mcontext.gregs[REG_RBX] = 77;
#else
  c->uc_mcontext.gregs[REG_EIP] += 2;
  c->uc_mcontext.gregs[REG_EBX] = 77;
#endif
  printf("skip sig %d trap %d err %d\n", s, (int)c->uc_mcontext.gregs[REG_TRAPNO], (int)c->uc_mcontext.gregs[REG_ERR]);
}
static volatile sig_atomic_t ticks;
static void tick(int s) {
  volatile double d = 1.5;
  d = d*d+d/3;
  ticks++;
}
static void child(int s, siginfo_t*i, void*u) {
  printf("chld code %d status %d pid ok %d\n", i->si_code, i->si_status, i->si_pid > 0);
}
int main() {
  setvbuf(stdout, 0, _IOLBF, 0);
  alt = malloc(65536);
  stack_t ss={.ss_sp = alt, .ss_size = 65536};
  sigaltstack(&ss, 0);
  struct sigaction sa={0};
  sa.sa_sigaction = over;
  sa.sa_flags = SA_SIGINFO|SA_ONSTACK;
  sigaction(SIGSEGV, &sa, 0);
  for (int i = 0;i < 3;i++) if (!sigsetjmp(env, 1)) recurse(0);
  else printf("back %d\n", i);
  stack_t cur;
  sigaltstack(0, &cur);
  printf("alt flags %d size %d\n", cur.ss_flags, (int)cur.ss_size);
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = nest;
  sa.sa_flags = SA_NODEFER;
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  count = 0;
  sa.sa_flags = 0;
  sigaction(SIGUSR1, &sa, 0);
  raise(SIGUSR1);
  printf("count %d\n", count);
  sa.sa_handler = once;
  sa.sa_flags = SA_RESETHAND;
  sigaction(SIGUSR2, &sa, 0);
  raise(SIGUSR2);
  struct sigaction old;
  sigaction(SIGUSR2, 0, &old);
  printf("reset %d\n", old.sa_handler == SIG_DFL);
  pid_t p = fork();
  if (!p) {
    raise(SIGUSR2);
    _exit(1);
  }
  int st;
  waitpid(p, &st, 0);
  printf("killed by %d\n", WTERMSIG(st));
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = skip;
  sa.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &sa, 0);
  long rb;
  __asm__ volatile("ud2\n": "=b"(rb):: "memory");
  printf("rbx %ld\n", rb);
  sa.sa_handler = tick;
  sa.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &sa, 0);
  struct itimerval it={{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &it, 0);
  double s = 0;
  long double ls = 0;
  unsigned long h = 1;
  for (long i = 1;ticks < 20;i++) {
    s = 0;
    ls = 0;
    h = 1;
    for (int k = 1;k < 2000;k++) {
      s += 1.0/k;
      ls += 1.0L/k;
      h = h*31+k;
      if (h&1) h^=k;
    }
    if (s != 0x1.05abc4d1c8df1p+3 && 0) printf("bad\n");
    static double s0;
    static long double l0;
    static unsigned long h0;
    if (i == 1) {
      s0 = s;
      l0 = ls;
      h0 = h;
    }
    if (s != s0 || ls != l0 || h != h0) {
      printf("corrupt\n");
      break;
    }
  }
  memset(&it, 0, sizeof it);
  setitimer(ITIMER_REAL, &it, 0);
  printf("ticks ok\n");
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = child;
  sa.sa_flags = SA_SIGINFO|SA_RESTART;
  sigaction(SIGCHLD, &sa, 0);
  if (!(p = fork())) _exit(9);
  int r = waitpid(p, &st, 0);
  printf("wait %d %d\n", r == p, WEXITSTATUS(st));
  sa.sa_flags|=SA_NOCLDWAIT;
  sigaction(SIGCHLD, &sa, 0);
  if (!(p = fork())) _exit(9);
  r = waitpid(p, &st, 0);
  printf("nocldwait %d %s\n", r, strerror(errno));
  signal(SIGCHLD, SIG_IGN);
  if (!(p = fork())) _exit(9);
  r = waitpid(p, &st, 0);
  printf("ignored %d %s\n", r, strerror(errno));
  signal(SIGCHLD, SIG_DFL);
  int fds[2];
  pipe(fds);
  sa.sa_handler = tick;
  sa.sa_flags = 0;
  sigaction(SIGALRM, &sa, 0);
  ualarm(20000, 0);
  char c;
  r = read(fds[0], &c, 1);
  printf("eintr %d %s\n", r, strerror(errno));
  struct timespec req={1, 0}, rem;
  ualarm(30000, 0);
  r = nanosleep(&req, &rem);
  printf("nanosleep %d %s left %d\n", r, strerror(errno), rem.tv_sec == 0 && rem.tv_nsec > 500000000);
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigprocmask(SIG_BLOCK, &m, 0);
  raise(SIGUSR1);
  sigset_t pend;
  sigpending(&pend);
  printf("pending %d\n", sigismember(&pend, SIGUSR1));
  signal(SIGUSR1, SIG_IGN);
  sigpending(&pend);
  printf("pending %d\n", sigismember(&pend, SIGUSR1));
  char*g = mmap(0, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  printf("rd %d\n", g[5000]);
  errno = 0;
  r = write(fds[1], (char*)16, 4);
  printf("efault %d %s\n", r, strerror(errno));
  r = read(0, g, 1);
  close(fds[0]);
  signal(SIGPIPE, SIG_IGN);
  r = write(fds[1],"x", 1);
  printf("epipe %d %s\n", r, strerror(errno));
  sigset_t w;
  sigemptyset(&w);
  sigaddset(&w, SIGRTMIN);
  sigaddset(&w, SIGRTMIN+1);
  sigprocmask(SIG_BLOCK, &w, 0);
  union sigval v;
  for (int i = 0;i < 3;i++) {
    v.sival_int = i;
    sigqueue(getpid(), SIGRTMIN+1, v);
  }
  v.sival_int = 9;
  sigqueue(getpid(), SIGRTMIN, v);
  siginfo_t si;
  for (int i = 0;i < 4;i++) {
    r = sigwaitinfo(&w, &si);
    printf("rt %d value %d code %d\n", r-SIGRTMIN, si.si_value.sival_int, si.si_code);
  }
  p = fork();
  if (!p) abort();
  waitpid(p, &st, 0);
  printf("aborted by %d\n", WTERMSIG(st));
  return 0;
}
