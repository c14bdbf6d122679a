// The C library's qsort with a comparison callback, over integers and over strings.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int numbers(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static int words(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(void) {
  enum { count = 400000 };
  static uint32_t value[count];
  static char text[count / 4][12];
  static char *word[count / 4];
  uint32_t state = 1, check = 0;
  for (int round = 0; round < 8; round++) {
    for (int i = 0; i < count; i++) value[i] = state = state * 1664525 + 1013904223;
    qsort(value, count, sizeof *value, numbers);
    for (int i = 0; i < count; i += 1000) check = check * 31 + value[i];
    for (int i = 0; i < count / 4; i++) {
      state = state * 1664525 + 1013904223;
      snprintf(text[i], sizeof text[i], "%08x", state);
      word[i] = text[i];
    }
    qsort(word, count / 4, sizeof *word, words);
    for (int i = 0; i < count / 4; i += 1000) check = check * 31 + (uint32_t)strtoul(word[i], NULL, 16);
  }
  printf("sort %08x\n", check);
  return 0;
}
