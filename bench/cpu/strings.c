// String and memory functions of the C library on short and long operands.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  static char text[1 << 16], copy[1 << 16];
  uint32_t state = 7;
  uint64_t check = 0;
  for (size_t i = 0; i < sizeof text - 1; i++) {
    state = state * 1664525 + 1013904223;
    text[i] = (char)(state >> 28 ? 'a' + (state >> 24) % 26 : ' ');
  }
  for (int round = 0; round < 15000; round++) {
    memcpy(copy, text, sizeof text);
    check += strlen(copy);
    check += (size_t)(strchr(copy + round % 20000, 'z') - copy);
    check += memcmp(copy, text, sizeof text) == 0;
    memmove(copy + 1 + round % 64, copy, 30000);
    memset(copy + 40000, 'a' + round % 26, 1000 + round % 20000);
    const char *found = strstr(copy + 20000, "qxz");
    check += found ? (size_t)(found - copy) : 1;
    unsigned words = 0;
    for (char *word = copy; *word && words < 600; words++) {
      size_t length = strcspn(word, " ");
      char small[80];
      if (length >= sizeof small) length = sizeof small - 1;
      memcpy(small, word, length);
      small[length] = 0;
      check += strlen(small) + (unsigned)(strcmp(small, "middle") > 0) + (strrchr(small, 'e') != NULL);
      word += length;
      while (*word == ' ') word++;
    }
    check += words;
  }
  printf("strings %llu\n", (unsigned long long)check);
  return 0;
}
