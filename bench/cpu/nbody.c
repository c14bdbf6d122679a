// The gravity of five bodies, in double precision, step by step.
#include <math.h>
#include <stdio.h>

struct body {
  double x, y, z, vx, vy, vz, mass;
};

static struct body bodies[5] = {
  {0, 0, 0, 0, 0, 0, 39.47},
  {4.84, -1.16, -0.10, 0.606, 2.81, -0.02, 0.0376},
  {8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.0113},
  {12.89, -15.11, -0.22, 1.08, 0.868, -0.01, 0.00172},
  {15.37, -25.9, 0.179, 0.979, 0.594, -0.034, 0.00203},
};

static void step(double dt) {
  for (int i = 0; i < 5; i++)
    for (int j = i + 1; j < 5; j++) {
      struct body *a = &bodies[i], *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double squared = dx * dx + dy * dy + dz * dz;
      double pull = dt / (squared * sqrt(squared));
      a->vx -= dx * b->mass * pull, a->vy -= dy * b->mass * pull, a->vz -= dz * b->mass * pull;
      b->vx += dx * a->mass * pull, b->vy += dy * a->mass * pull, b->vz += dz * a->mass * pull;
    }
  for (int i = 0; i < 5; i++) {
    struct body *a = &bodies[i];
    a->x += dt * a->vx, a->y += dt * a->vy, a->z += dt * a->vz;
  }
}

int main(void) {
  for (int i = 0; i < 5000000; i++) step(0.001);
  for (int i = 0; i < 5; i++) printf("nbody %.12f %.12f %.12f\n", bodies[i].x, bodies[i].y, bodies[i].z);
  return 0;
}
