// The errors a system call can end with: shared constants, built once without a stack, thrown and turned into a negative
// number by the personality's gate. POSIX names and Linux numbers are the kernel's own language; other personalities map them.

import { errnoRows } from "../abi/linux/errno.ts";

/** V8 takes the depth of stack traces from here; other engines ignore it. */
const tracing = Error as { stackTraceLimit?: number | undefined };

/** A system call's failure. */
export class Errno extends Error {
  readonly number: number;
  constructor(name: string, number: number, message: string) {
    const limit = tracing.stackTraceLimit;
    tracing.stackTraceLimit = 0;
    super(message);
    tracing.stackTraceLimit = limit;
    this.name = name;
    this.number = number;
  }
}

const byName = new Map(errnoRows.map(([name, number, message]) => [name, new Errno(name, number, message)]));
const byNumber = new Map([...byName.values()].map((errno) => [errno.number, errno]));

function named(name: string): Errno {
  return byName.get(name)!;
}

/** The error with this number, if there is one. */
export function errnoFromNumber(number: number): Errno | undefined {
  return byNumber.get(number);
}

/** The error of this name ("ENOENT"), if there is one. */
export function errnoFromName(name: string): Errno | undefined {
  return byName.get(name);
}

export const EPERM = named("EPERM");
export const ENOENT = named("ENOENT");
export const ESRCH = named("ESRCH");
export const EINTR = named("EINTR");
export const EIO = named("EIO");
export const ENXIO = named("ENXIO");
export const E2BIG = named("E2BIG");
export const ENOEXEC = named("ENOEXEC");
export const EBADF = named("EBADF");
export const ECHILD = named("ECHILD");
export const EAGAIN = named("EAGAIN");
export const ENOMEM = named("ENOMEM");
export const EACCES = named("EACCES");
export const EFAULT = named("EFAULT");
export const ENOTBLK = named("ENOTBLK");
export const EBUSY = named("EBUSY");
export const EEXIST = named("EEXIST");
export const EXDEV = named("EXDEV");
export const ENODEV = named("ENODEV");
export const ENOTDIR = named("ENOTDIR");
export const EISDIR = named("EISDIR");
export const EINVAL = named("EINVAL");
export const ENFILE = named("ENFILE");
export const EMFILE = named("EMFILE");
export const ENOTTY = named("ENOTTY");
export const ETXTBSY = named("ETXTBSY");
export const EFBIG = named("EFBIG");
export const ENOSPC = named("ENOSPC");
export const ESPIPE = named("ESPIPE");
export const EROFS = named("EROFS");
export const EMLINK = named("EMLINK");
export const EPIPE = named("EPIPE");
export const EDOM = named("EDOM");
export const ERANGE = named("ERANGE");
export const EDEADLK = named("EDEADLK");
export const ENAMETOOLONG = named("ENAMETOOLONG");
export const ENOLCK = named("ENOLCK");
export const ENOSYS = named("ENOSYS");
export const ENOTEMPTY = named("ENOTEMPTY");
export const ELOOP = named("ELOOP");
export const ENODATA = named("ENODATA");
export const ETIME = named("ETIME");
export const EOVERFLOW = named("EOVERFLOW");
export const ELIBBAD = named("ELIBBAD");
export const EILSEQ = named("EILSEQ");
export const ENOTSOCK = named("ENOTSOCK");
export const EDESTADDRREQ = named("EDESTADDRREQ");
export const EMSGSIZE = named("EMSGSIZE");
export const EPROTOTYPE = named("EPROTOTYPE");
export const ENOPROTOOPT = named("ENOPROTOOPT");
export const EPROTONOSUPPORT = named("EPROTONOSUPPORT");
export const ESOCKTNOSUPPORT = named("ESOCKTNOSUPPORT");
export const EOPNOTSUPP = named("EOPNOTSUPP");
export const EPFNOSUPPORT = named("EPFNOSUPPORT");
export const EAFNOSUPPORT = named("EAFNOSUPPORT");
export const EADDRINUSE = named("EADDRINUSE");
export const EADDRNOTAVAIL = named("EADDRNOTAVAIL");
export const ENETDOWN = named("ENETDOWN");
export const ENETUNREACH = named("ENETUNREACH");
export const ENETRESET = named("ENETRESET");
export const ECONNABORTED = named("ECONNABORTED");
export const ECONNRESET = named("ECONNRESET");
export const ENOBUFS = named("ENOBUFS");
export const EISCONN = named("EISCONN");
export const ENOTCONN = named("ENOTCONN");
export const ESHUTDOWN = named("ESHUTDOWN");
export const ETIMEDOUT = named("ETIMEDOUT");
export const ECONNREFUSED = named("ECONNREFUSED");
export const EHOSTUNREACH = named("EHOSTUNREACH");
export const EALREADY = named("EALREADY");
export const EINPROGRESS = named("EINPROGRESS");
export const ESTALE = named("ESTALE");
export const EDQUOT = named("EDQUOT");
export const ECANCELED = named("ECANCELED");
export const EOWNERDEAD = named("EOWNERDEAD");
export const ENOTRECOVERABLE = named("ENOTRECOVERABLE");
