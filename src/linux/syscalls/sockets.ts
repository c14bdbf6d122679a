// Sockets: socket(2), their names and connections, their options. What is sent and received is in messages.ts.

import {
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  ENOTSOCK,
  EOPNOTSUPP,
  EPERM,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from "../../kernel/errno.ts";
import { Open } from "../../kernel/file.ts";
import { TcpSocket, UdpSocket } from "../../kernel/net/inet.ts";
import { Family, Socket, type SocketAddress, SocketType } from "../../kernel/net/socket.ts";
import { UnixDatagram, unixPair, UnixStream } from "../../kernel/net/unix.ts";
import type { Task } from "../../kernel/task.ts";
import { Access } from "../../memory/layout.ts";
import { fileOf } from "../at.ts";
import { blocking } from "../blocking.ts";
import { address, int, uint } from "../kinds.ts";
import { readAddress, writeAddress } from "../sockaddr.ts";
import { getOption, setOption } from "../sockopt.ts";
import { type Result, syscall } from "../table.ts";
import type { Width } from "../vectors.ts";
import { install, installPair } from "./open.ts";

/** The socket of a descriptor. Throws EBADF, ENOTSOCK. */
export function socketOf(task: Task, fd: number): Socket {
  const file = fileOf(task, fd);
  if ((file.flags & Open.path) !== 0) throw EBADF;
  if (!(file instanceof Socket)) throw ENOTSOCK;
  return file;
}

/** Type and flags of socket(2)'s second argument. */
function parseType(given: number): { type: number; flags: number; closeOnExec: boolean } {
  if ((given & ~(15 | Open.nonBlock | Open.closeOnExec)) !== 0) throw EINVAL;
  return { type: given & 15, flags: given & Open.nonBlock, closeOnExec: (given & Open.closeOnExec) !== 0 };
}

function makeSocket(task: Task, family: number, type: number, protocol: number, flags: number): Socket {
  const { process } = task;
  if (family === Family.unix) {
    if (protocol !== 0 && protocol !== Family.unix) throw EPROTONOSUPPORT;
    if (type === SocketType.stream || type === SocketType.seqpacket) return new UnixStream(process, type, flags);
    if (type === SocketType.datagram || type === SocketType.raw) return new UnixDatagram(process, flags);
    throw ESOCKTNOSUPPORT;
  }
  if (family === Family.inet || family === Family.inet6) {
    if (type === SocketType.stream && (protocol === 0 || protocol === 6)) return new TcpSocket(process, family, flags);
    if (type === SocketType.datagram && (protocol === 0 || protocol === 17))
      return new UdpSocket(process, family, flags);
    if (type === SocketType.raw) throw EPERM;
    throw type === SocketType.stream || type === SocketType.datagram ? EPROTONOSUPPORT : ESOCKTNOSUPPORT;
  }
  throw EAFNOSUPPORT;
}

function open(task: Task, family: number, given: number, protocol: number): number {
  const { type, flags, closeOnExec } = parseType(given);
  return install(task, makeSocket(task, family, type, protocol, flags), closeOnExec);
}
export const socket = syscall({ x86_64: 41, i386: 359 }, [int, int, int], open);

function openPair(task: Task, family: number, given: number, protocol: number, at: number): void {
  const { type, flags, closeOnExec } = parseType(given);
  if (family !== Family.unix) throw family === Family.inet || family === Family.inet6 ? EOPNOTSUPP : EAFNOSUPPORT;
  if (protocol !== 0 && protocol !== Family.unix) throw EPROTONOSUPPORT;
  if (![SocketType.stream, SocketType.datagram, SocketType.seqpacket].includes(type as 1)) throw ESOCKTNOSUPPORT;
  const { guest } = task.process.memory;
  guest.check(at, 8, Access.write);
  const [one, other] = installPair(task, unixPair(task.process, type, flags), closeOnExec);
  guest.writeU32(at, one);
  guest.writeU32(at + 4, other);
}
export const socketpair = syscall({ x86_64: 53, i386: 360 }, [int, int, int, address], openPair);

function bindSocket(task: Task, fd: number, at: number, length: number): void {
  const one = socketOf(task, fd);
  one.bind(readAddress(task, at, length), task.process);
}
export const bind = syscall({ x86_64: 49, i386: 361 }, [int, address, int], bindSocket);

function listenSocket(task: Task, fd: number, backlog: number): void {
  socketOf(task, fd).listen(backlog, task.process);
}
export const listen = syscall({ x86_64: 50, i386: 363 }, [int, int], listenSocket);

function connectSocket(task: Task, fd: number, at: number, length: number): Result {
  const one = socketOf(task, fd);
  const to = readAddress(task, at, length);
  const nonBlock = (one.flags & Open.nonBlock) !== 0;
  try {
    one.connect(to, task.process);
    return 0;
  } catch (error) {
    if (nonBlock || (error !== EINPROGRESS && error !== EAGAIN)) throw error;
    if (error === EAGAIN) return busyConnect(task, one, to);
  }
  return {
    attempt() {
      if (one.connecting) return undefined;
      const { error } = one;
      one.error = undefined;
      if (error) throw error;
      return 0;
    },
    queues: [one.changed],
    onSignal: "interrupt",
  };
}

/** A connection that waits for room in the listener's queue (unix(7)). */
function busyConnect(task: Task, one: Socket, to: SocketAddress): Result {
  const listener = one instanceof UnixStream ? one.busy : undefined;
  return {
    attempt() {
      try {
        one.connect(to, task.process);
        return 0;
      } catch (error) {
        if (error === EAGAIN) return undefined;
        throw error;
      }
    },
    queues: listener ? [listener.changed] : [],
    onSignal: "restart",
  };
}
export const connect = syscall({ x86_64: 42, i386: 362 }, [int, address, int], connectSocket);

/** Nanoseconds since boot at which a timeout option ends a wait. */
export const timeoutOf = (task: Task, time: number) => (time === 0 ? undefined : task.process.kernel.now() + time);

function acceptSocket(task: Task, fd: number, at: number, lengthAt: number, flags: number): Result {
  if ((flags & ~(Open.nonBlock | Open.closeOnExec)) !== 0) throw EINVAL;
  const listener = socketOf(task, fd);
  const attempt = () => {
    const connection = listener.accept(flags & Open.nonBlock, task.process);
    const accepted = install(task, connection, (flags & Open.closeOnExec) !== 0);
    if (at !== 0) {
      let peer: SocketAddress | undefined;
      try {
        peer = connection.peer();
      } catch {
        // Gone again already: the address is left out.
      }
      writeAddress(task, peer, at, lengthAt);
    }
    return accepted;
  };
  return blocking(listener, attempt, { deadline: timeoutOf(task, listener.options.receiveTimeout) });
}
export const accept = syscall({ x86_64: 43 }, [int, address, address], (task, fd, at, lengthAt) =>
  acceptSocket(task, fd, at, lengthAt, 0),
);
export const accept4 = syscall({ x86_64: 288, i386: 364 }, [int, address, address, uint], acceptSocket);

const nameSocket = (task: Task, fd: number, at: number, lengthAt: number) => {
  writeAddress(task, socketOf(task, fd).name(), at, lengthAt);
};
const peerSocket = (task: Task, fd: number, at: number, lengthAt: number) => {
  writeAddress(task, socketOf(task, fd).peer(), at, lengthAt);
};
export const getsockname = syscall({ x86_64: 51, i386: 367 }, [int, address, address], nameSocket);
export const getpeername = syscall({ x86_64: 52, i386: 368 }, [int, address, address], peerSocket);

function shutdownSocket(task: Task, fd: number, how: number): void {
  const one = socketOf(task, fd);
  if (how < 0 || how > 2) throw EINVAL;
  one.shutdown(how);
}
export const shutdown = syscall({ x86_64: 48, i386: 373 }, [int, int], shutdownSocket);

// Options.

const setsockoptWith =
  (width: Width) => (task: Task, fd: number, level: number, name: number, at: number, length: number) => {
    if (length < 0) throw EINVAL;
    if (at === 0 && length > 0) throw EFAULT;
    setOption(task, socketOf(task, fd), level, name, at, length, width);
  };
const getsockoptWith =
  (width: Width) => (task: Task, fd: number, level: number, name: number, at: number, lengthAt: number) =>
    getOption(task, socketOf(task, fd), level, name, at, lengthAt, width);
export const setsockopt = syscall({ x86_64: 54 }, [int, int, int, address, int], setsockoptWith(64));
export const getsockopt = syscall({ x86_64: 55 }, [int, int, int, address, address], getsockoptWith(64));

/** The calls of 32-bit programs; their rows are in sockets32.ts. */
export const narrow = {
  open,
  openPair,
  bind: bindSocket,
  listen: listenSocket,
  connect: connectSocket,
  accept: acceptSocket,
  name: nameSocket,
  peer: peerSocket,
  shutdown: shutdownSocket,
  setOption: setsockoptWith(32),
  getOption: getsockoptWith(32),
};
