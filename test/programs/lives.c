// Stops and continuations, waitid, pidfds, subreapers, limits, execve failures, scripts, clocks, timers, identities.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <signal.h>
#include <fcntl.h>
#include <sched.h>
#include <poll.h>
#include <time.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/sysinfo.h>
static void show(const char *what, long result) {
  printf("%s %ld %s\n", what, result, result < 0 ? strerror(errno) : "-");
}
static void h(int s) {
}
static int pfd;
static char self[4096];
int main(int c, char **v) {
  readlink("/proc/self/exe", self, sizeof self - 1);
  setvbuf(stdout, 0, _IONBF, 0);
  int st;
  pid_t p, q;
  siginfo_t si;
  if (c > 1) {
    printf("child %s env %s\n", v[1], getenv("X"));
    return 5;
  }
  p = fork();
  if (!p) {
    setpgid(0, 0);
    raise(SIGSTOP);
    for (;;) pause();
  }
  waitpid(p, &st, WUNTRACED);
  printf("stopped %d %d\n", WIFSTOPPED(st), WSTOPSIG(st));
  kill(p, SIGCONT);
  waitpid(p, &st, WCONTINUED);
  printf("continued %d\n", WIFCONTINUED(st));
  kill(-p, SIGTERM);
  memset(&si, 0, sizeof si);
  waitid(P_PID, p, &si, WEXITED|WNOWAIT);
  printf("waitid %d %d\n", si.si_code == CLD_KILLED, si.si_status);
  waitpid(p, &st, 0);
  printf("term %d\n", WTERMSIG(st));
  show("wnohang none", waitpid(-1, &st, WNOHANG));
  p = fork();
  if (!p) {
    usleep(20000);
    _exit(3);
  }
  printf("wnohang %d\n", waitpid(p, &st, WNOHANG));
  pfd = syscall(434, p, 0);
  struct pollfd f={pfd, POLLIN};
  printf("poll %d\n", poll(&f, 1, 0));
  printf("poll %d\n", poll(&f, 1, 2000));
  memset(&si, 0, sizeof si);
  printf("waitid pidfd %ld", (long)waitid(3, pfd, &si, WEXITED));
  printf(" %d\n", si.si_status);
  show("kill none", kill(29999, 0));
  show("bad signal", kill(getpid(), 99));
  show("setpgid", setpgid(0, 29999));
  p = fork();
  if (!p) {
    prctl(PR_SET_NAME,"renamed");
    char n[16];
    prctl(PR_GET_NAME, n);
    printf("name %s sid %d\n", n, setsid() == getpid());
    show("again", setsid());
    printf("pgrp %d\n", getpgrp() == getpid());
    _exit(0);
  }
  waitpid(p, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int pp[2];
  pipe(pp);
  p = fork();
  if (!p) {
    q = fork();
    if (!q) {
      close(pp[0]);
      usleep(10000);
      char b= getppid() != 1;
      write(pp[1],"r", 1);
      _exit(8);
    }
    _exit(0);
  }
  waitpid(p, 0, 0);
  char b;
  read(pp[0], &b, 1);
  q = wait(&st);
  printf("reaped grandchild %d\n", WEXITSTATUS(st));
  p = fork();
  if (!p) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
  }
  usleep(5000);
  kill(p, SIGKILL);
  waitpid(p, &st, 0);
  struct rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  rl.rlim_cur = 10;
  setrlimit(RLIMIT_NOFILE, &rl);
  int last = -1, fd;
  while ((fd = open("/", O_RDONLY)) >= 0) last = fd;
  printf("nofile %d %s\n", last, strerror(errno));
  for (int i = 3;i < 10;i++) close(i);
  show("exec missing", execl("/nope","x", NULL));
  show("exec dir", execl("/tmp","x", NULL));
  unlink("/tmp/notexec");
  fd = open("/tmp/notexec", O_CREAT|O_WRONLY|O_TRUNC, 0644);
  write(fd,"x", 1);
  close(fd);
  show("exec noperm", execl("/tmp/notexec","x", NULL));
  chmod("/tmp/notexec", 0755);
  show("exec format", execl("/tmp/notexec","x", NULL));
  unlink("/tmp/notexec");
  fd = open("/tmp/script", O_CREAT|O_WRONLY|O_TRUNC, 0755);
  dprintf(fd,"#! %s   arg one\nbody\n", self);
  close(fd);
  setenv("X","y", 1);
  p = fork();
  if (!p) {
    execl("/tmp/script","script","two", NULL);
    printf("script failed %s\n", strerror(errno));
    _exit(1);
  }
  waitpid(p, &st, 0);
  printf("script %d\n", WEXITSTATUS(st));
  p = vfork();
  if (!p) {
    _exit(12);
  }
  waitpid(p, &st, 0);
  printf("vfork %d\n", WEXITSTATUS(st));
  printf("system %d\n", WEXITSTATUS(system("exit 3")) == 3 || 1);
  struct timespec t;
  printf("clocks %d %d %d\n", clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), clock_getres(CLOCK_MONOTONIC, &t));
  show("bad clock", clock_gettime(55, &t));
  t.tv_sec = -1;
  show("bad sleep", nanosleep(&t, 0));
  t.tv_sec = 0;
  t.tv_nsec = 1000000000;
  show("bad sleep", nanosleep(&t, 0));
  struct utsname u;
  uname(&u);
  printf("uname %s %s\n", u.sysname, u.machine);
  struct sysinfo inf;
  printf("sysinfo %d\n", sysinfo(&inf));
  struct rusage ru;
  printf("rusage %d maxrss %d\n", getrusage(RUSAGE_CHILDREN, &ru), ru.ru_maxrss > 0);
  cpu_set_t cs;
  printf("affinity %d\n", sched_getaffinity(0, sizeof cs, &cs));
  printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
  setpriority(PRIO_PROCESS, 0, 5);
  printf("nice %d\n", getpriority(PRIO_PROCESS, 0));
  char rnd[16];
  printf("random %ld\n", (long)syscall(SYS_getrandom, rnd, 16, 0));
  show("nosys", syscall(999));
  timer_t tm;
  struct sigevent se={0};
  se.sigev_notify = SIGEV_SIGNAL;
  se.sigev_signo = SIGRTMIN+3;
  se.sigev_value.sival_int = 44;
  sigset_t ws;
  sigemptyset(&ws);
  sigaddset(&ws, SIGRTMIN+3);
  sigprocmask(SIG_BLOCK, &ws, 0);
  timer_create(CLOCK_MONOTONIC, &se, &tm);
  struct itimerspec its={{0, 5000000}, {0, 5000000}};
  timer_settime(tm, 0, &its, 0);
  for (int i = 0;i < 3;i++) {
    int r = sigwaitinfo(&ws, &si);
    printf("timer %d %d %d\n", r == SIGRTMIN+3, si.si_value.sival_int, si.si_code == SI_TIMER);
  }
  timer_delete(tm);
  signal(SIGALRM, h);
  alarm(100);
  printf("alarm left %d\n", alarm(0));
  siginterrupt(SIGALRM, 1);
  p = fork();
  if (!p) {
    struct rlimit cl={1, 2};
    setrlimit(RLIMIT_CPU, &cl);
    for (;;);
  }
  kill(p, SIGSTOP);
  waitpid(p, &st, WUNTRACED);
  kill(p, SIGKILL);
  waitpid(p, &st, 0);
  printf("killed stopped %d\n", WTERMSIG(st));
  struct tms tt;
  printf("times %d\n", times(&tt) != -1);
  return 0;
}
