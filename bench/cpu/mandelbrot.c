// The Mandelbrot set in double precision, one point at a time.
#include <stdio.h>

int main(void) {
  enum { width = 1400, height = 1000, limit = 500 };
  unsigned long long inside = 0, steps = 0;
  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++) {
      double cr = -2.2 + 3.2 * column / width, ci = -1.2 + 2.4 * row / height;
      double x = 0, y = 0;
      int i = 0;
      for (; i < limit; i++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4) break;
        y = 2 * x * y + ci;
        x = xx - yy + cr;
      }
      inside += i == limit;
      steps += (unsigned)i;
    }
  printf("mandelbrot %llu %llu\n", inside, steps);
  return 0;
}
