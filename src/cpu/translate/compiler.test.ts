import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compileC, runProgram, start } from "../../../test/cpu/program.ts";
import { Translations } from "../executor.ts";
import { regionCompiler } from "./compiler.ts";

const programs = {
  loop: `int main(void) { unsigned s = 1; for (int i = 0; i < 100000; i++) s = s * 3 + (s >> 5) + i; number(s); return 0; }`,
  integers: `
int main(void) {
  unsigned long long h = 1; int neg = 0; unsigned char bytes[256]; short s = 3;
  for (int i = 0; i < 256; i++) bytes[i] = i;
  for (int i = 0; i < 60000; i++) {
    h = h * 6364136223846793005ull + i; h ^= h >> 29; h = h << 7 | h >> 57;
    if ((long long)h < 0) neg++; if ((int)h < i) s += 5; if ((short)h > s) s -= h;
    bytes[i & 255] = h; h += bytes[(i * 7) & 255] / 3 + (unsigned)h % 1000 + (long long)h / 12345;
  }
  number(h); number(neg); number((unsigned short)s); return 0;
}`,
  recursion: `
__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int (*volatile f)(int) = fib;
int main(void) { number(f(22)); return 0; }`,
  switches: `
__attribute__((noinline)) int step(int op, int x) {
  switch (op) { case 0: return x + 1; case 1: return x * 3; case 2: return x ^ 0x55; case 3: return x - 9;
    case 4: return x << 2; case 5: return x >> 1; case 6: return -x; case 7: return ~x; default: return x; }
}
int main(void) { int x = 1; for (int i = 0; i < 40000; i++) x = step((i * 7 + (x & 3)) % 9, x); number((unsigned)x); return 0; }`,
  floats: `
int main(void) {
  double x = 1, y = 0; float z = 2;
  for (int i = 1; i < 20000; i++) { y += x / i; x = x * 1.0001 - y * 0.001; z = z * 0.5f + (float)i; if (y > 3) y -= 1; }
  number((long long)(x * 1e9) & 0xffffffffffff); number((unsigned)(y * 1e6)); number((unsigned)z); return 0;
}`,
  callbacks: `
static int up(const void *a, const void *b) { return *(int *)a < *(int *)b ? -1 : *(int *)a > *(int *)b; }
static int down(const void *a, const void *b) { return up(b, a); }
typedef int (*order)(const void *, const void *);
__attribute__((noinline)) void sort(int *v, int n, order less) {
  if (n < 2) return;
  int p = v[n / 2], i = 0, j = n - 1;
  for (;;) {
    while (less(&v[i], &p) < 0) i++;
    while (less(&p, &v[j]) < 0) j--;
    if (i >= j) break;
    int t = v[i]; v[i++] = v[j]; v[j--] = t;
  }
  sort(v, i, less); sort(v + i, n - i, less);
}
int v[3000];
int main(void) {
  unsigned s = 1, h = 0;
  order both[2] = { up, down };
  for (int k = 0; k < 4; k++) {
    for (int i = 0; i < 3000; i++) v[i] = s = s * 1664525 + 1013904223;
    sort(v, 3000, both[k & 1]);
    for (int i = 0; i < 3000; i++) h = h * 31 + v[i];
  }
  number(h); return 0;
}`,
  selfmodifying: `
__attribute__((section(".text#"), aligned(4096))) unsigned char page[8192] = { 0xb8, 1, 0, 0, 0, 0xc3 };
int main(void) {
  int sum = 0;
  for (int i = 0; i < 3000; i++) { if (i % 500 == 0) ((volatile unsigned char *)page)[1] = i / 500; sum += ((int (*)(void))page)(); }
  number(sum); return 0;
}`,
};

for (const bits of [64, 32])
  for (const [name, body] of Object.entries(programs)) {
    test(`${name} (${bits} bits) compiled runs as it does natively`, () => {
      const flags = ["-nostdlib", "-fno-stack-protector", "-fno-builtin", `-m${bits}`];
      if (name === "floats" && bits === 32) flags.push("-msse2", "-mfpmath=sse");
      if (name === "selfmodifying") flags.push("-Wl,-N");
      const path = compileC(start + body, flags);
      const output = execFileSync(path, { encoding: "utf8" });
      const translations = new Translations({ long: bits === 64, compiler: regionCompiler(), threshold: 100 });
      const result = runProgram(path, translations);
      expect({ status: result.status, output: result.output }).toEqual({ status: 0, output });
      expect(translations.counts.regions).toBeGreaterThan(0);
    });
  }
