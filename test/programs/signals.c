// Handlers, masks, pending signals, SA_RESTART and EINTR, timers, sigsuspend, sigwait, queued real-time signals.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The result of a call, and errno as it left it when it failed.
static const char *outcome(long result) {
  static char text[100];
  if (result < 0) snprintf(text, sizeof text, "%ld %s", result, strerror(errno));
  else snprintf(text, sizeof text, "%s", result == 0 ? "0" : "positive");
  return text;
}

static volatile sig_atomic_t seen, order[16], values[16];

static void note(int signal) { order[seen++ % 16] = signal; }
static void detail(int signal, siginfo_t *info, void *context) {
  (void)context;
  values[seen % 16] = info->si_value.sival_int;
  note(signal);
}

static void handle(int signal, int flags) {
  struct sigaction action = {.sa_handler = note, .sa_flags = flags};
  if (flags & SA_SIGINFO) action.sa_sigaction = detail;
  sigaction(signal, &action, NULL);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  handle(SIGUSR1, 0);
  raise(SIGUSR1);
  printf("raised: %d %d\n", (int)seen, (int)order[0]);

  sigset_t set, old, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigpending(&pending);
  printf("blocked: %d, pending %d\n", (int)seen, sigismember(&pending, SIGUSR1));
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("unblocked: %d\n", (int)seen);

  handle(SIGALRM, 0);
  struct itimerval timer = {.it_value.tv_usec = 20000};
  setitimer(ITIMER_REAL, &timer, NULL);
  int ends[2];
  if (pipe(ends)) return 1;
  char byte;
  printf("interrupted: %s\n", outcome(read(ends[0], &byte, 1)));
  handle(SIGALRM, SA_RESTART);
  pid_t writer = fork();
  if (writer == 0) {
    usleep(80000);
    if (write(ends[1], "z", 1) != 1) _exit(1);
    _exit(0);
  }
  setitimer(ITIMER_REAL, &timer, NULL);
  ssize_t got = read(ends[0], &byte, 1);
  printf("restarted: %zd %c\n", got, byte);
  waitpid(writer, NULL, 0);

  handle(SIGRTMIN, SA_SIGINFO);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, NULL);
  seen = 0;
  for (int i = 1; i <= 3; i++) sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i * 10});
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  printf("queued: %d of them, %d %d %d\n", (int)seen, (int)values[0], (int)values[1], (int)values[2]);

  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  int signal = 0;
  sigwait(&set, &signal);
  printf("waited for: %d\n", signal == SIGUSR1);
  struct timespec shortly = {0, 5000000};
  printf("timed out: %s\n", outcome(sigtimedwait(&set, NULL, &shortly)));

  seen = 0;
  pid_t sender = fork();
  if (sender == 0) {
    usleep(10000);
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  sigset_t none;
  sigemptyset(&none);
  printf("suspended: %s", outcome(sigsuspend(&none)));
  printf(", seen %d\n", (int)seen);
  waitpid(sender, NULL, 0);

  struct timespec request = {2, 0}, rest = {0, 0};
  timer.it_value.tv_usec = 10000;
  setitimer(ITIMER_REAL, &timer, NULL);
  int slept = nanosleep(&request, &rest);
  printf("slept: %d, rest %s\n", slept, rest.tv_sec == 1 ? "some" : "odd");

  // A mask in a handler, and a signal that arrives inside it.
  sigset_t during;
  sigemptyset(&during);
  struct sigaction action = {.sa_handler = note};
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaction(SIGUSR1, &action, NULL);
  handle(SIGUSR2, SA_RESETHAND);
  sigprocmask(SIG_SETMASK, &none, NULL);
  seen = 0;
  raise(SIGUSR2);
  struct sigaction now;
  sigaction(SIGUSR2, NULL, &now);
  printf("reset: %d\n", now.sa_handler == SIG_DFL);
  if (fork() == 0) {
    raise(SIGUSR2);
    _exit(0);
  }
  int status;
  wait(&status);
  printf("default: %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR2);
  return 0;
}
