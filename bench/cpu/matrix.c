// Single-precision matrix multiply that gcc vectorises with SSE.
#include <stdio.h>

enum { size = 512 };
static float a[size][size], b[size][size], c[size][size];

__attribute__((optimize("O3"))) static void multiply(void) {
  for (int i = 0; i < size; i++)
    for (int k = 0; k < size; k++) {
      float factor = a[i][k];
      for (int j = 0; j < size; j++) c[i][j] += factor * b[k][j];
    }
}

int main(void) {
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++) {
      a[i][j] = (float)((i * 7 + j * 3) % 11) / 8;
      b[i][j] = (float)((i * 5 + j * 13) % 17) / 16;
    }
  for (int round = 0; round < 10; round++) multiply();
  double sum = 0;
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++) sum += c[i][j] * ((i ^ j) & 3);
  printf("matrix %.4f %.4f %.4f\n", sum, c[1][2], c[500][300]);
  return 0;
}
