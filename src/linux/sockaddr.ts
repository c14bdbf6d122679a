// Socket addresses in guest memory: struct sockaddr_un, sockaddr_in, sockaddr_in6 (unix(7), ip(7), ipv6(7)).

import { EINVAL } from "../kernel/errno.ts";
import { Family, type SocketAddress } from "../kernel/net/socket.ts";
import type { Task } from "../kernel/task.ts";
import { decodeName, encodeName } from "../kernel/vfs/names.ts";
import { Access } from "../memory/layout.ts";

const longest = 128;
const longestPath = 108;
const sizeInet = 16;
const sizeInet6 = 28;

/** Reads an address of a given length. Throws EINVAL. */
export function readAddress(task: Task, at: number, length: number): SocketAddress {
  if (length < 2 || length > longest) throw EINVAL;
  const bytes = task.process.memory.guest.bytes(at, length, Access.read);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  switch (view.getUint16(0, true)) {
    case Family.unspecified:
      return { family: "unspecified" };
    case Family.unix: {
      const name = bytes.subarray(2, 2 + longestPath);
      if (length > 2 + longestPath) throw EINVAL;
      if (name.length === 0) return { family: "unix" };
      if (name[0] === 0) return { family: "unix", abstract: decodeName(name.subarray(1)) };
      const end = name.indexOf(0);
      return { family: "unix", path: decodeName(end < 0 ? name : name.subarray(0, end)) };
    }
    case Family.inet:
      if (length < sizeInet) throw EINVAL;
      return { family: "inet", port: view.getUint16(2), address: bytes.slice(4, 8) };
    case Family.inet6:
      if (length < 24) throw EINVAL;
      return {
        family: "inet",
        port: view.getUint16(2),
        address: bytes.slice(8, 24),
        scope: length >= sizeInet6 ? view.getUint32(24, true) : 0,
      };
    default:
      return { family: "unspecified" };
  }
}

/** The bytes of an address. */
export function encodeAddress(address: SocketAddress): Uint8Array {
  if (address.family === "unspecified") return new Uint8Array(2);
  if (address.family === "unix") {
    const name =
      address.path !== undefined
        ? encodeName(`${address.path}\0`)
        : address.abstract !== undefined
          ? encodeName(`\0${address.abstract}`)
          : new Uint8Array(0);
    const bytes = new Uint8Array(2 + name.length);
    bytes[0] = Family.unix;
    bytes.set(name, 2);
    return bytes;
  }
  const short = address.address.length === 4;
  const bytes = new Uint8Array(short ? sizeInet : sizeInet6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, short ? Family.inet : Family.inet6, true);
  view.setUint16(2, address.port);
  bytes.set(address.address, short ? 4 : 8);
  if (!short) view.setUint32(24, address.scope ?? 0, true);
  return bytes;
}

/** Hands an address out as accept(2) does: cut to the room given, with its full length. No address, no bytes. */
export function writeAddress(task: Task, address: SocketAddress | undefined, at: number, lengthAt: number): void {
  if (at === 0) return;
  const { guest } = task.process.memory;
  const room = guest.readI32(lengthAt);
  if (room < 0) throw EINVAL;
  const bytes = address ? encodeAddress(address) : new Uint8Array(0);
  guest.write(at, bytes.subarray(0, room));
  guest.writeU32(lengthAt, bytes.length);
}
