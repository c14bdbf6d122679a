// Files and directories: create, rename, links, times, permissions, seeks and holes, directory streams, locks, *at calls.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// The result of a call, and errno as it left it when it failed.
static const char *outcome(long result) {
  static char text[100];
  if (result < 0) snprintf(text, sizeof text, "%ld %s", result, strerror(errno));
  else snprintf(text, sizeof text, "%s", result == 0 ? "0" : "positive");
  return text;
}

static int byName(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

int main(void) {
  char place[] = "/tmp/files-XXXXXX";
  if (!mkdtemp(place) || chdir(place)) return 1;
  umask(022);
  int fd = open("one", O_CREAT | O_EXCL | O_RDWR, 0666);
  printf("write %zd\n", write(fd, "hello\n", 6));
  printf("again %s\n", outcome(open("one", O_CREAT | O_EXCL | O_RDWR, 0666)));
  lseek(fd, 100000, SEEK_SET);
  printf("sparse %zd\n", write(fd, "end", 3));
  struct stat s;
  fstat(fd, &s);
  printf("size %ld mode %o links %d\n", (long)s.st_size, s.st_mode, (int)s.st_nlink);
  printf("hole %ld data %ld\n", (long)lseek(fd, 0, SEEK_HOLE) >= 6 ? 1L : 0L, (long)lseek(fd, 0, SEEK_DATA));
  link("one", "two");
  symlink("two", "three");
  stat("three", &s);
  printf("links %d\n", (int)s.st_nlink);
  lstat("three", &s);
  printf("link type %o size %ld\n", s.st_mode & S_IFMT, (long)s.st_size);
  char target[20] = "";
  ssize_t length = readlink("three", target, sizeof target);
  printf("readlink %zd %s\n", length, target);
  mkdir("sub", 0777);
  printf("rename %d\n", rename("two", "sub/moved"));
  printf("dangling %s\n", outcome(open("three", O_RDONLY)));
  printf("rmdir %s\n", outcome(rmdir("sub")));
  int directory = open("sub", O_RDONLY | O_DIRECTORY);
  printf("at %d %d\n", faccessat(directory, "moved", R_OK, 0), unlinkat(directory, "nothing", 0));
  chmod("one", 0640);
  struct timespec times[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
  utimensat(AT_FDCWD, "one", times, 0);
  stat("one", &s);
  printf("mode %o times %ld.%09ld %ld.%09ld\n", s.st_mode & 0777, (long)s.st_atim.tv_sec, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  struct dirent **entries;
  int count = scandir(".", &entries, NULL, byName);
  for (int i = 0; i < count; i++) printf("%s:%d ", entries[i]->d_name, entries[i]->d_type);
  printf("\n");
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  lseek(fd, 0, SEEK_SET);
  printf("writev %zd", writev(fd, parts, 2));
  printf(" at %ld\n", (long)lseek(fd, 0, SEEK_CUR));
  char text[16] = "";
  ssize_t got = pread(fd, text, 6, 0);
  printf("pread %zd %.6s\n", got, text);
  printf("truncate %d\n", ftruncate(fd, 3));
  fstat(fd, &s);
  printf("size %ld\n", (long)s.st_size);
  flock(fd, LOCK_EX);
  if (fork() == 0) {
    int other = open("one", O_RDWR);
    struct flock record = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    _exit((flock(other, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) + 2 * (fcntl(other, F_SETLK, &record) == 0));
  }
  int status;
  wait(&status);
  printf("locks %d\n", WEXITSTATUS(status));
  int append = open("one", O_WRONLY | O_APPEND);
  lseek(append, 0, SEEK_SET);
  printf("append %zd\n", write(append, "XY", 2));
  printf("bad %s\n", outcome(write(-1, "", 1)));
  printf("closed %d", close(append));
  printf(" %s\n", outcome(close(append)));
  printf("name %s\n", outcome(open("one/below", O_RDONLY)));
  printf("loop %d", symlink("loop", "loop"));
  printf(" %s\n", outcome(open("loop", O_RDONLY)));
  char where[100];
  printf("cwd %d\n", getcwd(where, sizeof where) && strcmp(where, place) == 0);
  printf("exchange %d\n", renameat2(AT_FDCWD, "one", AT_FDCWD, "sub", RENAME_EXCHANGE));
  stat("one", &s);
  printf("directory %d\n", S_ISDIR(s.st_mode));
  return 0;
}
