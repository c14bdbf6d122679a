// Runs instruction test cases on the real processor. Cases come on standard input and results go to standard output, as
// the records of record.ts. Built for 64 bits and, with -m32, for 32 bits; static and at a low address, so that the
// assembler below can name its variables by 32-bit addresses in both.

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
  SCRATCH = 0x10000000, SCRATCH_SIZE = 0x3000, WINDOW = 0x10000e80, WINDOW_SIZE = 768,
  READ_ONLY = 0x10003000, LAST = 0x10005000, END = 0x10006000, EDGE = 64,
  CODE = 0x10010000, TAKEN = 0x40, NONE = 0xffffffff, JUMPED = 0xfffffffe,
};

struct record {
  uint8_t code[48];
  uint32_t length, flags;
  uint64_t unused;
  uint64_t gpr[16];
  uint8_t fx[512];
  uint8_t window[WINDOW_SIZE];
};
struct result {
  uint32_t trap, flags;
  uint64_t address, pc, unused[5];
  uint64_t gpr[16];
  uint8_t fx[512];
  uint8_t window[WINDOW_SIZE];
};

// Used by the assembler.
uint64_t in_gpr[16], out_gpr[16];
uintptr_t in_flags, out_flags, host_sp, code_at = CODE;
uint32_t taken;
uint8_t in_fx[512] __attribute__((aligned(64))), out_fx[512] __attribute__((aligned(64)));

void run_case(void);
void after_case(void);
void after_taken(void);
void after_fault(void);

#ifdef __x86_64__
#define REGISTERS(what) \
  what("rax", 0) what("rcx", 8) what("rdx", 16) what("rbx", 24) what("rbp", 40) what("rsi", 48) what("rdi", 56) \
  what("r8", 64) what("r9", 72) what("r10", 80) what("r11", 88) what("r12", 96) what("r13", 104) what("r14", 112) \
  what("r15", 120) what("rsp", 32)
#define SAVED_PUSH "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
#define SAVED_POP "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
#define SP "%rsp"
#define PUSHF "pushfq; popq out_flags\n"
#define POPF "pushq in_flags; popfq\n"
#else
#define REGISTERS(what) \
  what("eax", 0) what("ecx", 8) what("edx", 16) what("ebx", 24) what("ebp", 40) what("esi", 48) what("edi", 56) \
  what("esp", 32)
#define SAVED_PUSH "push %ebx; push %ebp; push %esi; push %edi\n"
#define SAVED_POP "pop %edi; pop %esi; pop %ebp; pop %ebx\n"
#define SP "%esp"
#define PUSHF "pushfl; popl out_flags\n"
#define POPF "pushl in_flags; popfl\n"
#endif
#define LOAD(name, at) "mov in_gpr+" #at ", %" name "\n"
#define SAVE(name, at) "mov %" name ", out_gpr+" #at "\n"

__asm__(
  ".text\n.globl run_case, after_case, after_taken, after_fault\n"
  "run_case:\n" SAVED_PUSH "mov " SP ", host_sp\n fxrstor in_fx\n" POPF REGISTERS(LOAD) "jmp *code_at\n"
  // MOV leaves the flags alone.
  "after_taken: movl $1, taken\n"
  "after_case:\n" REGISTERS(SAVE) "mov host_sp, " SP "\n" PUSHF "fxsave out_fx\n"
  "after_fault: cld\n fninit\n" SAVED_POP "ret\n");

static struct result *current;

static void on_signal(int number, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  greg_t *g = u->uc_mcontext.gregs;
  (void)number;
  (void)info;
  current->trap = (uint32_t)g[REG_TRAPNO];
#ifdef __x86_64__
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  for (int i = 0; i < 16; i++) current->gpr[i] = (uint64_t)g[order[i]];
  current->address = (uint64_t)g[REG_CR2];
  current->pc = (uint64_t)g[REG_RIP];
  g[REG_RIP] = (greg_t)(uintptr_t)after_fault;
  g[REG_RSP] = (greg_t)host_sp;
#else
  static const int order[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
  for (int i = 0; i < 8; i++) current->gpr[i] = (uint32_t)g[order[i]];
  current->address = u->uc_mcontext.cr2;
  current->pc = (uint32_t)g[REG_EIP];
  g[REG_EIP] = (greg_t)(uintptr_t)after_fault;
  g[REG_ESP] = (greg_t)host_sp;
#endif
  current->flags = (uint32_t)g[REG_EFL];
  g[REG_EFL] &= ~0x40500;
}

static void *map(uintptr_t at, size_t size, int protection) {
  void *got = mmap((void *)at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != (void *)at) {
    perror("mmap");
    exit(2);
  }
  return got;
}

static void jump_to(uint8_t *at, void (*target)(void)) {
  int32_t distance = (int32_t)((uintptr_t)target - ((uintptr_t)at + 5));
  at[0] = 0xe9;
  memcpy(at + 1, &distance, 4);
}

int main(void) {
  map(SCRATCH, SCRATCH_SIZE, PROT_READ | PROT_WRITE);
  map(READ_ONLY, 0x1000, PROT_READ);
  map(LAST, END - LAST, PROT_READ | PROT_WRITE);
  uint8_t *code = map(CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
  jump_to(code + TAKEN, after_taken);
  stack_t stack = {.ss_sp = malloc(1 << 17), .ss_size = 1 << 17};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);

  static struct record record;
  static struct result result;
  while (fread(&record, sizeof record, 1, stdin) == 1) {
    memset(&result, 0, sizeof result);
    result.trap = NONE;
    taken = 0;
    current = &result;
    memcpy(code, record.code, record.length);
    jump_to(code + record.length, after_case);
    memcpy(in_gpr, record.gpr, sizeof in_gpr);
    memcpy(in_fx, record.fx, sizeof in_fx);
    memcpy((void *)WINDOW, record.window, WINDOW_SIZE);
    memset((void *)(READ_ONLY - EDGE), 0, EDGE);
    memset((void *)(END - EDGE), 0, EDGE);
    in_flags = record.flags;
    memset(out_gpr, 0, sizeof out_gpr);
    run_case();
    if (result.trap == NONE) {
      if (taken) result.trap = JUMPED;
      memcpy(result.gpr, out_gpr, sizeof out_gpr);
      memcpy(result.fx, out_fx, sizeof out_fx);
      result.flags = (uint32_t)out_flags;
    }
    memcpy(result.window, (void *)WINDOW, WINDOW_SIZE);
    if (fwrite(&result, sizeof result, 1, stdout) != 1) return 3;
  }
  return 0;
}
