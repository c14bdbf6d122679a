// Sockets between processes of one machine: names, messages, descriptors that travel, datagrams, refusals.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void num(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerror(errno));
  else printf("%s: %ld\n", what, result);
}
#define N(call) num(#call, (long)(call))

static socklen_t name(struct sockaddr_un *address, const char *path) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path[0] == '@' ? path + 1 : path, 0);
  if (path[0] == '@') {
    memcpy(address->sun_path + 1, path + 1, strlen(path) - 1);
    return offsetof(struct sockaddr_un, sun_path) + strlen(path);
  }
  strcpy(address->sun_path, path);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}
static int events(int fd, int wanted) {
  struct pollfd p = {fd, wanted, 0};
  poll(&p, 1, 0);
  return p.revents;
}
static void sendFile(int fd, int file, const char *text) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {(void *)text, strlen(text)};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(c), &file, sizeof file);
  N(sendmsg(fd, &m, 0));
}
static int receiveFile(int fd, int flags) {
  char control[200], text[50] = "";
  int file = -1;
  struct iovec part = {text, sizeof text - 1};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  N(recvmsg(fd, &m, flags));
  printf("'%s' flags %x", text, m.msg_flags & ~MSG_CMSG_CLOEXEC);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    printf(" [%d %d %ld]", c->cmsg_level, c->cmsg_type, (long)(c->cmsg_len - CMSG_LEN(0)));
    if (c->cmsg_type == SCM_RIGHTS) memcpy(&file, CMSG_DATA(c), sizeof file);
    if (c->cmsg_type == SCM_CREDENTIALS) {
      struct ucred who;
      memcpy(&who, CMSG_DATA(c), sizeof who);
      printf(" self %d", who.pid == getpid() && who.uid == getuid());
    }
  }
  printf("\n");
  return file;
}

static void pairs(void) {
  int p[2];
  char text[100];
  N(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
  N(write(p[0], "hello", 5));
  N(write(p[0], "world", 5));
  N(recv(p[1], text, 3, MSG_PEEK));
  N(recv(p[1], text, 100, 0));
  N(recv(p[1], text, 100, MSG_DONTWAIT));
  int count = -1;
  write(p[0], "1234", 4);
  ioctl(p[1], FIONREAD, &count);
  printf("available %d\n", count);
  printf("events %x\n", events(p[1], POLLIN | POLLOUT | POLLRDHUP));
  N(shutdown(p[0], SHUT_WR));
  N(write(p[0], "x", 1));
  printf("events %x\n", events(p[1], POLLIN | POLLOUT | POLLRDHUP));
  N(read(p[1], text, 100));
  N(read(p[1], text, 100));
  N(write(p[1], "back", 4));
  close(p[0]);
  printf("events %x\n", events(p[1], POLLIN | POLLOUT | POLLRDHUP));
  N(send(p[1], "x", 1, MSG_NOSIGNAL));
  N(read(p[1], text, 1));
  close(p[1]);

  N(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
  N(send(p[0], "one", 3, 0));
  N(send(p[0], "", 0, 0));
  N(send(p[0], "three", 5, 0));
  N(recv(p[1], text, 2, 0));
  N(recv(p[1], text, 10, 0));
  N(recv(p[1], text, 2, MSG_TRUNC));
  close(p[0]);
  N(recv(p[1], text, 2, 0));
  close(p[1]);

  N(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
  N(send(p[0], "gram", 4, 0));
  N(recv(p[1], text, 100, 0));
  N(recv(p[1], text, 100, 0));
  int sent = 0;
  while (send(p[0], "x", 1, 0) == 1) sent++;
  printf("full: %s, some %d\n", strerror(errno), sent > 5);
  close(p[1]);
  N(send(p[0], "x", 1, 0));
  close(p[0]);
  N(socketpair(AF_INET, SOCK_STREAM, 0, p));
  N(socketpair(AF_UNIX, 77, 0, p));

  // Descriptors and identity.
  N(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
  int pipes[2];
  if (pipe(pipes)) return;
  sendFile(p[0], pipes[1], "take");
  close(pipes[1]);
  int got = receiveFile(p[1], MSG_CMSG_CLOEXEC);
  N(fcntl(got, F_GETFD));
  N(write(got, "through", 7));
  N(read(pipes[0], text, 100));
  close(got);
  N(read(pipes[0], text, 100));
  int on = 1;
  N(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  N(write(p[0], "who", 3));
  receiveFile(p[1], 0);
  struct ucred who;
  socklen_t length = sizeof who;
  N(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &who, &length));
  printf("peer %d\n", who.pid == getpid());
  close(p[0]);
  close(p[1]);
}

static void unixNames(void) {
  struct sockaddr_un address, other;
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  socklen_t length = name(&address, "socket");
  N(connect(client, (void *)&address, length));
  N(bind(server, (void *)&address, length));
  N(bind(server, (void *)&address, length));
  N(connect(client, (void *)&address, length));
  N(accept(server, NULL, NULL));
  N(listen(server, 1));
  struct stat st;
  stat("socket", &st);
  printf("%o\n", st.st_mode);
  N(open("socket", O_RDWR));
  N(connect(client, (void *)&address, length));
  N(connect(client, (void *)&address, length));
  socklen_t room = sizeof other;
  int accepted = accept4(server, (void *)&other, &room, SOCK_CLOEXEC);
  printf("from %d bytes, family %d\n", room, other.sun_family);
  room = sizeof other;
  N(getpeername(client, (void *)&other, &room));
  printf("%d '%s'\n", room, other.sun_path);
  N(write(client, "abc", 3));
  char text[20];
  N(read(accepted, text, 20));
  fcntl(server, F_SETFL, O_NONBLOCK);
  N(accept(server, NULL, NULL));
  int again = socket(AF_UNIX, SOCK_STREAM, 0);
  N(bind(again, (void *)&address, length));
  unlink("socket");
  N(connect(again, (void *)&address, length));
  length = name(&address, "@abstract-name-of-test");
  N(bind(again, (void *)&address, length));
  N(listen(again, 5));
  int dgram = socket(AF_UNIX, SOCK_DGRAM, 0);
  N(connect(dgram, (void *)&address, length));
  close(client);
  client = socket(AF_UNIX, SOCK_STREAM, 0);
  N(connect(client, (void *)&address, length));
  close(again);
  N(read(client, text, 1));
  N(connect(dgram, (void *)&address, length));
  int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
  length = name(&address, "dgram-a");
  N(bind(a, (void *)&address, length));
  name(&other, "dgram-b");
  N(bind(b, (void *)&other, sizeof other));
  N(sendto(b, "hey", 3, 0, (void *)&address, length));
  room = sizeof other;
  N(recvfrom(a, text, 20, 0, (void *)&other, &room));
  printf("%s\n", other.sun_path);
  N(send(b, "x", 1, 0));
  int type, size = sizeof type;
  getsockopt(a, SOL_SOCKET, SO_TYPE, &type, (socklen_t *)&size);
  printf("type %d\n", type);
  N(socket(AF_UNIX, SOCK_STREAM, 5));
  N(socket(77, SOCK_STREAM, 0));
  N(listen(a, 1));
  N(write(server, "x", 1) < 0 && errno == ENOTCONN);
}

static struct sockaddr_in at(int port) {
  return (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
}

static void inet(void) {
  char text[100];
  int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = at(0);
  socklen_t length = sizeof address;
  N(bind(server, (void *)&address, sizeof address));
  N(getsockname(server, (void *)&address, &length));
  int port = ntohs(address.sin_port);
  printf("port %d %s\n", port >= 1024, inet_ntoa(address.sin_addr));
  int client = socket(AF_INET, SOCK_STREAM, 0);
  N(connect(client, (void *)&address, sizeof address));
  N(listen(server, 10));
  printf("listening %x\n", events(server, POLLIN));
  close(client);
  client = socket(AF_INET, SOCK_STREAM, 0);
  N(connect(client, (void *)&address, sizeof address));
  usleep(1000);
  printf("listening %x\n", events(server, POLLIN));
  struct sockaddr_in from;
  length = sizeof from;
  int accepted = accept(server, (void *)&from, &length);
  struct sockaddr_in mine;
  length = sizeof mine;
  getsockname(client, (void *)&mine, &length);
  printf("same port %d\n", mine.sin_port == from.sin_port);
  N(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  on = 0;
  length = sizeof on;
  N(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &length));
  printf("nodelay %d\n", on);
  N(getsockopt(client, SOL_SOCKET, SO_ERROR, &on, &length));
  N(getsockopt(client, SOL_SOCKET, 12345, &on, &length));
  N(send(client, "hello", 5, 0));
  N(recv(accepted, text, 100, 0));
  fflush(stdout);
  if (fork() == 0) {
    for (int i = 0; i < 5; i++) { send(client, "part", 4, 0); usleep(1000); }
    _exit(0);
  }
  N(recv(accepted, text, 20, MSG_WAITALL));
  wait(NULL);
  struct timeval tv = {0, 20000};
  N(setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
  N(recv(accepted, text, 20, 0));
  // Much data both ways through a full buffer.
  fflush(stdout);
  if (fork() == 0) {
    char block[10000];
    long total = 0;
    close(client);
    for (int i = 0; i < 200; i++) {
      memset(block, i, sizeof block);
      if (send(accepted, block, sizeof block, 0) != sizeof block) _exit(1);
      total += sizeof block;
    }
    _exit(0);
  }
  close(accepted);
  long total = 0, sum = 0;
  static unsigned char big[65536];
  for (long count; (count = recv(client, big, sizeof big, 0)) > 0; total += count)
    for (long i = 0; i < count; i++) sum += big[i];
  printf("total %ld sum %ld\n", total, sum);
  wait(NULL);
  close(client);
  N(accept4(server, NULL, NULL, 0x123));
  int second = socket(AF_INET, SOCK_STREAM, 0);
  N(bind(second, (void *)&address, sizeof address));
  struct sockaddr_in far = {AF_INET, htons(9), {htonl(0x01020304)}};
  N(bind(second, (void *)&far, sizeof far));
  close(server);
  N(connect(second, (void *)&address, sizeof address));

  // Both versions of IP.
  int six = socket(AF_INET6, SOCK_STREAM, 0);
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
  N(bind(six, (void *)&any, sizeof any));
  N(listen(six, 3));
  length = sizeof any;
  getsockname(six, (void *)&any, &length);
  address = at(ntohs(any.sin6_port));
  client = socket(AF_INET, SOCK_STREAM, 0);
  N(connect(client, (void *)&address, sizeof address));
  struct sockaddr_in6 peer;
  length = sizeof peer;
  accepted = accept(six, (void *)&peer, &length);
  printf("%s\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));

  // Datagrams.
  int u = socket(AF_INET, SOCK_DGRAM, 0), v = socket(AF_INET, SOCK_DGRAM, 0);
  address = at(0);
  bind(u, (void *)&address, sizeof address);
  length = sizeof address;
  getsockname(u, (void *)&address, &length);
  N(sendto(v, "datagram", 8, 0, (void *)&address, sizeof address));
  N(recv(u, text, 4, MSG_PEEK | MSG_TRUNC));
  length = sizeof from;
  N(recvfrom(u, text, 100, 0, (void *)&from, &length));
  N(recv(u, text, 100, MSG_DONTWAIT));
  N(connect(u, (void *)&from, sizeof from));
  N(send(u, "answer", 6, 0));
  N(recv(v, text, 100, 0));
  struct mmsghdr many[3];
  struct iovec parts[3];
  char slots[3][10];
  memset(many, 0, sizeof many);
  for (int i = 0; i < 3; i++) {
    parts[i] = (struct iovec){slots[i], 10};
    many[i].msg_hdr.msg_iov = &parts[i];
    many[i].msg_hdr.msg_iovlen = 1;
    send(u, "abc", i + 1, 0);
  }
  N(recvmmsg(v, many, 3, MSG_DONTWAIT, NULL));
  printf("%u %u %u\n", many[0].msg_len, many[1].msg_len, many[2].msg_len);
  close(v);
  N(send(u, "lost", 4, 0));
  N(send(u, "lost", 4, 0));
  static char huge[70000];
  N(send(u, huge, sizeof huge, 0));
  N(shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_RDWR));
  N(getpeername(socket(AF_INET, SOCK_STREAM, 0), (void *)&from, &length));
  N(recv(0x7fff, text, 1, 0));
  int plain = open("/dev/null", O_RDWR);
  N(recv(plain, text, 1, 0));
}

int main(void) {
  char where[] = "/tmp/sockets-XXXXXX";
  if (!mkdtemp(where) || chdir(where)) return 1;
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  pairs();
  unixNames();
  inet();
  return 0;
}
