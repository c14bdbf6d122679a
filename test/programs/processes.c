// fork, execve, pipes, dup2, wait statuses, process groups, vfork, environment, descriptors that close on exec.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// The result of a call, and errno as it left it when it failed.
static const char *outcome(long result) {
  static char text[100];
  if (result < 0) snprintf(text, sizeof text, "%ld %s", result, strerror(errno));
  else snprintf(text, sizeof text, "%s", result == 0 ? "0" : "positive");
  return text;
}

static void status(const char *what, int value) {
  if (WIFEXITED(value)) printf("%s: exit %d\n", what, WEXITSTATUS(value));
  else if (WIFSIGNALED(value)) printf("%s: signal %d\n", what, WTERMSIG(value));
  else if (WIFSTOPPED(value)) printf("%s: stopped by %d\n", what, WSTOPSIG(value));
  else if (WIFCONTINUED(value)) printf("%s: continued\n", what);
  fflush(stdout);
}

int main(int count, char **arguments) {
  int value;
  if (count > 1 && strcmp(arguments[1], "child") == 0) {
    printf("child: %s %s, fd 9 %s\n", arguments[2], getenv("GIVEN"), fcntl(9, F_GETFD) < 0 ? "closed" : "open");
    return 7;
  }
  setvbuf(stdout, NULL, _IONBF, 0);
  if (fork() == 0) _exit(3);
  wait(&value);
  status("exit", value);
  pid_t child = fork();
  if (child == 0) for (;;) pause();
  kill(child, SIGSTOP);
  waitpid(child, &value, WUNTRACED);
  status("stop", value);
  kill(child, SIGCONT);
  waitpid(child, &value, WCONTINUED);
  status("continue", value);
  kill(child, SIGTERM);
  waitpid(child, &value, 0);
  status("terminate", value);

  int ends[2];
  if (pipe(ends)) return 1;
  if (fork() == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    fcntl(2, F_DUPFD_CLOEXEC, 9);
    setenv("GIVEN", "by the parent", 1);
    execl("/proc/self/exe", arguments[0], "child", "argument", NULL);
    _exit(99);
  }
  close(ends[1]);
  char text[200];
  ssize_t got, all = 0;
  while ((got = read(ends[0], text + all, sizeof text - 1 - (size_t)all)) > 0) all += got;
  text[all] = 0;
  printf("pipe: %s", text);
  wait(&value);
  status("exec", value);

  if ((child = vfork()) == 0) {
    execl("/nowhere", "nowhere", NULL);
    _exit(errno == ENOENT ? 42 : 43);
  }
  waitpid(child, &value, 0);
  status("vfork", value);
  errno = 0;
  printf("no child: %s\n", outcome(wait(NULL)));

  // Copies of memory are private, descriptors' positions are shared.
  FILE *file = tmpfile();
  fputs("0123456789", file);
  rewind(file);
  int fd = fileno(file);
  static int variable = 1;
  if (fork() == 0) {
    variable = 2;
    lseek(fd, 4, SEEK_SET);
    _exit(variable);
  }
  wait(&value);
  status("private", value);
  char byte;
  if (read(fd, &byte, 1) != 1) return 1;
  printf("variable %d, next byte %c\n", variable, byte);

  // Nested children reach their grandparent.
  if (fork() == 0) {
    if (fork() == 0) {
      if (fork() == 0) _exit(1);
      wait(&value);
      _exit(WEXITSTATUS(value) + 1);
    }
    wait(&value);
    _exit(WEXITSTATUS(value) + 1);
  }
  wait(&value);
  status("nested", value);
  struct rlimit limit = {20, 20};
  setrlimit(RLIMIT_NOFILE, &limit);
  int opened = 0;
  while (dup(0) >= 0) opened++;
  printf("limit: errno %d\n", errno == EMFILE);
  return 0;
}
