// Messages of sockets: sendto(2), sendmsg(2), recvfrom(2), recvmsg(2) and what travels with them (cmsg(3), unix(7)).

import { EAGAIN, EINVAL, EISCONN, EMSGSIZE, EOPNOTSUPP, EPERM } from "../../kernel/errno.ts";
import type { OpenFile } from "../../kernel/file.ts";
import {
  type Ancillary,
  Family,
  type PeerCredentials,
  type Received,
  type Socket,
  type SocketAddress,
  SocketType,
} from "../../kernel/net/socket.ts";
import { UnixDatagram } from "../../kernel/net/unix.ts";
import type { Task } from "../../kernel/task.ts";
import type { WaitQueue } from "../../kernel/wait.ts";
import { Access } from "../../memory/layout.ts";
import { fileOf } from "../at.ts";
import { type Blocking, blocking, blockingWrite } from "../blocking.ts";
import { address, int, size, uint } from "../kinds.ts";
import { readAddress, writeAddress } from "../sockaddr.ts";
import { type Result, syscall } from "../table.ts";
import { readTimespec } from "../timespec.ts";
import { gather, mostBytes, type Piece, readVectors, scatter, totalLength, type Width } from "../vectors.ts";
import { install } from "./open.ts";
import { socketOf, timeoutOf } from "./sockets.ts";

/** MSG_ flags (send(2), recv(2)). */
const Message = {
  outOfBand: 1,
  peek: 2,
  dontRoute: 4,
  controlCut: 8,
  cut: 0x20,
  dontWait: 0x40,
  endOfRecord: 0x80,
  waitAll: 0x100,
  noSignal: 0x4000,
  more: 0x8000,
  waitForOne: 0x10000,
  closeOnExec: 0x4000_0000,
} as const;

// Sending.

interface Sending {
  readonly pieces: readonly Piece[];
  readonly to: SocketAddress | undefined;
  readonly ancillary: Ancillary | undefined;
  readonly flags: number;
}

/** Queues of another socket whose room a datagram waits for. */
function roomOf(one: Socket): readonly WaitQueue[] {
  return one instanceof UnixDatagram && one.busy ? [one.busy.changed] : [];
}

function release(ancillary: Ancillary | undefined): void {
  for (const file of ancillary?.files ?? []) file.release();
}

function send(task: Task, one: Socket, { pieces, to, ancillary, flags }: Sending): Result {
  if ((flags & Message.outOfBand) !== 0) {
    release(ancillary);
    throw EOPNOTSUPP;
  }
  const options: Blocking & { noSignal: boolean } = {
    nonBlock: (flags & Message.dontWait) !== 0,
    noSignal: (flags & Message.noSignal) !== 0 || one.type !== SocketType.stream,
    deadline: timeoutOf(task, one.options.sendTimeout),
  };
  // Streams to a connected peer ignore a destination, but not if there is none (send(2)).
  if (to && one.type === SocketType.stream && one.family === Family.unix && to.family === "unix") {
    release(ancillary);
    throw EISCONN;
  }
  const total = totalLength(pieces);
  let travelling = ancillary;
  const part = (done: number): number => {
    const bytes = gather(task, done === 0 ? pieces : rest(pieces, done));
    const count = one.send({ bytes, to: one.type === SocketType.stream ? undefined : to, ancillary: travelling });
    travelling = undefined;
    return count;
  };
  let result: Result;
  try {
    result = blockingWrite(task, one, total, part, options);
  } catch (error) {
    release(travelling);
    throw error;
  }
  if (typeof result !== "object") return result;
  const wait = result;
  return {
    ...wait,
    queues: [...wait.queues, ...roomOf(one)],
    finished: () => release(travelling),
  };
}

/** The pieces from `skip` bytes on. */
function rest(pieces: readonly Piece[], skip: number): Piece[] {
  const left: Piece[] = [];
  for (const piece of pieces) {
    if (skip >= piece.length) skip -= piece.length;
    else {
      left.push({ address: piece.address + skip, length: piece.length - skip });
      skip = 0;
    }
  }
  return left;
}

function sendTo(
  task: Task,
  fd: number,
  at: number,
  length: number,
  flags: number,
  toAt: number,
  toLength: number,
): Result {
  const one = socketOf(task, fd);
  const to = toAt === 0 ? undefined : readAddress(task, toAt, toLength);
  const pieces = [{ address: at, length: Math.min(length, mostBytes) }];
  return send(task, one, { pieces, to, ancillary: undefined, flags });
}
export const sendto = syscall({ x86_64: 44, i386: 369 }, [int, address, size, uint, address, int], sendTo);

/** Where struct msghdr and cmsghdr keep their fields. */
interface Layout {
  readonly width: Width;
  readonly word: number;
  readonly pieces: number;
  readonly count: number;
  readonly control: number;
  readonly controlLength: number;
  readonly flags: number;
  /** Of struct mmsghdr, whose last word has the length. */
  readonly manySize: number;
  readonly manyLength: number;
  /** Of struct cmsghdr. */
  readonly header: number;
}
const layouts: Record<Width, Layout> = {
  64: {
    width: 64,
    word: 8,
    pieces: 16,
    count: 24,
    control: 32,
    controlLength: 40,
    flags: 48,
    manySize: 64,
    manyLength: 56,
    header: 16,
  },
  32: {
    width: 32,
    word: 4,
    pieces: 8,
    count: 12,
    control: 16,
    controlLength: 20,
    flags: 24,
    manySize: 32,
    manyLength: 28,
    header: 12,
  },
};

interface Header {
  readonly name: number;
  readonly nameLength: number;
  readonly pieces: readonly Piece[];
  readonly control: number;
  readonly controlLength: number;
}

function readHeader(task: Task, at: number, layout: Layout): Header {
  const { guest } = task.process.memory;
  const word = (offset: number) => (layout.width === 64 ? guest.readU64(at + offset) : guest.readU32(at + offset));
  const count = word(layout.count);
  if (count > 1024) throw EMSGSIZE;
  return {
    name: word(0),
    nameLength: guest.readI32(at + layout.word),
    pieces: readVectors(task, word(layout.pieces), count, layout.width),
    control: word(layout.control),
    controlLength: word(layout.controlLength),
  };
}

const levelSocket = 1;
const Control = { rights: 1, credentials: 2 } as const;
const mostFiles = 253;

/** Reads control messages: files to pass on, credentials to show. */
function readControl(task: Task, { control, controlLength }: Header, layout: Layout): Ancillary | undefined {
  if (control === 0 || controlLength === 0) return undefined;
  const { guest } = task.process.memory;
  const { process } = task;
  const files: OpenFile[] = [];
  let credentials: PeerCredentials | undefined;
  try {
    for (let at = 0; at + layout.header <= controlLength;) {
      const start = control + at;
      const length = layout.width === 64 ? guest.readU64(start) : guest.readU32(start);
      if (length < layout.header || at + length > controlLength) throw EINVAL;
      const level = guest.readI32(start + layout.word);
      const type = guest.readI32(start + layout.word + 4);
      const data = start + layout.header;
      const size = length - layout.header;
      if (level === levelSocket && type === Control.rights) {
        for (let i = 0; i + 4 <= size; i += 4) {
          if (files.length >= mostFiles) throw EINVAL;
          files.push(fileOf(task, guest.readI32(data + i)).retain());
        }
      } else if (level === levelSocket && type === Control.credentials) {
        if (size !== 12) throw EINVAL;
        const given = { pid: guest.readI32(data), uid: guest.readU32(data + 4), gid: guest.readU32(data + 8) };
        const own = process.credentials;
        const honest =
          given.pid === process.pid &&
          [own.uid, own.euid, own.suid].includes(given.uid) &&
          [own.gid, own.egid, own.sgid].includes(given.gid);
        if (!honest && own.euid !== 0) throw EPERM;
        credentials = given;
      } else if (level === levelSocket) throw EINVAL;
      at += Math.ceil(length / layout.word) * layout.word;
    }
  } catch (error) {
    for (const file of files) file.release();
    throw error;
  }
  return { files, credentials };
}

function sendMessage(task: Task, fd: number, at: number, flags: number, width: Width): Result {
  const layout = layouts[width];
  const one = socketOf(task, fd);
  const header = readHeader(task, at, layout);
  const to = header.name === 0 ? undefined : readAddress(task, header.name, header.nameLength);
  const ancillary = readControl(task, header, layout);
  return send(task, one, { pieces: header.pieces, to, ancillary, flags });
}
export const sendmsg = syscall({ x86_64: 46 }, [int, address, uint], (task, fd, at, flags) =>
  sendMessage(task, fd, at, flags, 64),
);

/** Several messages: the first may wait, the others only go when they can at once. */
function sendMany(task: Task, fd: number, at: number, count: number, flags: number, width: Width): Result {
  const layout = layouts[width];
  const { guest } = task.process.memory;
  let done = 0;
  const next = (): number | undefined => {
    for (; done < Math.min(count, 1024); done++) {
      const start = at + done * layout.manySize;
      let sent: Result;
      try {
        sent = sendMessage(task, fd, start, flags | (done > 0 ? Message.dontWait : 0), width);
      } catch (error) {
        if (done > 0) return done;
        throw error;
      }
      if (typeof sent === "object") return undefined;
      guest.writeU32(start + layout.manyLength, sent ?? 0);
    }
    return done;
  };
  const one = socketOf(task, fd);
  const first = next();
  if (first !== undefined) return first;
  return { attempt: next, queues: [one.changed, ...roomOf(one)], onSignal: "restart" };
}
export const sendmmsg = syscall({ x86_64: 307 }, [int, address, uint, uint], (task, fd, at, count, flags) =>
  sendMany(task, fd, at, count, flags, 64),
);

// Receiving.

/** Receives into pieces; streams with MSG_WAITALL wait until these are full. */
function receive(
  task: Task,
  one: Socket,
  pieces: readonly Piece[],
  flags: number,
  deliver: (received: Received) => number,
): Result {
  if ((flags & Message.outOfBand) !== 0) throw EINVAL;
  const { guest } = task.process.memory;
  const total = totalLength(pieces);
  const peek = (flags & Message.peek) !== 0;
  const waitAll = (flags & Message.waitAll) !== 0 && one.type === SocketType.stream && !peek;
  let done = 0;
  const attempt = (): number => {
    for (;;) {
      const left = done === 0 ? pieces : rest(pieces, done);
      const [only] = left;
      const direct = left.length === 1 && only ? guest.bytes(only.address, only.length, Access.write) : undefined;
      const into = direct ?? new Uint8Array(total - done);
      let received: Received;
      try {
        received = one.receive({ into, peek });
      } catch (error) {
        if (error === EAGAIN && done > 0 && (flags & Message.dontWait) !== 0) return done;
        if (error !== EAGAIN && done > 0) return done;
        throw error;
      }
      if (!direct) scatter(task, left, into.subarray(0, received.count));
      const result = deliver(received);
      if (!waitAll) return result;
      done += received.count;
      if (done >= total || received.count === 0 || received.files.length > 0) return done;
    }
  };
  const result = blocking(one, attempt, {
    nonBlock: (flags & Message.dontWait) !== 0,
    deadline: timeoutOf(task, one.options.receiveTimeout),
  });
  return typeof result === "object" ? { ...result, interrupted: () => (done > 0 ? done : undefined) } : result;
}

function receiveFrom(
  task: Task,
  fd: number,
  at: number,
  length: number,
  flags: number,
  fromAt: number,
  lengthAt: number,
): Result {
  const one = socketOf(task, fd);
  const pieces = length === 0 ? [] : [{ address: at, length: Math.min(length, mostBytes) }];
  return receive(task, one, pieces, flags, (received) => {
    for (const file of received.files) file.release();
    if (fromAt !== 0) writeAddress(task, received.from, fromAt, lengthAt);
    return (flags & Message.cut) !== 0 ? received.length : received.count;
  });
}
export const recvfrom = syscall({ x86_64: 45, i386: 371 }, [int, address, size, uint, address, address], receiveFrom);

/** Writes control messages; returns their length and flags. */
function writeControl(
  task: Task,
  one: Socket,
  received: Received,
  { control, controlLength }: Header,
  layout: Layout,
  flags: number,
): { length: number; flags: number } {
  const { guest } = task.process.memory;
  let used = 0;
  let cut = 0;
  const put = (type: number, values: readonly number[]) => {
    const length = layout.header + values.length * 4;
    if (control === 0 || used + length > controlLength) {
      cut = Message.controlCut;
      return;
    }
    const start = control + used;
    if (layout.width === 64) guest.writeU64(start, length);
    else guest.writeU32(start, length);
    guest.writeU32(start + layout.word, levelSocket);
    guest.writeU32(start + layout.word + 4, type);
    values.forEach((value, i) => guest.writeU32(start + layout.header + i * 4, value));
    used += Math.min(Math.ceil(length / layout.word) * layout.word, controlLength - used);
  };
  if (one.options.passCredentials && one.family === Family.unix) {
    const { pid, uid, gid } = received.credentials ?? { pid: 0, uid: 65534, gid: 65534 };
    put(Control.credentials, [pid, uid, gid]);
  }
  if (received.files.length > 0) {
    const fits = Math.max(0, Math.floor((controlLength - used - layout.header) / 4));
    const taken = control === 0 ? 0 : Math.min(fits, received.files.length);
    if (taken < received.files.length) cut = Message.controlCut;
    const descriptors: number[] = [];
    received.files.forEach((file, i) => {
      if (i >= taken) return file.release();
      try {
        descriptors.push(install(task, file, (flags & Message.closeOnExec) !== 0));
      } catch {
        // No descriptor is left: the rest is lost (unix(7)).
        cut = Message.controlCut;
      }
    });
    if (descriptors.length > 0) put(Control.rights, descriptors);
  }
  return { length: used, flags: cut };
}

function receiveMessage(task: Task, fd: number, at: number, flags: number, width: Width): Result {
  const layout = layouts[width];
  const one = socketOf(task, fd);
  const header = readHeader(task, at, layout);
  const { guest } = task.process.memory;
  return receive(task, one, header.pieces, flags, (received) => {
    const control = writeControl(task, one, received, header, layout, flags);
    if (header.name !== 0) {
      if (header.nameLength < 0) throw EINVAL;
      writeAddress(task, received.from, header.name, at + layout.word);
      if (!received.from) guest.writeU32(at + layout.word, 0);
    }
    const cut = received.length > received.count ? Message.cut : 0;
    const record = received.endOfRecord ? Message.endOfRecord : 0;
    if (layout.width === 64) guest.writeU64(at + layout.controlLength, control.length);
    else guest.writeU32(at + layout.controlLength, control.length);
    guest.writeU32(at + layout.flags, control.flags | cut | record | (flags & Message.closeOnExec));
    return (flags & Message.cut) !== 0 ? received.length : received.count;
  });
}
export const recvmsg = syscall({ x86_64: 47 }, [int, address, uint], (task, fd, at, flags) =>
  receiveMessage(task, fd, at, flags, 64),
);

function receiveMany(
  task: Task,
  fd: number,
  at: number,
  count: number,
  flags: number,
  deadline: number | undefined,
  width: Width,
): Result {
  const layout = layouts[width];
  const { guest } = task.process.memory;
  const one = socketOf(task, fd);
  let done = 0;
  const next = (): number | undefined => {
    for (; done < Math.min(count, 1024); done++) {
      const start = at + done * layout.manySize;
      const noWait = done > 0 && (flags & Message.waitForOne) !== 0 ? Message.dontWait : 0;
      let result: Result;
      try {
        result = receiveMessage(task, fd, start, (flags & ~Message.waitForOne) | noWait, width);
      } catch (error) {
        if (done > 0) return done;
        throw error;
      }
      if (typeof result === "object") return undefined;
      guest.writeU32(start + layout.manyLength, result ?? 0);
    }
    return done;
  };
  const first = next();
  if (first !== undefined) return first;
  return {
    attempt: next,
    queues: [one.changed],
    onSignal: "restart",
    interrupted: () => (done > 0 ? done : undefined),
    ...(deadline === undefined ? {} : { deadline }),
    expired() {
      if (done > 0) return done;
      throw EAGAIN;
    },
  };
}
const recvmmsgWith =
  (width: Width, timeWidth: Width) =>
  (task: Task, fd: number, at: number, count: number, flags: number, time: number) =>
    receiveMany(
      task,
      fd,
      at,
      count,
      flags,
      time === 0 ? undefined : timeoutOf(task, readTimespec(task, time, timeWidth)),
      width,
    );
export const recvmmsg = syscall({ x86_64: 299 }, [int, address, uint, uint, address], recvmmsgWith(64, 64));
export const recvmmsg_time64 = syscall({ i386: 417 }, [int, address, uint, uint, address], recvmmsgWith(32, 64));

/** The calls of 32-bit programs; their rows are in sockets32.ts. */
export const narrowMessages = {
  sendTo,
  receiveFrom,
  sendMessage: (task: Task, fd: number, at: number, flags: number) => sendMessage(task, fd, at, flags, 32),
  receiveMessage: (task: Task, fd: number, at: number, flags: number) => receiveMessage(task, fd, at, flags, 32),
  sendMany: (task: Task, fd: number, at: number, count: number, flags: number) =>
    sendMany(task, fd, at, count, flags, 32),
  receiveMany: recvmmsgWith(32, 32),
};
