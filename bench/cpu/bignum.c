// Multi-word multiplication with 64x64->128 products: repeated squaring modulo 2^4096 - 1.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if __SIZEOF_INT128__
typedef unsigned __int128 wide;
typedef uint64_t word;
enum { bits = 64 };
#else
typedef uint64_t wide;
typedef uint32_t word;
enum { bits = 32 };
#endif
// This modulus makes the reduction one addition with end-around carry.
enum { words = 4096 / bits };

static void square(word x[words]) {
  word product[2 * words];
  memset(product, 0, sizeof product);
  for (int i = 0; i < words; i++) {
    word carry = 0;
    for (int j = 0; j < words; j++) {
      wide sum = (wide)x[i] * x[j] + product[i + j] + carry;
      product[i + j] = (word)sum;
      carry = (word)(sum >> bits);
    }
    product[i + words] = carry;
  }
  word carry = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < words; i++) {
      wide sum = (wide)product[i] + (pass ? 0 : product[i + words]) + carry;
      product[i] = (word)sum;
      carry = (word)(sum >> bits);
    }
  memcpy(x, product, words * sizeof *x);
}

int main(void) {
  word x[words];
  memset(x, 0x5a, sizeof x);
  x[0] ^= 12345;
  for (int i = 0; i < 130000; i++) {
    square(x);
    x[0] ^= (word)i;
  }
  uint64_t check = 0;
  for (int i = 0; i < words; i++) check = check * 31 + (uint32_t)x[i] + (uint32_t)(x[i] >> (bits - 32));
  printf("bignum %016llx\n", (unsigned long long)check);
  return 0;
}
