import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { compileC, runProgram } from "../../test/cpu/program.ts";
import { Translations } from "./executor.ts";
import { regionCompiler } from "./translate/compiler.ts";

const bare = ["-nostdlib", "-fno-stack-protector", "-fno-builtin"];

/** Entry, write and exit without a C library. */
const start = `
static long call(long n, long a, long b, long c) {
  long r;
#ifdef __x86_64__
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
#else
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
#endif
  return r;
}
#ifdef __x86_64__
enum { WRITE = 1, EXIT = 231 };
#else
enum { WRITE = 4, EXIT = 252 };
#endif
static void put(const char *s) { long n = 0; while (s[n]) n++; call(WRITE, 1, (long)s, n); }
static void number(unsigned long long v) {
  char b[24], *p = b + 23; *p = 0;
  do { *--p = '0' + v % 10; v /= 10; } while (v);
  put(p); put("\\n");
}
int main(void);
__attribute__((force_align_arg_pointer)) void _start(void) { call(EXIT, main(), 0, 0); }
`;

const programs = {
  hello: `int main(void) { put("hello\\n"); return 7; }`,
  integers: `
int main(void) {
  unsigned long long h = 1; int neg = 0; unsigned char bytes[256]; short s = 3;
  for (int i = 0; i < 3000; i++) {
    h = h * 6364136223846793005ull + i; h ^= h >> 29; h = h << 7 | h >> 57;
    if ((long long)h < 0) neg++; if ((int)h < i) s += 5; if ((short)h > s) s -= h;
    bytes[i & 255] = h; h += bytes[(i * 7) & 255] / 3 + (unsigned)h % 1000 + (long long)h / 12345;
  }
  number(h); number(neg); number((unsigned short)s); return 0;
}`,
  recursion: `
__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int (*volatile f)(int) = fib;
int main(void) { number(f(18)); return 0; }`,
  switches: `
__attribute__((noinline)) int step(int op, int x) {
  switch (op) { case 0: return x + 1; case 1: return x * 3; case 2: return x ^ 0x55; case 3: return x - 9;
    case 4: return x << 2; case 5: return x >> 1; case 6: return -x; case 7: return ~x; default: return x; }
}
int main(void) { int x = 1; for (int i = 0; i < 4000; i++) x = step((i * 7 + (x & 3)) % 9, x); number((unsigned)x); return 0; }`,
  floats: `
int main(void) {
  double x = 1, y = 0; float z = 2;
  for (int i = 1; i < 2000; i++) { y += x / i; x = x * 1.0001 - y * 0.001; z = z * 0.5f + (float)i; if (y > 3) y -= 1; }
  number((long long)(x * 1e9) & 0xffffffffffff); number((unsigned)(y * 1e6)); number((unsigned)z); return 0;
}`,
  selfmodifying: `
__attribute__((section(".text#"), aligned(4096))) unsigned char page[8192] = { 0xb8, 1, 0, 0, 0, 0xc3 };
int main(void) {
  int sum = 0;
  for (int i = 0; i < 300; i++) { ((volatile unsigned char *)page)[1] = i; sum += ((int (*)(void))page)(); }
  number(sum); return 0;
}`,
};

for (const bits of [64, 32])
  for (const [name, body] of Object.entries(programs)) {
    test(`${name} (${bits} bits) runs as it does natively`, () => {
      const flags = [...bare, `-m${bits}`];
      if (name === "floats" && bits === 32) flags.push("-msse2", "-mfpmath=sse");
      if (name === "selfmodifying") flags.push("-Wl,-N");
      const path = compileC(start + body, flags);
      let status = 0;
      let output = "";
      try {
        output = execFileSync(path, { encoding: "utf8" });
      } catch (failed) {
        ({ status, stdout: output } = failed as { status: number; stdout: string });
      }
      const long = bits === 64;
      for (const translations of [new Translations({ long }), new Translations({ long, compiler: regionCompiler() })]) {
        const result = runProgram(path, translations);
        expect({ status: result.status, output: result.output }).toEqual({ status, output });
      }
    });
  }
