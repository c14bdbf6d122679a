// Tries to reach the host. Prints a line for whatever works that must not.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;
static const char *secret;

static void mustFail(const char *what, long result) {
  if (result >= 0) printf("ESCAPE %s\n", what);
}
// True if the file can be opened and has the secret in it.
static void noSecret(const char *path) {
  char text[4096];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return;
  long count = read(fd, text, sizeof text - 1);
  if (count > 0) {
    text[count] = 0;
    if (strstr(text, secret)) printf("ESCAPE read %s\n", path);
  }
  close(fd);
}

int main(int argc, char **argv) {
  secret = argv[1];
  const char *hostDir = argv[2], *canary = argv[3];
  int hostPid = atoi(argv[4]);
  char path[5000];

  // By name: as they are, through roots and working directories of processes, up from everywhere.
  const char *prefixes[] = {"", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../../../..", "/proc/1/cwd", "/mnt/..",
                            "/mnt/../../..", "/mnt/sub/../../..", "/dev/fd/0/..", "/..", "/proc/self/task/1/root"};
  for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    snprintf(path, sizeof path, "%s%s/secret", prefixes[i], hostDir);
    noSecret(path);
    snprintf(path, sizeof path, "%s/%s", prefixes[i], canary);
    noSecret(path);
  }
  noSecret("/mnt/absolute");
  noSecret("/mnt/relative");
  noSecret("/mnt/up/secret");
  noSecret("/mnt/sub/chain");

  // Links of our own in the granted directory, and directories that turn into links.
  symlink(hostDir, "/mnt/mine");
  noSecret("/mnt/mine/secret");
  symlink("../..", "/mnt/updir");
  noSecret("/mnt/updir/secret");
  mkdir("/mnt/turn", 0755);
  int dir = open("/mnt/turn", O_RDONLY | O_DIRECTORY);
  rename("/mnt/turn", "/mnt/turned");
  symlink(hostDir, "/mnt/turn");
  int fd = openat(dir, "secret", O_RDONLY);
  mustFail("openat behind a link", fd);
  mustFail("openat ..", openat(dir, "../../secret", O_RDONLY));
  fchdir(dir);
  mustFail("open behind a link", open("secret", O_RDONLY));
  chdir("/");
  mustFail("link out", link("/mnt/mine/secret", "/stolen"));
  mustFail("rename in", rename("/mnt/mine/secret", "/mnt/stolen"));

  // Roots, mounts and devices.
  mkdir("/jail", 0755);
  int top = open("/", O_RDONLY | O_DIRECTORY);
  if (chroot("/jail") == 0) {
    fchdir(top);
    for (int i = 0; i < 50; i++) chdir("..");
    chroot(".");
    snprintf(path, sizeof path, "%s/secret", hostDir);
    noSecret(path);
  }
  mkdir("/m", 0755);
  mustFail("mount disk", mount("/dev/sda", "/m", "ext4", 0, ""));
  mustFail("mount host directory", mount(hostDir, "/m", "hostdir", 0, ""));
  mustFail("bind host directory", mount(hostDir, "/m", NULL, MS_BIND, NULL));
  mustFail("mount nfs", mount("1.2.3.4:/", "/m", "nfs", 0, ""));
  int majors[] = {8, 253, 254, 259, 7, 1, 10, 4, 13};
  for (unsigned i = 0; i < sizeof majors / sizeof *majors; i++)
    for (int minor = 0; minor < 3; minor++) {
      if (mknod("/node", S_IFBLK | 0600, makedev(majors[i], minor)) == 0) {
        mustFail("block device", open("/node", O_RDWR));
        unlink("/node");
      }
      if (mknod("/node", S_IFCHR | 0600, makedev(majors[i], minor)) == 0) {
        mustFail("character device", open("/node", O_RDWR));
        unlink("/node");
      }
    }
  mustFail("device in the granted directory", mknod("/mnt/node", S_IFBLK | 0600, makedev(8, 0)));
  mustFail("fifo of the host", open("/mnt/fifo", O_RDWR | O_NONBLOCK));

  // Processes, network, sockets and the machine itself.
  if (hostPid > 3) {
    mustFail("kill", kill(hostPid, 0));
    mustFail("ptrace", ptrace(PTRACE_ATTACH, hostPid, 0, 0));
    snprintf(path, sizeof path, "/proc/%d/environ", hostPid);
    mustFail("environment", open(path, O_RDONLY));
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
  inet_aton("1.1.1.1", &address.sin_addr);
  mustFail("connect", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address));
  mustFail("datagram", sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (void *)&address, sizeof address));
  address.sin_port = htons(atoi(argv[5]));
  inet_aton("127.0.0.1", &address.sin_addr);
  mustFail("connect to the host", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof address));
  mustFail("raw socket", socket(AF_INET, SOCK_RAW, 1));
  mustFail("packet socket", socket(17, SOCK_RAW, 0));
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "/mnt/socket");
  mustFail("socket of the host", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name));
  mustFail("reboot", reboot(RB_AUTOBOOT));
  mustFail("module", syscall(SYS_init_module, "x", 1L, ""));
  mustFail("kexec", syscall(SYS_kexec_load, 0L, 0L, NULL, 0L));
  mustFail("bpf", syscall(SYS_bpf, 0, NULL, 0));
  for (char **variable = environ; *variable; variable++)
    if (strstr(*variable, secret)) printf("ESCAPE variable %s\n", *variable);
  printf("done\n");
  return 0;
}
