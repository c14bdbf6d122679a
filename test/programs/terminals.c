// Pseudo-terminals: line editing, echo, signals and job control, sizes and settings.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void num(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
}
#define N(call) num(#call, (long)(call))

static int master, slave;

static void show(const char *label, const char *text, long count) {
  if (count < 0) { printf("%s: %s\n", label, strerror(errno)); return; }
  printf("%s %ld: ", label, count);
  for (long i = 0; i < count; i++) {
    unsigned char c = text[i];
    if (c >= 32 && c < 127) putchar(c);
    else printf("<%02x>", c);
  }
  putchar('\n');
}
// What the program writes becomes visible after a moment.
static void screen(void) {
  char text[4096];
  struct pollfd p = {master, POLLIN};
  poll(&p, 1, 100);
  show("screen", text, (p.revents & POLLIN) ? read(master, text, sizeof text) : 0);
}
static void input(int size) {
  char text[4096];
  struct pollfd p = {slave, POLLIN};
  if (poll(&p, 1, 30) == 0) { printf("input: none\n"); return; }
  show("input", text, read(slave, text, size));
}
static void type(const char *text) { if (write(master, text, strlen(text)) < 0) perror("type"); usleep(2000); }

static volatile int caught;
static void handler(int signo) { caught = signo; }

int main(void) {
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  master = posix_openpt(O_RDWR | O_NOCTTY);
  char name[100];
  printf("ptsname %d\n", strncmp(ptsname(master), "/dev/pts/", 9));
  strcpy(name, ptsname(master));
  N(open(name, O_RDWR | O_NOCTTY));
  grantpt(master);
  unlockpt(master);
  slave = open(name, O_RDWR | O_NOCTTY);
  N(isatty(slave));
  N(isatty(master));
  struct termios t;
  N(tcgetattr(slave, &t));
  printf("%x %x %x %x\n", t.c_iflag, t.c_oflag, t.c_cflag & ~0x100f & ~CBAUD, t.c_lflag);
  for (int i = 0; i < 17; i++) printf("%d ", t.c_cc[i]);
  printf("\n");
  type("hello\n");
  screen();
  input(100);
  type("abc\x7f\x7f" "d\n");
  screen();
  input(100);
  type("two words\x17!\n");
  screen();
  input(100);
  type("gone\x15kept\n");
  screen();
  input(100);
  type("partial");
  screen();
  input(100);
  type("\x04");
  input(100);
  type("\x04");
  input(100);
  type("one\ntwo\n");
  screen();
  input(2);
  input(100);
  input(100);
  type("lit\x16\x03 tab\t.\n");
  screen();
  input(100);
  type("\x03");
  screen();
  input(100);
  type("\xc3\xa9\x7f" "e\n");
  screen();
  input(100);
  N(write(slave, "out\nput\t|\r\n", 11));
  screen();
  N(write(slave, "", 0));
  int count;
  type("12345\n");
  ioctl(slave, FIONREAD, &count);
  printf("available %d\n", count);
  screen();
  input(100);

  // Without lines.
  cfmakeraw(&t);
  N(tcsetattr(slave, TCSANOW, &t));
  type("raw\r\x03\x04");
  screen();
  input(3);
  input(100);
  t.c_cc[VMIN] = 4;
  t.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSANOW, &t);
  type("123");
  input(100);
  type("4");
  input(100);
  t.c_cc[VMIN] = 0;
  t.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &t);
  char text[100];
  N(read(slave, text, 10));
  t.c_cc[VMIN] = 3;
  t.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &t);
  type("xy");
  N(read(slave, text, 10));
  fcntl(slave, F_SETFL, O_NONBLOCK);
  N(read(slave, text, 10));
  fcntl(slave, F_SETFL, 0);
  N(write(slave, "a\nb", 3));
  screen();
  t.c_oflag |= OPOST | ONLCR;
  t.c_lflag |= ICANON | ECHO | ISIG;
  t.c_iflag |= ICRNL | IXON;
  t.c_cc[VMIN] = 1;
  tcsetattr(slave, TCSAFLUSH, &t);
  // The host's kernel takes what is typed to the line discipline when it finds the time.
  type("\x13");
  usleep(50000);
  N(fcntl(slave, F_SETFL, O_NONBLOCK));
  N(write(slave, "held", 4));
  type("\x11");
  usleep(50000);
  N(write(slave, "free", 4));
  screen();
  fcntl(slave, F_SETFL, 0);
  type("cr\r");
  screen();
  input(100);
  N(tcflush(slave, TCIFLUSH));
  N(tcflow(slave, 99));

  // Sizes.
  struct winsize size = {30, 90, 1, 2}, got = {0};
  N(ioctl(master, TIOCSWINSZ, &size));
  N(ioctl(slave, TIOCGWINSZ, &got));
  printf("%d %d %d %d\n", got.ws_row, got.ws_col, got.ws_xpixel, got.ws_ypixel);
  N(ioctl(slave, TIOCGPGRP, &count));
  N(tcgetpgrp(0) < 0);
  N(ioctl(slave, 0x5499, &count));
  N(lseek(slave, 0, SEEK_SET));
  N(ftruncate(slave, 0));

  // A session with jobs.
  fflush(stdout);
  pid_t shell = fork();
  if (shell == 0) {
    N(setsid() == getpid());
    N(ioctl(slave, TIOCSCTTY, 0));
    N(tcgetsid(slave) == getpid());
    N(tcgetpgrp(slave) == getpgrp());
    int tty = open("/dev/tty", O_RDWR);
    N(tty >= 0);
    signal(SIGWINCH, handler);
    signal(SIGTTOU, SIG_IGN);
    struct winsize bigger = {40, 100};
    ioctl(slave, TIOCSWINSZ, &bigger);
    printf("caught %d\n", caught);
    fflush(stdout);
    pid_t job = fork();
    if (job == 0) {
      signal(SIGTTOU, SIG_DFL);
      setpgid(0, 0);
      long n = read(slave, text, 10);
      printf("job read %ld\n", n);
      fflush(stdout);
      pause();
      _exit(0);
    }
    setpgid(job, job);
    int status;
    N(waitpid(job, &status, WUNTRACED) == job);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    N(tcsetpgrp(slave, job));
    N(tcgetpgrp(slave) == job);
    kill(-job, SIGCONT);
    write(master, "line\n", 5);
    usleep(50000);
    write(master, "\x1a", 1);
    N(waitpid(job, &status, WUNTRACED) == job);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(-job, SIGCONT);
    write(master, "\x03", 1);
    N(waitpid(job, &status, 0) == job);
    printf("ended by %d\n", WTERMSIG(status));
    N(tcsetpgrp(slave, getpgrp()));
    N(tcsetpgrp(slave, 1));
    // A background job that may not write.
    struct termios stop;
    tcgetattr(slave, &stop);
    stop.c_lflag |= TOSTOP;
    tcsetattr(slave, TCSANOW, &stop);
    fflush(stdout);
    job = fork();
    if (job == 0) {
      signal(SIGTTOU, SIG_DFL);
      setpgid(0, 0);
      write(slave, "background", 10);
      _exit(3);
    }
    setpgid(job, job);
    N(waitpid(job, &status, WUNTRACED) == job);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(job, SIGKILL);
    waitpid(job, &status, 0);
    fflush(stdout);
    signal(SIGHUP, handler);
    caught = 0;
    close(tty);
    // The screen goes away.
    close(master);
    for (int i = 0; i < 100 && !caught; i++) usleep(1000);
    printf("caught %d\n", caught);
    N(read(slave, text, 10));
    N(write(slave, "x", 1));
    fflush(stdout);
    _exit(7);
  }
  close(master);
  int status;
  waitpid(shell, &status, 0);
  printf("shell %d\n", WEXITSTATUS(status));
  // A leader that ends: the foreground job hears of it, the terminal is free.
  master = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(master);
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  int told[2];
  if (pipe(told)) return 1;
  fflush(stdout);
  shell = fork();
  if (shell == 0) {
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    if (fork() == 0) {
      signal(SIGHUP, handler);
      caught = 0;
      for (int i = 0; i < 1000 && !caught; i++) usleep(1000);
      char heard = caught;
      write(told[1], &heard, 1);
      _exit(0);
    }
    usleep(20000);
    _exit(0);
  }
  waitpid(shell, &status, 0);
  char heard;
  N(read(told[0], &heard, 1));
  printf("told %d\n", heard);
  close(slave);
  close(master);
  // The other way round: the last program goes away.
  master = posix_openpt(O_RDWR | O_NOCTTY);
  unlockpt(master);
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  write(slave, "last", 4);
  close(slave);
  N(read(master, text, 100));
  N(read(master, text, 100));
  return 0;
}
