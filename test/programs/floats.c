// Floating point from a program's side: rounding modes, exceptions, long double, signals, vector intrinsics.
#pragma GCC target("sse2")
#define _GNU_SOURCE
#include <emmintrin.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <mmintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int code;

static void on_fpe(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  code = info->si_code;
  siglongjmp(back, 1);
}

static void on_usr(int signal) {
  (void)signal;
  // The handler starts with a clean state and must not disturb the interrupted one.
  volatile double x = 3;
  fesetround(FE_UPWARD);
  x = sqrt(x) / 7;
  printf("in handler %.17g round %d\n", x, fegetround());
}

static void rounding(void) {
  static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
  volatile double one = 1, three = 3, big = 1e16, half = 2.5;
  volatile float f = 1, g = 3;
  volatile long double l = 1, m = 3;
  for (int i = 0; i < 4; i++) {
    fesetround(modes[i]);
    printf("%d: %.17g %.17g %.9g %.21Lg %.17g %ld %.17g %a\n", i, one / three, -one / three, (double)(f / g), l / m,
           big + one, lrint(half), rint(-half), one + 0x1p-60);
    volatile long long wide = 0x7fffffffffffffffLL;
    printf("  %.17g %.9g %d %d\n", (double)wide, (double)(float)wide, (int)lrint(-half), (int)lrintf(-2.5f));
  }
  fesetround(FE_TONEAREST);
}

static void flush(void) {
  unsigned saved = _mm_getcsr();
  volatile double small = DBL_MIN, two = 2;
  _mm_setcsr(saved | 0x8040);
  __m128d r = _mm_div_sd(_mm_set_sd(small), _mm_set_sd(two));
  printf("flushed %g", _mm_cvtsd_f64(r));
  __m128d d = _mm_mul_sd(_mm_set_sd(DBL_MIN / 4), _mm_set_sd(0x1p60));
  printf(" %g\n", _mm_cvtsd_f64(d));
  _mm_setcsr(saved & ~0x3f);
  r = _mm_div_sd(_mm_set_sd(small), _mm_set_sd(two));
  printf("kept %g\n", _mm_cvtsd_f64(r));
}

static void unmasked(void) {
  struct sigaction action = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &action, 0);
  static const int kinds[] = {FE_DIVBYZERO, FE_INVALID, FE_OVERFLOW};
  for (int i = 0; i < 3; i++) {
    volatile double zero = 0, huge = 1e308, r;
    code = 0;
    feclearexcept(FE_ALL_EXCEPT);
    if (!sigsetjmp(back, 1)) {
      feenableexcept(kinds[i]);
      if (i == 0) r = 1 / zero;
      if (i == 1) r = zero / zero;
      if (i == 2) r = huge * huge;
      // The x87 unit reports at the next instruction.
      r = r + 1;
      printf("not reached %g\n", r);
    }
    fedisableexcept(FE_ALL_EXCEPT);
    printf("kind %d code %d\n", i, code);
  }
  for (int i = 0; i < 2; i++) {
    volatile long double zero = 0, r;
    code = 0;
    if (!sigsetjmp(back, 1)) {
      feenableexcept(FE_DIVBYZERO | FE_INVALID);
      r = (i ? zero : 1) / zero;
      printf("not reached %Lg\n", r);
    }
    fedisableexcept(FE_ALL_EXCEPT);
    feclearexcept(FE_ALL_EXCEPT);
    printf("long double %d code %d\n", i, code);
  }
}

static void extended(void) {
  volatile long double x = 2, y = 1e4900L, tiny = 1e-4940L;
  printf("%.21Lg %.21Lg %.21Lg %.21Lg\n", sqrtl(x), y * y, y / 3, tiny / 1e10L);
  printf("%.18Lg %.18Lg %.18Lg\n", fmodl(1e20L, 7.3L), remainderl(22.75L, 3.5L), scalbnl(x, 3000));
  printf("%La %La %.21Lg\n", x / 3, nextafterl(x, 3), strtold("0.1", 0));
  printf("%d %d %d %d\n", isnan(y - y), isinf(y * y), fpclassify(tiny / 1e10L) == FP_SUBNORMAL, signbit(-x) != 0);
  long double big = 0;
  for (int i = 1; i <= 60; i++) big = big * 10 + i % 10;
  printf("%.0Lf %lld %d\n", big, (long long)(x * 1e18L), (int)(-x * 1.75L));
  volatile double d = 0.1;
  double sum = 0;
  for (int i = 0; i < 1000; i++) sum += d * i;
  printf("%.17g %.17g %.17g\n", sum, floor(-2.5), fmod(5.3, 2));
  printf("%.15g %.15g %.15g %.15g\n", sin(1e5), exp(-3.25), log(7.5), pow(1.7, 8.3));
}

static void vectors(void) {
  float f[4] = {1.5f, -2.25f, 3e10f, -0.0f};
  __m128 a = _mm_loadu_ps(f), b = _mm_set_ps(4, 3, 2, 1);
  float out[4];
  _mm_storeu_ps(out, _mm_add_ps(_mm_mul_ps(a, b), _mm_sqrt_ps(b)));
  printf("%g %g %g %g mask %d\n", out[0], out[1], out[2], out[3], _mm_movemask_ps(a));
  __m128i i = _mm_cvttps_epi32(a);
  int words[4];
  _mm_storeu_si128((__m128i *)words, _mm_add_epi32(i, _mm_set1_epi32(7)));
  printf("%d %d %d %d\n", words[0], words[1], words[2], words[3]);
  __m64 m = _mm_adds_pi16(_mm_set_pi16(32767, -5, 100, 1), _mm_set1_pi16(50));
  short shorts[4];
  memcpy(shorts, &m, 8);
  _mm_empty();
  printf("%d %d %d %d %Lg\n", shorts[0], shorts[1], shorts[2], shorts[3], 1.0L / 8);
}

int main(void) {
  rounding();
  flush();
  extended();
  vectors();
  signal(SIGUSR1, on_usr);
  volatile long double kept = 1.0L / 3;
  fesetround(FE_DOWNWARD);
  raise(SIGUSR1);
  volatile double one = 1;
  printf("after handler %.21Lg %.17g round %d\n", kept * 3, one / 3, fegetround() == FE_DOWNWARD);
  fesetround(FE_TONEAREST);
  unmasked();
  return 0;
}
