// A program that uses the model device by its header: loads a model, looks at its ports, runs it on a tensor of its own.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cerebro.h"

static int device;

static void say(const char *what) {
  char words[512];
  struct cerebro_message message = {(uint64_t)(uintptr_t)words, sizeof words - 1, 0};
  int error = errno;
  if (ioctl(device, CEREBRO_MESSAGE, &message) < 0) { perror("message"); return; }
  words[message.length < sizeof words ? message.length : sizeof words - 1] = 0;
  printf("%s: %s: %s", what, strerror(error), words);
}

static int command(const char *text) {
  struct cerebro_command c = {(uint64_t)(uintptr_t)text, strlen(text), 0};
  return ioctl(device, CEREBRO_COMMAND, &c);
}

int main(int argc, char **argv) {
  device = open(CEREBRO_DEVICE, O_RDWR);
  if (device < 0) { perror(CEREBRO_DEVICE); return 1; }
  struct cerebro_model_info info;
  if (ioctl(device, CEREBRO_MODEL_INFO, &info) < 0) printf("before: %s\n", strerror(errno));
  if (command("LOAD_MODEL /nowhere") < 0) say("missing");
  if (command("LOAD_MODEL /proc/self/exe") < 0) say("not a model");
  if (command("NONSENSE") < 0) say("nonsense");
  char line[256];
  snprintf(line, sizeof line, "LOAD_MODEL %s", argv[1]);
  if (command(line) < 0) { say("load"); return 1; }
  if (ioctl(device, CEREBRO_MODEL_INFO, &info) < 0) { perror("info"); return 1; }
  printf("%s %s: %u in, %u out\n", info.name, info.format, info.inputs, info.outputs);
  struct cerebro_port_info port = {0};
  if (ioctl(device, CEREBRO_PORT_INFO, &port) < 0) { perror("port"); return 1; }
  printf("input %s element %u rank %u:", port.name, port.element, port.rank);
  uint64_t count = 1;
  for (unsigned i = 0; i < port.rank; i++) {
    if (port.shape[i] == 0) port.shape[i] = 1;
    printf(" %llu", (unsigned long long)port.shape[i]);
    count *= port.shape[i];
  }
  printf("\n");
  float *numbers = malloc(count * sizeof *numbers), results[16];
  for (uint64_t k = 0; k < count; k++) numbers[k] = (float)(k % 17) / 17 - 0.5f;
  struct cerebro_tensor input = {(uint64_t)(uintptr_t)numbers, count * sizeof *numbers, CEREBRO_F32, port.rank};
  memcpy(input.shape, port.shape, sizeof input.shape);
  struct cerebro_tensor output = {(uint64_t)(uintptr_t)results, sizeof results};
  struct cerebro_execution run = {(uint64_t)(uintptr_t)&input, (uint64_t)(uintptr_t)&output, 1, 1, 0};
  for (int i = 0; i < 3; i++) {
    output.size = sizeof results;
    if (ioctl(device, CEREBRO_EXECUTE, &run) < 0) { say("execute"); return 1; }
  }
  printf("output %s rank %u, %llu bytes:", output.name, output.rank, (unsigned long long)output.size);
  for (unsigned i = 0; i < output.size / sizeof *results; i++) printf(" %.4f", results[i]);
  printf("\n%s\n", run.nanoseconds > 0 ? "timed" : "not timed");
  output.size = 4;
  if (ioctl(device, CEREBRO_EXECUTE, &run) < 0) printf("no room: %s, needs %llu\n", strerror(errno), (unsigned long long)output.size);
  input.size -= 4;
  if (ioctl(device, CEREBRO_EXECUTE, &run) < 0) printf("wrong size: %s\n", strerror(errno));
  input.size += 4;
  input.data = 16;
  if (ioctl(device, CEREBRO_EXECUTE, &run) < 0) printf("wrong address: %s\n", strerror(errno));
  close(device);
  return 0;
}
