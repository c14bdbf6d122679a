// Opens the model device, loads, runs and closes, as often as it is told; says so every fifty times.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int cycles = atoi(argv[1]);
  char text[4096];
  for (int i = 1; i <= cycles; i++) {
    int device = open("/dev/cerebro", O_RDWR);
    if (device < 0) { perror("open"); return 1; }
    snprintf(text, sizeof text, "LOAD_MODEL %s\n", argv[2 + i % (argc - 3)]);
    if (write(device, text, strlen(text)) < 0) { perror("load"); return 1; }
    snprintf(text, sizeof text, "EXECUTE_MODEL %s\n", argv[argc - 1]);
    if (write(device, text, strlen(text)) < 0) { perror("execute"); return 1; }
    if (read(device, text, sizeof text) <= 0) { perror("read"); return 1; }
    close(device);
    if (i % 50 == 0) { printf("%d\n", i); fflush(stdout); }
  }
  return 0;
}
