// A small dictionary compressor (LZ77 with hash chains, then an adaptive order-0 range coder) and its inverse.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { size = 1 << 20, window = 1 << 15, hashes = 1 << 14, shortest = 4, longest = 130 };

static uint8_t input[size], packed[2 * size], coded[2 * size], decoded[2 * size], output[size + longest];
static int32_t head[hashes], previous[size];

static unsigned hash(const uint8_t *p) {
  uint32_t x;
  memcpy(&x, p, 4);
  return x * 2654435761u >> 18;
}

// Tokens: 0..127 = that many + 1 literals follow; 128..255 = a match of token - 128 + shortest, 16-bit distance follows.
static size_t pack(void) {
  size_t out = 0, literals = 0;
  memset(head, -1, sizeof head);
  for (size_t at = 0; at < size;) {
    size_t best = 0, distance = 0;
    if (at + longest < size) {
      unsigned h = hash(input + at), tries = 32;
      for (int32_t seen = head[h]; seen >= 0 && at - (size_t)seen < window && tries--; seen = previous[seen]) {
        size_t length = 0;
        while (length < longest && input[seen + length] == input[at + length]) length++;
        if (length > best) best = length, distance = at - (size_t)seen;
      }
    }
    size_t step = best >= shortest ? best : 1;
    if (best < shortest) literals++;
    if (literals && (best >= shortest || literals == 128 || at + 1 == size)) {
      size_t end = best >= shortest ? at : at + 1;
      packed[out++] = (uint8_t)(literals - 1);
      memcpy(packed + out, input + end - literals, literals);
      out += literals;
      literals = 0;
    }
    if (best >= shortest) {
      packed[out++] = (uint8_t)(128 + best - shortest);
      packed[out++] = (uint8_t)distance;
      packed[out++] = (uint8_t)(distance >> 8);
    }
    for (; step--; at++)
      if (at + 4 <= size) {
        unsigned h = hash(input + at);
        previous[at] = head[h];
        head[h] = (int32_t)at;
      }
  }
  return out;
}

static size_t unpack(const uint8_t *from, size_t length) {
  size_t out = 0;
  for (size_t at = 0; at < length;) {
    unsigned token = from[at++];
    if (token < 128) {
      memcpy(output + out, from + at, token + 1);
      out += token + 1, at += token + 1;
    } else {
      size_t distance = from[at] | from[at + 1] << 8;
      at += 2;
      for (unsigned i = 0; i < token - 128 + shortest; i++, out++) output[out] = output[out - distance];
    }
  }
  return out;
}

// A binary adaptive range coder over the bits of each byte (a tree of 256 probabilities).
static uint16_t model[256];

static size_t encode(size_t length) {
  uint64_t low = 0;
  uint32_t range = 0xffffffff;
  size_t out = 0;
  uint8_t cache = 0;
  uint64_t pending = 1;
  for (int i = 0; i < 256; i++) model[i] = 1024;
  for (size_t at = 0; at < length + 1; at++) {
    for (int bit = 7, node = 1; bit >= 0 && at < length; bit--) {
      int one = packed[at] >> bit & 1;
      uint32_t bound = (range >> 11) * model[node];
      if (one) low += bound, range -= bound, model[node] -= model[node] >> 5;
      else range = bound, model[node] += (2048 - model[node]) >> 5;
      node = node * 2 + one;
      while (range < 1u << 24) {
        if ((uint32_t)low < 0xff000000u || low >> 32) {
          do coded[out++] = (uint8_t)(cache + (low >> 32)), cache = 0xff;
          while (--pending);
          cache = (uint8_t)(low >> 24);
        }
        pending++;
        low = (uint32_t)low << 8;
        range <<= 8;
      }
    }
    for (int i = 0; i < 5 && at == length; i++) {
      if ((uint32_t)low < 0xff000000u || low >> 32) {
        do coded[out++] = (uint8_t)(cache + (low >> 32)), cache = 0xff;
        while (--pending);
        cache = (uint8_t)(low >> 24);
      }
      pending++;
      low = (uint32_t)low << 8;
    }
  }
  return out;
}

static void decode(size_t length) {
  uint32_t range = 0xffffffff, code = 0;
  size_t at = 1;
  for (int i = 0; i < 4; i++) code = code << 8 | coded[at++];
  for (int i = 0; i < 256; i++) model[i] = 1024;
  for (size_t out = 0; out < length; out++) {
    int node = 1;
    while (node < 256) {
      uint32_t bound = (range >> 11) * model[node];
      int one = code >= bound;
      if (one) code -= bound, range -= bound, model[node] -= model[node] >> 5;
      else range = bound, model[node] += (2048 - model[node]) >> 5;
      node = node * 2 + one;
      while (range < 1u << 24) range <<= 8, code = code << 8 | coded[at++];
    }
    decoded[out] = (uint8_t)node;
  }
}

int main(void) {
  static const char *const words[16] = {"the ", "kernel ", "and ", "of ", "a ", "page ", "signal ", "to ", "task ", "is ", "\n",
    "memory ", "in ", "file ", "waits ", "0x7f"};
  uint32_t state = 99;
  size_t filled = 0;
  while (filled < size - 16) {
    state = state * 1664525 + 1013904223;
    const char *word = words[(state >> 24) & (state >> 20) & 15];
    size_t length = strlen(word);
    memcpy(input + filled, word, length);
    filled += length;
    if ((state >> 12 & 15) == 0) input[filled++] = (uint8_t)(state >> 8);
  }
  size_t first = 0, second = 0;
  for (int round = 0; round < 8; round++) {
    first = pack();
    second = encode(first);
    decode(first);
    if (unpack(decoded, first) != size || memcmp(input, output, size) != 0) {
      printf("compress: the round trip failed\n");
      return 1;
    }
    input[round * 1000] ^= 1;
  }
  printf("compress %zu %zu\n", first, second);
  return 0;
}
