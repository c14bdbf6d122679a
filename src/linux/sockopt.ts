// Socket options: getsockopt(2) and setsockopt(2), by level and name (socket(7), tcp(7), ip(7), ipv6(7)).

import { EINVAL, ENOPROTOOPT } from "../kernel/errno.ts";
import { Family, type Socket, SocketType } from "../kernel/net/socket.ts";
import type { Task } from "../kernel/task.ts";
import { readTimeval } from "./timespec.ts";
import type { Width } from "./vectors.ts";

const Level = { ip: 0, socket: 1, tcp: 6, udp: 17, ipv6: 41 } as const;
const Name = {
  debug: 1,
  reuseAddress: 2,
  type: 3,
  error: 4,
  dontRoute: 5,
  broadcast: 6,
  sendBuffer: 7,
  receiveBuffer: 8,
  keepAlive: 9,
  outOfBandInline: 10,
  priority: 12,
  linger: 13,
  reusePort: 15,
  passCredentials: 16,
  peerCredentials: 17,
  receiveLowWater: 18,
  sendLowWater: 19,
  receiveTimeout: 20,
  sendTimeout: 21,
  bindToDevice: 25,
  timestamp: 29,
  acceptConnections: 30,
  peerSecurity: 31,
  sendBufferForce: 32,
  receiveBufferForce: 33,
  protocol: 38,
  domain: 39,
  peerGroups: 59,
  receiveTimeout64: 66,
  sendTimeout64: 67,
} as const;
const v6Only = 26;

/** Options that are kept and change nothing: what they ask for is so anyway, or does not matter between local sockets. */
const kept: Record<number, ReadonlySet<number>> = {
  [Level.socket]: new Set([
    Name.debug,
    Name.dontRoute,
    Name.outOfBandInline,
    Name.priority,
    Name.timestamp,
    36,
    46,
    47,
    34,
    35,
  ]),
  // TCP_NODELAY, MAXSEG, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, DEFER_ACCEPT, WINDOW_CLAMP, QUICKACK, USER_TIMEOUT, FASTOPEN, NOTSENT_LOWAT.
  [Level.tcp]: new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 18, 23, 25, 30]),
  [Level.udp]: new Set([1, 103, 104]),
  // IP_TOS, TTL, HDRINCL, OPTIONS, RECVOPTS, PKTINFO, MTU_DISCOVER, RECVERR, RECVTTL, RECVTOS, FREEBIND, MULTICAST_*, BIND_ADDRESS_NO_PORT.
  [Level.ip]: new Set([1, 2, 3, 6, 8, 10, 11, 12, 13, 15, 24, 32, 33, 34, 49]),
  // IPV6_UNICAST_HOPS, MULTICAST_*, MTU_DISCOVER, RECVERR, RECVPKTINFO, PKTINFO, RECVHOPLIMIT, RECVTCLASS, TCLASS.
  [Level.ipv6]: new Set([16, 17, 18, 19, 23, 25, 49, 50, 51, 66, 67]),
};
/** What is read of such an option before it was set. */
const initial = new Map<number, number>([
  [Level.ip * 1000 + 2, 64],
  [Level.ipv6 * 1000 + 16, 64],
  [Level.tcp * 1000 + 2, 65483],
  [Level.tcp * 1000 + 4, 7200],
  [Level.tcp * 1000 + 5, 75],
  [Level.tcp * 1000 + 6, 9],
]);

const leastBuffer = 2304;
const mostBuffer = 425984;

function isKept(socket: Socket, level: number, name: number): boolean {
  if (level === Level.tcp && !(socket.type === SocketType.stream && socket.family !== Family.unix)) return false;
  if ((level === Level.ip || level === Level.ipv6) && socket.family === Family.unix) return false;
  return kept[level]?.has(name) ?? false;
}

/** setsockopt(2). */
export function setOption(
  task: Task,
  socket: Socket,
  level: number,
  name: number,
  at: number,
  length: number,
  width: Width,
): void {
  const { guest } = task.process.memory;
  const { options } = socket;
  const int = () => {
    if (length < 4) throw EINVAL;
    return guest.readI32(at);
  };
  if (level === Level.ipv6 && name === v6Only && socket.family === Family.inet6) {
    options.v6Only = int() !== 0;
    return;
  }
  if (level === Level.socket) {
    switch (name) {
      case Name.reuseAddress:
        options.reuseAddress = int() !== 0;
        return;
      case Name.reusePort:
        options.reusePort = int() !== 0;
        return;
      case Name.broadcast:
        options.broadcast = int() !== 0;
        return;
      case Name.keepAlive:
        options.keepAlive = int() !== 0;
        return;
      case Name.passCredentials:
        options.passCredentials = int() !== 0;
        return;
      case Name.sendBuffer:
      case Name.sendBufferForce:
        options.sendBuffer = Math.min(mostBuffer, Math.max(leastBuffer * 2, int() * 2));
        return;
      case Name.receiveBuffer:
      case Name.receiveBufferForce:
        options.receiveBuffer = Math.min(mostBuffer, Math.max(leastBuffer, int() * 2));
        return;
      case Name.receiveLowWater:
        options.receiveLowWater = Math.max(1, int());
        return;
      case Name.linger:
        if (length < 8) throw EINVAL;
        options.linger = int() === 0 ? undefined : guest.readI32(at + 4);
        return;
      case Name.receiveTimeout:
        options.receiveTimeout = readTimeval(task, at, width);
        return;
      case Name.sendTimeout:
        options.sendTimeout = readTimeval(task, at, width);
        return;
      case Name.receiveTimeout64:
        options.receiveTimeout = readTimeval(task, at, 64);
        return;
      case Name.sendTimeout64:
        options.sendTimeout = readTimeval(task, at, 64);
        return;
      case Name.bindToDevice:
        return;
      default:
    }
  }
  if (!isKept(socket, level, name)) throw ENOPROTOOPT;
  options.other.set(level * 1000 + name, length >= 4 ? guest.readI32(at) : length > 0 ? guest.readU8(at) : 0);
}

/** getsockopt(2). */
export function getOption(
  task: Task,
  socket: Socket,
  level: number,
  name: number,
  at: number,
  lengthAt: number,
  width: Width,
): void {
  const { guest } = task.process.memory;
  const room = guest.readI32(lengthAt);
  if (room < 0) throw EINVAL;
  const bytes = optionBytes(socket, level, name, width).subarray(0, room);
  guest.write(at, bytes);
  guest.writeU32(lengthAt, bytes.length);
}

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer);
}

function timeval(time: number, width: Width): Uint8Array {
  const seconds = Math.floor(time / 1e9);
  const microseconds = Math.floor((time - seconds * 1e9) / 1000);
  return width === 64
    ? new Uint8Array(BigInt64Array.from([BigInt(seconds), BigInt(microseconds)]).buffer)
    : words(seconds, microseconds);
}

function optionBytes(socket: Socket, level: number, name: number, width: Width): Uint8Array {
  const { options } = socket;
  const flag = (on: boolean) => words(on ? 1 : 0);
  if (level === Level.ipv6 && name === v6Only && socket.family === Family.inet6) return flag(options.v6Only);
  if (level === Level.socket) {
    switch (name) {
      case Name.reuseAddress:
        return flag(options.reuseAddress);
      case Name.reusePort:
        return flag(options.reusePort);
      case Name.broadcast:
        return flag(options.broadcast);
      case Name.keepAlive:
        return flag(options.keepAlive);
      case Name.passCredentials:
        return flag(options.passCredentials);
      case Name.type:
        return words(socket.type);
      case Name.domain:
        return words(socket.family);
      case Name.protocol:
        return words(socket.protocol);
      case Name.acceptConnections:
        return flag(socket.listening);
      case Name.error: {
        const { error } = socket;
        socket.error = undefined;
        return words(error?.number ?? 0);
      }
      case Name.sendBuffer:
        return words(options.sendBuffer);
      case Name.receiveBuffer:
        return words(options.receiveBuffer);
      case Name.receiveLowWater:
        return words(options.receiveLowWater);
      case Name.sendLowWater:
        return words(1);
      case Name.linger:
        return words(options.linger === undefined ? 0 : 1, options.linger ?? 0);
      case Name.receiveTimeout:
        return timeval(options.receiveTimeout, width);
      case Name.sendTimeout:
        return timeval(options.sendTimeout, width);
      case Name.receiveTimeout64:
        return timeval(options.receiveTimeout, 64);
      case Name.sendTimeout64:
        return timeval(options.sendTimeout, 64);
      case Name.peerCredentials: {
        const peer = socket.peerCredentials;
        return words(peer?.pid ?? 0, peer?.uid ?? -1, peer?.gid ?? -1);
      }
      case Name.peerGroups:
        return new Uint8Array(0);
      case Name.bindToDevice:
        return new Uint8Array(0);
      default:
    }
  }
  if (!isKept(socket, level, name)) throw ENOPROTOOPT;
  const key = level * 1000 + name;
  return words(options.other.get(key) ?? initial.get(key) ?? 0);
}
