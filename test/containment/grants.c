// Tries to write to a directory granted read-only, and to get out of a writable one while another process swaps what is in it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void mustFail(const char *what, long result) {
  if (result >= 0) printf("ESCAPE %s\n", what);
}
static int has(int fd, const char *secret) {
  char text[256] = {0};
  if (fd < 0) return 0;
  int found = read(fd, text, sizeof text - 1) > 0 && strstr(text, secret);
  close(fd);
  return found;
}

int main(int argc, char **argv) {
  const char *secret = argv[1], *outside = argv[2];
  char path[4200];

  // /ro has `file` and `dir`.
  mustFail("open for writing", open("/ro/file", O_WRONLY));
  mustFail("open for both", open("/ro/file", O_RDWR));
  mustFail("truncating open", open("/ro/file", O_RDONLY | O_TRUNC));
  mustFail("create", open("/ro/new", O_CREAT | O_WRONLY, 0644));
  mustFail("temporary file", open("/ro", O_TMPFILE | O_RDWR, 0644));
  mustFail("truncate", truncate("/ro/file", 0));
  mustFail("unlink", unlink("/ro/file"));
  mustFail("rmdir", rmdir("/ro/dir"));
  mustFail("mkdir", mkdir("/ro/made", 0755));
  mustFail("rename", rename("/ro/file", "/ro/other"));
  mustFail("rename out", rename("/ro/file", "/rw/stolen"));
  mustFail("link", link("/ro/file", "/ro/linked"));
  mustFail("link to a writable place", link("/ro/file", "/rw/linked"));
  mustFail("symlink", symlink("file", "/ro/symbolic"));
  mustFail("chmod", chmod("/ro/file", 0777));
  mustFail("chown", chown("/ro/file", 1, 1));
  mustFail("times", utimensat(AT_FDCWD, "/ro/file", NULL, 0));
  mustFail("attribute", setxattr("/ro/file", "user.x", "1", 1, 0));
  mustFail("fifo", mknod("/ro/fifo", S_IFIFO | 0644, 0));
  int fd = open("/ro/file", O_RDONLY);
  mustFail("write", write(fd, "x", 1));
  mustFail("ftruncate", ftruncate(fd, 0));
  mustFail("fchmod", fchmod(fd, 0777));
  mustFail("fallocate", fallocate(fd, 0, 0, 100));
  if (mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) printf("ESCAPE mapping\n");
  void *mapped = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
  mustFail("mprotect", mprotect(mapped, 4096, PROT_READ | PROT_WRITE));
  sprintf(path, "/proc/self/fd/%d", fd);
  mustFail("reopen", open(path, O_RDWR));
  int node = open("/ro/file", O_PATH);
  sprintf(path, "/proc/self/fd/%d", node);
  mustFail("reopen a path", open(path, O_WRONLY));
  int dir = open("/ro", O_PATH | O_DIRECTORY);
  mustFail("create beneath a path", openat(dir, "new", O_CREAT | O_WRONLY, 0644));
  mustFail("beside the grant", openat(dir, "../secret", O_RDONLY));
  mount(NULL, "/ro", NULL, MS_REMOUNT | MS_BIND, NULL);
  mount(NULL, "/ro", NULL, MS_REMOUNT, NULL);
  mustFail("write after a remount", open("/ro/file", O_WRONLY));

  // /rw/dir and /rw/link are exchanged all the time; both have a way to a name that only the host knows.
  mkdir("/rw/dir", 0755);
  symlink(outside, "/rw/link");
  int child = fork();
  if (child == 0)
    for (;;) renameat2(AT_FDCWD, "/rw/dir", AT_FDCWD, "/rw/link", RENAME_EXCHANGE), sched_yield();
  for (int i = 0; i < 2000; i++) {
    if (has(open("/rw/dir/secret", O_RDONLY), secret)) printf("ESCAPE race\n");
    int at = open("/rw/dir", O_RDONLY | O_DIRECTORY);
    if (at >= 0 && has(openat(at, "secret", O_RDONLY), secret)) printf("ESCAPE race at a directory\n");
    if (at >= 0 && has(openat(at, "../../secret", O_RDONLY), secret)) printf("ESCAPE race above a directory\n");
    close(at);
    int made = open("/rw/dir/planted", O_CREAT | O_WRONLY, 0644);
    close(made);
    unlink("/rw/dir/planted");
  }
  kill(child, SIGKILL);
  wait(NULL);
  printf("done\n");
  return 0;
}
