// Integer mix: shifts, multiplies, divisions, population counts and branches over a pseudo-random stream.
#include <stdint.h>
#include <stdio.h>

static uint64_t next(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static unsigned bits(uint64_t x) {
  unsigned count = 0;
  for (; x; x &= x - 1) count++;
  return count;
}

static uint32_t gcd(uint32_t a, uint32_t b) {
  while (b) {
    uint32_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

int main(void) {
  uint64_t state = 88172645463325252u, sum = 0;
  for (unsigned i = 0; i < 40000000; i++) {
    uint64_t x = next(&state);
    uint32_t low = (uint32_t)x, high = (uint32_t)(x >> 32);
    switch (x & 7) {
      case 0: sum += (uint64_t)low * high; break;
      case 1: sum ^= (low << (high & 31)) | (low >> (-high & 31)); break;
      case 2: sum += bits(x); break;
      case 3: sum -= (int32_t)low >> (high & 15); break;
      case 4: sum += gcd(low & 0xff, (high & 0xff) | 1); break;
      case 5: sum ^= (uint8_t)low * (uint16_t)high; break;
      case 6: sum += (int64_t)x < 0 ? low % 1009 : high / 37; break;
      default: sum = sum * 6364136223846793005u + 1442695040888963407u;
    }
  }
  printf("integers %016llx\n", (unsigned long long)sum);
  return 0;
}
