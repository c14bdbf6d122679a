// Path walking, links, renames, permissions and times, with every refusal's error.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: ok\n", what);
}
#define T(call) say(#call, (long)(call))
static void num(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
}
#define N(call) num(#call, (long)(call))

static void put(const char *path, const char *text) {
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  if (fd < 0) { printf("put %s: %s\n", path, strerror(errno)); return; }
  if (write(fd, text, strlen(text)) < 0) perror("write");
  close(fd);
}
static void show(const char *path) {
  char text[200];
  int fd = open(path, O_RDONLY);
  if (fd < 0) { printf("%s: %s\n", path, strerror(errno)); return; }
  long count = read(fd, text, sizeof text - 1);
  if (count < 0) printf("%s: %s\n", path, strerror(errno));
  else { text[count] = 0; printf("%s: '%s'\n", path, text); }
  close(fd);
}
static void mode(const char *path) {
  struct stat st;
  if (lstat(path, &st)) { printf("%s: %s\n", path, strerror(errno)); return; }
  printf("%s: %o links %ld size %ld\n", path, st.st_mode, (long)st.st_nlink, S_ISDIR(st.st_mode) ? 0L : (long)st.st_size);
}
static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }
static void list(const char *path) {
  char *names[100];
  int count = 0;
  DIR *d = opendir(path);
  if (!d) { printf("%s: %s\n", path, strerror(errno)); return; }
  for (struct dirent *e; (e = readdir(d));) {
    char *text;
    if (asprintf(&text, "%s/%d", e->d_name, e->d_type) < 0) abort();
    names[count++] = text;
  }
  closedir(d);
  qsort(names, count, sizeof *names, compare);
  printf("%s:", path);
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  printf("\n");
}

int main(void) {
  char where[] = "/tmp/paths-XXXXXX";
  if (!mkdtemp(where) || chdir(where)) return 1;
  umask(022);
  put("file", "text");
  T(mkdir("dir", 0777));
  T(mkdir("dir", 0777));
  T(mkdir("file/x", 0777));
  T(mkdir("none/x", 0777));
  T(mkdir("slash/", 0777));
  T(rmdir("slash/"));
  T(open("dir", O_WRONLY));
  T(open("dir/", O_CREAT | O_WRONLY, 0666));
  T(open("new/", O_CREAT | O_WRONLY, 0666));
  T(open("file/", O_RDONLY));
  T(open("file", O_DIRECTORY));
  T(open("file", O_CREAT | O_EXCL | O_WRONLY, 0666));
  T(open("", O_RDONLY));
  char longName[300];
  memset(longName, 'a', 299);
  longName[299] = 0;
  T(open(longName, O_CREAT | O_WRONLY, 0666));
  longName[255] = 0;
  T(open(longName, O_CREAT | O_WRONLY, 0666));
  T(unlink(longName));

  T(symlink("file", "link"));
  T(symlink("loop", "loop"));
  T(symlink("dir", "dlink"));
  T(symlink("missing", "dangling"));
  T(open("loop", O_RDONLY));
  T(open("link", O_RDONLY | O_NOFOLLOW));
  T(open("link", O_RDONLY | O_NOFOLLOW | O_PATH));
  T(open("dangling", O_RDONLY));
  T(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0666));
  T(open("dangling", O_CREAT | O_WRONLY, 0666));
  mode("missing");
  T(unlink("missing"));
  T(rmdir("dlink"));
  T(rmdir("dlink/"));
  T(unlink("dlink/"));
  T(mkdir("dlink", 0777));
  T(mkdir("dlink/", 0777));
  mode("dlink");
  char target[100];
  N(readlink("link", target, sizeof target));
  N(readlink("link", target, 2));
  N(readlink("file", target, sizeof target));
  N(readlink("link", target, 0));

  T(link("file", "hard"));
  mode("hard");
  T(link("file", "hard"));
  T(link("dir", "dhard"));
  T(linkat(AT_FDCWD, "link", AT_FDCWD, "hardlink", 0));
  mode("hardlink");
  T(linkat(AT_FDCWD, "link", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
  mode("followed");
  T(unlink("hardlink"));
  T(unlink("followed"));

  put("dir/inner", "i");
  T(rmdir("dir"));
  T(rmdir("."));
  T(rmdir("dir/.."));
  T(unlink("dir"));
  T(rename("dir", "dir/sub"));
  T(rename("file", "dir"));
  T(rename("dir", "file"));
  T(rename("nothing", "file"));
  T(rename("hard", "file"));
  mode("hard");
  T(rename("dir", "moved"));
  show("moved/inner");
  T(mkdir("empty", 0755));
  T(rename("moved", "empty"));
  T(mkdir("full", 0755));
  put("full/x", "x");
  T(rename("empty", "full"));
  T(rename("file", "file/"));
  T(rename(".", "x"));
  T(syscall(SYS_renameat2, AT_FDCWD, "empty", AT_FDCWD, "full", 2));
  show("full/inner");
  T(syscall(SYS_renameat2, AT_FDCWD, "empty", AT_FDCWD, "full", 1));
  list(".");
  list("full");

  // The working directory and its name.
  char cwd[PATH_MAX];
  T(mkdir("deep", 0755));
  T(mkdir("deep/er", 0755));
  T(chdir("deep/er"));
  T(rename("../../deep", "../../deeper"));
  printf("%s\n", getcwd(cwd, sizeof cwd) + strlen(where));
  errno = 0;
  T(getcwd(cwd, 3) ? 0 : -1);
  T(chdir("../../../../../../../.."));
  printf("%s\n", getcwd(cwd, sizeof cwd));
  T(chdir(where));
  T(chdir("file"));
  T(chdir("nothing"));
  T(chdir("dangling"));
  int fd = open("deeper", O_RDONLY | O_DIRECTORY);
  T(fchdir(fd));
  printf("%s\n", getcwd(cwd, sizeof cwd) + strlen(where));
  T(rmdir("er"));
  T(rmdir("../deeper"));
  T(getcwd(cwd, sizeof cwd) ? 0 : -1);
  T(open("x", O_CREAT | O_WRONLY, 0600));
  list(".");
  T(chdir(where));
  close(fd);

  // Descriptors of directories.
  fd = open("full", O_RDONLY | O_DIRECTORY);
  T(openat(fd, "inner", O_RDONLY));
  T(openat(fd, "../file", O_RDONLY));
  T(openat(fd, "/etc/nothing", O_RDONLY));
  T(openat(99, "x", O_RDONLY));
  int plain = open("file", O_RDWR);
  T(openat(plain, "x", O_RDONLY));
  T(mkdirat(fd, "made", 0700));
  T(unlinkat(fd, "made", 0));
  T(unlinkat(fd, "made", AT_REMOVEDIR));
  T(fstatat(fd, "", &(struct stat){0}, 0));
  T(fstatat(fd, "", &(struct stat){0}, AT_EMPTY_PATH));
  T(read(fd, target, 10));
  T(ftruncate(fd, 0));
  int pathOnly = open("file", O_PATH);
  T(read(pathOnly, target, 1));
  T(fchmod(pathOnly, 0600));
  T(fstat(pathOnly, &(struct stat){0}));

  // Modes.
  umask(027);
  put("masked", "");
  mode("masked");
  umask(022);
  T(chmod("masked", 06777));
  mode("masked");
  put("masked", "changed");
  T(chmod("moded", 0));
  T(mkdir("sgid", 0755));
  T(chmod("sgid", 02755));
  T(mkdir("sgid/below", 0755));
  mode("sgid/below");
  T(access("masked", R_OK | W_OK));
  T(access("nothing", F_OK));
  T(access("masked", 64));

  // Positions, holes and vectors.
  N(lseek(plain, 0, SEEK_END));
  N(lseek(plain, -100, SEEK_CUR));
  N(lseek(plain, 10, 77));
  N(pwrite(plain, "end", 3, 1000000));
  N(lseek(plain, 50000, SEEK_SET));
  N(pread(plain, target, 10, 999998));
  N(pread(plain, target, 10, -1));
  N(pread(plain, target, 10, 2000000));
  struct iovec parts[2] = {{"ab", 2}, {"cdef", 4}};
  N(pwritev(plain, parts, 2, 3));
  N(lseek(plain, 0, SEEK_CUR));
  struct iovec bad[1] = {{target, (size_t)-1}};
  N(readv(plain, bad, 1));
  N(readv(plain, parts, -1));
  memset(target, 0, sizeof target);
  pread(plain, target, 12, 0);
  printf("'%s'\n", target);
  N(read(plain, (void *)8, 4));
  N(write(plain, (void *)8, 4));
  T(ftruncate(plain, -1));
  T(truncate("full", 0));
  T(truncate("file", 6));
  mode("file");
  N(posix_fallocate(plain, 0, 5000));
  mode("file");
  T(fallocate(plain, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2));
  int reader = open("file", O_RDONLY), writer = open("file", O_WRONLY | O_APPEND);
  N(write(reader, "x", 1));
  N(read(writer, target, 1));
  N(write(writer, "appended", 8));
  N(lseek(writer, 0, SEEK_CUR));
  N(fcntl(reader, F_GETFL) & (O_ACCMODE | O_APPEND));
  N(fcntl(writer, F_GETFL) & (O_ACCMODE | O_APPEND));
  N(fcntl(reader, F_DUPFD, 50));
  N(fcntl(reader, F_DUPFD_CLOEXEC, 50));
  N(fcntl(51, F_GETFD));
  N(fcntl(reader, F_DUPFD, 1 << 30));
  N(dup2(reader, reader));
  N(dup3(reader, reader, 0));
  N(dup2(77, 78));
  N(dup2(reader, -1));
  N(fcntl(reader, 12345));
  N(close(1234));

  // Times.
  struct timespec times[2] = {{1000, 5}, {2000, 7}};
  struct stat st;
  T(utimensat(AT_FDCWD, "file", times, 0));
  stat("file", &st);
  printf("%ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = 1000000000;
  T(utimensat(AT_FDCWD, "file", times, 0));
  times[1].tv_nsec = UTIME_OMIT;
  T(utimensat(AT_FDCWD, "nothing", times, 0));
  T(futimens(reader, NULL));

  // Files without names, and in memory.
  int unnamed = open(".", O_TMPFILE | O_RDWR, 0600);
  N(write(unnamed, "hidden", 6));
  fstat(unnamed, &st);
  printf("links %ld\n", (long)st.st_nlink);
  char proc[60];
  sprintf(proc, "/proc/self/fd/%d", unnamed);
  T(linkat(AT_FDCWD, proc, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  show("named");
  int memory = memfd_create("name", MFD_ALLOW_SEALING);
  N(ftruncate(memory, 100));
  N(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  N(fcntl(memory, F_GET_SEALS));
  T(ftruncate(memory, 50));
  T(ftruncate(memory, 150));
  sprintf(proc, "/proc/self/fd/%d", memory);
  N(readlink(proc, target, sizeof target));

  // Locks.
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
  T(fcntl(plain, F_SETLK, &lock));
  fflush(stdout);
  if (fork() == 0) {
    struct flock other = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    T(fcntl(plain, F_SETLK, &other));
    T(fcntl(plain, F_GETLK, &other));
    printf("%d %ld %ld %d\n", other.l_type, (long)other.l_start, (long)other.l_len, other.l_pid == getppid());
    other = (struct flock){.l_type = F_WRLCK, .l_start = 0, .l_len = 10};
    T(fcntl(plain, F_SETLK, &other));
    int again = open("file", O_RDWR);
    T(flock(again, LOCK_EX | LOCK_NB));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  T(flock(plain, LOCK_SH));
  int again = open("file", O_RDWR);
  T(flock(again, LOCK_EX | LOCK_NB));
  T(flock(again, LOCK_SH | LOCK_NB));
  T(flock(plain, LOCK_UN));
  T(flock(again, LOCK_EX | LOCK_NB));

  // Devices.
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), full = open("/dev/full", O_RDWR);
  N(read(null, target, 5));
  N(write(null, target, 5));
  N(read(zero, target, 5));
  N(write(full, target, 5));
  fstat(null, &st);
  printf("%lx %o\n", (long)st.st_rdev, st.st_mode);
  T(open("/dev/nothing", O_RDONLY));
  T(mkfifo("fifo", 0666));
  T(open("fifo", O_WRONLY | O_NONBLOCK));
  int fifo = open("fifo", O_RDONLY | O_NONBLOCK);
  N(read(fifo, target, 5));
  int other = open("fifo", O_WRONLY | O_NONBLOCK);
  N(read(fifo, target, 5));
  N(write(other, "abc", 3));
  N(read(fifo, target, 5));
  N(lseek(fifo, 0, SEEK_SET));
  N(pread(fifo, target, 1, 0));
  mode("fifo");
  return 0;
}
