// Faults by permission, mremap, shared and private file mappings, limits, code that is written and run.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/resource.h>
static sigjmp_buf env;
static volatile int code, sig;
static void h(int s, siginfo_t*i, void*u) {
  sig = s;
  code = i->si_code;
  siglongjmp(env, 1);
}
#define TRY(x) (sig=code=0, sigsetjmp(env,1)==0 ? (void)(x) : (void)0, printf("%-28s sig %d code %d\n", #x, sig, code))
int main() {
  struct sigaction sa={0};
  sa.sa_sigaction = h;
  sa.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &sa, 0);
  sigaction(SIGBUS, &sa, 0);
  volatile char*p = mmap(0, 10*4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  memset((void*)p, 1, 10*4096);
  mprotect((void*)p+4096, 4096, PROT_READ);
  mprotect((void*)p+8192, 4096, PROT_NONE);
  munmap((void*)p+12288, 4096);
  TRY(p[0] = 1);
  TRY(p[4096] = 1);
  TRY(p[8192]);
  TRY(p[12288]);
  TRY(p[16384] = 2);
  TRY(*(volatile int*)(p+4094) = 3);
  TRY(*(volatile long*)(p+12284));
  TRY(memcpy((void*)p, (void*)p+4096*5, 4096));
  mprotect((void*)p+8192, 4096, PROT_READ|PROT_WRITE);
  printf("kept %d\n", p[8192]);
  int r = mprotect((void*)p, 10*4096, PROT_READ);
  printf("hole %d %s\n", r, strerror(errno));
  TRY(p[0] = 1);
  TRY(p[16384] = 1);
  char*q = mmap(0, 3*4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  strcpy(q,"head");
  strcpy(q+8192,"tail");
  char*n = mremap(q, 3*4096, 200*4096, MREMAP_MAYMOVE);
  printf("mremap %s %s %d\n", n, n+8192, n[100*4096]);
  n = mremap(n, 200*4096, 4096, 0);
  printf("shrunk %s\n", n);
  char*f = mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  char*g = mremap(n, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, f);
  printf("fixed %d %s\n", g == f, g);
  void*k = mmap(f, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE, -1, 0);
  printf("noreplace %s\n", k == MAP_FAILED?strerror(errno):"mapped");
  madvise(f, 4096, MADV_DONTNEED);
  printf("dontneed %d\n", f[0]);
  errno = 0;
  k = mmap(0, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  printf("zero %s\n", strerror(errno));
  errno = 0;
  k = mmap((void*)1, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0);
  printf("unaligned %s\n", strerror(errno));
  errno = 0;
  mmap(0, 4096, PROT_READ, MAP_PRIVATE, 77, 0);
  printf("badf %s\n", strerror(errno));
  int fd = open("/tmp/mem2.dat", O_RDWR|O_CREAT|O_TRUNC, 0644);
  write(fd,"0123456789", 10);
  ftruncate(fd, 6000);
  char*s = mmap(0, 3*4096, PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
  char*pv = mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE, fd, 0);
  s[0]='A';
  pv[1]='B';
  char b[16]={0};
  pread(fd, b, 10, 0);
  printf("file %s priv %.10s shared %.10s\n", b, pv, s);
  pwrite(fd,"zz", 2, 4);
  printf("after write %.10s\n", s);
  TRY(s[5999] = 1);
  TRY(s[8192] = 1);
  if (!fork()) {
    s[2]='C';
    _exit(0);
  }
  wait(0);
  printf("child wrote %.10s\n", s);
  msync(s, 4096, MS_SYNC);
  pread(fd, b, 10, 0);
  printf("synced %s\n", b);
  munmap(s, 3*4096);
  int ro = open("/tmp/mem2.dat", O_RDONLY);
  errno = 0;
  k = mmap(0, 4096, PROT_WRITE|PROT_READ, MAP_SHARED, ro, 0);
  printf("ro shared %s\n", strerror(errno));
  k = mmap(0, 4096, PROT_READ, MAP_SHARED, ro, 0);
  errno = 0;
  mprotect(k, 4096, PROT_READ|PROT_WRITE);
  printf("ro mprotect %s\n", strerror(errno));
  unlink("/tmp/mem2.dat");
  char*b0 = sbrk(0);
  char*b1 = sbrk(100000);
  memset(b1, 3, 100000);
  sbrk(-100000);
  sbrk(100000);
  printf("brk zero %d\n", b1[50000]);
  struct rlimit rl={64<<20, RLIM_INFINITY};
  setrlimit(RLIMIT_AS, &rl);
  errno = 0;
  k = mmap(0, 128<<20, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  printf("rlimit %s\n", k == MAP_FAILED?strerror(errno):"mapped");
  unsigned char vec[10];
  char *x = mmap(0, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  memcpy(x,"\xb8\x2a\0\0\0\xc3", 6);
  printf("jit %d\n", ((int(*)(void))x)());
  x[1] = 43;
  printf("jit %d\n", ((int(*)(void))x)());
  mprotect(x, 4096, PROT_READ|PROT_WRITE);
  TRY(((int(*)(void))x)());
  return 0;
}
