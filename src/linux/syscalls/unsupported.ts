// Every other number of the two tables: what is not built, and why.

import { unsupported } from "../table.ts";

const gone = "removed from Linux, or never in it";
const ring = "asynchronous rings need memory shared with the kernel";
const aio = "programs fall back to threads";
const queues = "POSIX message queues are not built";
const sysv = "System V IPC is not built";
const keys = "there is no key service";
const quiet = { quiet: true } as const;

export const ptrace = unsupported({ x86_64: 101, i386: 26 }, "tracing other processes is not built");
export const modify_ldt = unsupported({ x86_64: 154, i386: 123 }, "there is no local descriptor table");
export const seccomp = unsupported({ x86_64: 317, i386: 354 }, "system call filters are not built");
export const bpf = unsupported({ x86_64: 321, i386: 357 }, "there is no virtual machine for BPF");
export const pidfd_getfd = unsupported({ x86_64: 438, i386: 438 }, "taking descriptors of other processes");
export const landlock_create_ruleset = unsupported({ x86_64: 444, i386: 444 }, "the machine is the sandbox", quiet);
export const landlock_add_rule = unsupported({ x86_64: 445, i386: 445 }, "the machine is the sandbox", quiet);
export const landlock_restrict_self = unsupported({ x86_64: 446, i386: 446 }, "the machine is the sandbox", quiet);
export const memfd_secret = unsupported({ x86_64: 447, i386: 447 }, "memory hidden from the kernel");
export const kexec_file_load = unsupported({ x86_64: 320 }, "there is no kernel to replace");
export const vm86 = unsupported({ i386: 166 }, "virtual 8086 mode needs a processor in 32-bit mode");
export const vm86old = unsupported({ i386: 113 }, "virtual 8086 mode needs a processor in 32-bit mode");

export const io_uring_setup = unsupported({ x86_64: 425, i386: 425 }, ring, quiet);
export const io_uring_enter = unsupported({ x86_64: 426, i386: 426 }, ring, quiet);
export const io_uring_register = unsupported({ x86_64: 427, i386: 427 }, ring, quiet);
export const io_setup = unsupported({ x86_64: 206, i386: 245 }, aio);
export const io_destroy = unsupported({ x86_64: 207, i386: 246 }, aio);
export const io_getevents = unsupported({ x86_64: 208, i386: 247 }, aio);
export const io_submit = unsupported({ x86_64: 209, i386: 248 }, aio);
export const io_cancel = unsupported({ x86_64: 210, i386: 249 }, aio);
export const io_pgetevents = unsupported({ x86_64: 333, i386: 385 }, aio);
export const io_pgetevents_time64 = unsupported({ i386: 416 }, aio);

export const shmget = unsupported({ x86_64: 29, i386: 395 }, sysv);
export const shmat = unsupported({ x86_64: 30, i386: 397 }, sysv);
export const shmctl = unsupported({ x86_64: 31, i386: 396 }, sysv);
export const shmdt = unsupported({ x86_64: 67, i386: 398 }, sysv);
export const semget = unsupported({ x86_64: 64, i386: 393 }, sysv);
export const semop = unsupported({ x86_64: 65 }, sysv);
export const semctl = unsupported({ x86_64: 66, i386: 394 }, sysv);
export const semtimedop = unsupported({ x86_64: 220 }, sysv);
export const semtimedop_time64 = unsupported({ i386: 420 }, sysv);
export const msgget = unsupported({ x86_64: 68, i386: 399 }, sysv);
export const msgsnd = unsupported({ x86_64: 69, i386: 400 }, sysv);
export const msgrcv = unsupported({ x86_64: 70, i386: 401 }, sysv);
export const msgctl = unsupported({ x86_64: 71, i386: 402 }, sysv);
export const ipc = unsupported({ i386: 117 }, sysv);

export const mq_open = unsupported({ x86_64: 240, i386: 277 }, queues);
export const mq_unlink = unsupported({ x86_64: 241, i386: 278 }, queues);
export const mq_timedsend = unsupported({ x86_64: 242, i386: 279 }, queues);
export const mq_timedreceive = unsupported({ x86_64: 243, i386: 280 }, queues);
export const mq_notify = unsupported({ x86_64: 244, i386: 281 }, queues);
export const mq_getsetattr = unsupported({ x86_64: 245, i386: 282 }, queues);
export const mq_timedsend_time64 = unsupported({ i386: 418 }, queues);
export const mq_timedreceive_time64 = unsupported({ i386: 419 }, queues);

export const add_key = unsupported({ x86_64: 248, i386: 286 }, keys, quiet);
export const request_key = unsupported({ x86_64: 249, i386: 287 }, keys, quiet);
export const keyctl = unsupported({ x86_64: 250, i386: 288 }, keys, quiet);

export const restart_syscall = unsupported({ x86_64: 219, i386: 0 }, "waits that go on never leave the kernel");
export const set_thread_area64 = unsupported({ x86_64: 205 }, "64-bit programs use arch_prctl");
export const get_thread_area64 = unsupported({ x86_64: 211 }, "64-bit programs use arch_prctl");

export const uselib = unsupported({ x86_64: 134, i386: 86 }, gone);
export const sysfs = unsupported({ x86_64: 139, i386: 135 }, gone);
export const ustat = unsupported({ x86_64: 136, i386: 62 }, gone);
export const _sysctl = unsupported({ x86_64: 156, i386: 149 }, gone);
export const create_module = unsupported({ x86_64: 174, i386: 127 }, gone);
export const get_kernel_syms = unsupported({ x86_64: 177, i386: 130 }, gone);
export const query_module = unsupported({ x86_64: 178, i386: 167 }, gone);
export const nfsservctl = unsupported({ x86_64: 180, i386: 169 }, gone);
export const getpmsg = unsupported({ x86_64: 181, i386: 188 }, gone);
export const putpmsg = unsupported({ x86_64: 182, i386: 189 }, gone);
export const afs_syscall = unsupported({ x86_64: 183, i386: 137 }, gone);
export const tuxcall = unsupported({ x86_64: 184 }, gone);
export const security = unsupported({ x86_64: 185 }, gone);
export const lookup_dcookie = unsupported({ x86_64: 212, i386: 253 }, gone);
export const epoll_ctl_old = unsupported({ x86_64: 214 }, gone);
export const epoll_wait_old = unsupported({ x86_64: 215 }, gone);
export const vserver = unsupported({ x86_64: 236, i386: 273 }, gone);
// The name is `break`, which JavaScript keeps for itself.
export const break_ = unsupported({ i386: 17 }, gone);
export const oldstat = unsupported({ i386: 18 }, gone);
export const oldfstat = unsupported({ i386: 28 }, gone);
export const oldlstat = unsupported({ i386: 84 }, gone);
export const stty = unsupported({ i386: 31 }, gone);
export const gtty = unsupported({ i386: 32 }, gone);
export const ftime = unsupported({ i386: 35 }, gone);
export const prof = unsupported({ i386: 44 }, gone);
export const lock = unsupported({ i386: 53 }, gone);
export const mpx = unsupported({ i386: 56 }, gone);
export const ulimit = unsupported({ i386: 58 }, gone);
export const readdir = unsupported({ i386: 89 }, gone);
export const profil = unsupported({ i386: 98 }, gone);
export const idle = unsupported({ i386: 112 }, gone);
export const bdflush = unsupported({ i386: 134 }, gone);
