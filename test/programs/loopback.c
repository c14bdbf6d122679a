// A server and three clients over TCP on 127.0.0.1, with poll; then UDP; then a UNIX socket pair with a passed descriptor.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static int client(int number, unsigned short port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  check(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
  char text[64];
  for (int i = 0; i < 50; i++) {
    int length = snprintf(text, sizeof text, "%d:%d\n", number, i);
    check(write(fd, text, (size_t)length) == length, "client write");
    ssize_t got = 0;
    while (got < length) {
      ssize_t more = read(fd, text + got, (size_t)(length - got));
      check(more > 0, "client read");
      got += more;
    }
  }
  close(fd);
  return 0;
}

int main(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0, "setsockopt");
  check(bind(listener, (struct sockaddr *)&at, sizeof at) == 0, "bind");
  check(listen(listener, 8) == 0, "listen");
  check(getsockname(listener, (struct sockaddr *)&at, &size) == 0 && at.sin_port != 0, "getsockname");
  for (int i = 0; i < 3; i++)
    if (fork() == 0) _exit(client(i, at.sin_port));
  struct pollfd watched[4] = {{.fd = listener, .events = POLLIN}};
  int open = 1, ended = 0;
  long bytes = 0;
  while (ended < 3) {
    check(poll(watched, (nfds_t)open, 5000) > 0, "poll");
    for (int i = open - 1; i > 0; i--) {
      if (!(watched[i].revents & (POLLIN | POLLHUP))) continue;
      char buffer[512];
      ssize_t got = read(watched[i].fd, buffer, sizeof buffer);
      check(got >= 0, "server read");
      if (got == 0) {
        close(watched[i].fd);
        watched[i] = watched[--open];
        ended++;
      } else {
        check(write(watched[i].fd, buffer, (size_t)got) == got, "server write");
        bytes += got;
      }
    }
    if (watched[0].revents & POLLIN) {
      int fd = accept(listener, NULL, NULL);
      check(fd >= 0, "accept");
      watched[open++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
  }
  int failures = 0, status;
  while (wait(&status) > 0) failures += status != 0;
  printf("tcp: %ld bytes echoed, %d failures\n", bytes, failures);

  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  at.sin_port = 0;
  check(bind(a, (struct sockaddr *)&at, sizeof at) == 0, "bind udp");
  size = sizeof at;
  getsockname(a, (struct sockaddr *)&at, &size);
  check(sendto(b, "datagram", 8, 0, (struct sockaddr *)&at, sizeof at) == 8, "sendto");
  char text[32] = "";
  check(recv(a, text, sizeof text, 0) == 8, "recv");
  printf("udp: %s\n", text);

  int pair[2], carried[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(carried) == 0, "socketpair");
  char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &carried[1], sizeof(int));
  check(sendmsg(pair[0], &message, 0) == 1, "sendmsg");
  memset(control, 0, sizeof control);
  message.msg_controllen = sizeof control;
  check(recvmsg(pair[1], &message, 0) == 1, "recvmsg");
  int received;
  memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
  check(received != carried[1] && write(received, "passed", 6) == 6, "write passed");
  memset(text, 0, sizeof text);
  check(read(carried[0], text, sizeof text) == 6, "read passed");
  printf("unix: %s\n", text);

  at.sin_port = htons(1);
  int refused = socket(AF_INET, SOCK_STREAM, 0);
  int result = connect(refused, (struct sockaddr *)&at, sizeof at);
  printf("refused: %d %s\n", result, strerror(errno));
  return 0;
}
