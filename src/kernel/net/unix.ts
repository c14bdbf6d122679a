// Sockets of the Unix family: streams, messages and datagrams between processes of the machine (unix(7)).

import { attached } from "../attached.ts";
import { EADDRINUSE, EAGAIN, ECONNREFUSED, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EPIPE, EPROTOTYPE } from "../errno.ts";
import { Open, Poll } from "../file.ts";
import type { Kernel } from "../kernel.ts";
import type { Process } from "../process.ts";
import { makeNode } from "../vfs/operations.ts";
import { need, Want } from "../vfs/permission.ts";
import { Type, type Vnode } from "../vfs/vnode.ts";
import { find, walk } from "../vfs/walk.ts";
import { Channel } from "./channel.ts";
import {
  type Ancillary,
  credentialsOf,
  Family,
  needFamily,
  type Outgoing,
  type Received,
  type Request,
  Socket,
  type SocketAddress,
  SocketType,
} from "./socket.ts";
import { StreamSocket } from "./stream.ts";

type UnixAddress = Extract<SocketAddress, { family: "unix" }>;
type UnixSocket = UnixStream | UnixDatagram;

const unnamed: UnixAddress = { family: "unix" };

/** Each type has its own abstract names. */
const key = (type: number, name: string) => `${type} ${name}`;
/** Sockets by type and abstract name. */
const abstractNames = attached(() => new Map<string, UnixSocket>());
const bySocketNode = new WeakMap<Vnode, UnixSocket>();
let lastAutomatic = 0;

/** Gives a socket its name. Throws EADDRINUSE. */
function claim(socket: UnixSocket, address: UnixAddress, process: Process, before: UnixAddress): UnixAddress {
  if (before !== unnamed) {
    const taken = address.path !== undefined && find(process, process.fs.cwd, address.path, "never").path !== undefined;
    throw taken ? EADDRINUSE : EINVAL;
  }
  if (address.path !== undefined) {
    try {
      const made = makeNode(process, process.fs.cwd, address.path, Type.socket | 0o777);
      bySocketNode.set(made.vnode, socket);
    } catch (error) {
      throw (error as { name?: string }).name === "EEXIST" ? EADDRINUSE : error;
    }
    return address;
  }
  const names = abstractNames(process.kernel);
  // A name of nothing asks for one to be chosen.
  let name = address.abstract;
  if (name === undefined)
    do name = (++lastAutomatic).toString(16).padStart(5, "0");
    while (names.has(key(socket.type, name)));
  if (names.has(key(socket.type, name))) throw EADDRINUSE;
  names.set(key(socket.type, name), socket);
  return { family: "unix", abstract: name };
}

function unclaim(kernel: Kernel, socket: UnixSocket, { abstract: name }: UnixAddress): void {
  const names = abstractNames(kernel);
  if (name !== undefined && names.get(key(socket.type, name)) === socket) names.delete(key(socket.type, name));
}

/** The socket at an address. Throws ECONNREFUSED, ENOENT, EACCES. */
function socketAt(process: Process, address: UnixAddress, type: number): UnixSocket {
  let socket: UnixSocket | undefined;
  if (address.path !== undefined) {
    const place = walk(process, process.fs.cwd, address.path);
    need(process.credentials, place.vnode, Want.write);
    socket = bySocketNode.get(place.vnode);
  } else if (address.abstract !== undefined) socket = abstractNames(process.kernel).get(key(type, address.abstract));
  if (!socket) throw ECONNREFUSED;
  return socket;
}

/** What travels with a message: the sender's identity too, when either side has asked for it (SO_PASSCRED). */
function identified(from: Socket, to: Socket | undefined, given: Ancillary | undefined): Ancillary | undefined {
  const wanted = from.options.passCredentials || to?.options.passCredentials === true;
  const process = from.kernel.scheduler.current?.process;
  if (!wanted || given?.credentials || !process) return given;
  return { files: given?.files ?? [], credentials: credentialsOf(process) };
}

export class UnixStream extends StreamSocket {
  private address: UnixAddress = unnamed;

  constructor(process: Process, type: number, flags = 0) {
    super(process, Family.unix, type, 0, flags);
  }

  bind(address: SocketAddress, process: Process): void {
    this.address = claim(this, needFamily(address, "unix"), process, this.address);
  }
  override listen(backlog: number, process: Process): void {
    if (this.address === unnamed) throw EINVAL;
    this.startListening(backlog, process);
  }

  connect(address: SocketAddress, process: Process): void {
    this.needUnconnected();
    const listener = socketAt(process, needFamily(address, "unix"), this.type);
    if (listener.type !== this.type) throw EPROTOTYPE;
    if (!(listener instanceof UnixStream) || !listener.listening) throw ECONNREFUSED;
    if (listener.isFull) {
      this.busy = listener;
      throw EAGAIN;
    }
    this.busy = undefined;
    const server = new UnixStream(process, this.type);
    server.address = listener.address;
    server.identity = listener.identity;
    server.options.passCredentials = listener.options.passCredentials;
    this.join(server);
    listener.arrive(server);
  }
  /** A listener that could take no more when `connect` threw EAGAIN. */
  busy: UnixStream | undefined;

  override accept(flags: number): Socket {
    const connection = this.takeWaiting();
    connection.flags |= flags & Open.nonBlock;
    return connection;
  }

  name(): SocketAddress {
    return this.address;
  }
  peer(): SocketAddress {
    if (!this.connected) throw ENOTCONN;
    return this.other instanceof UnixStream ? this.other.address : unnamed;
  }
  protected override get notConnected() {
    return this.type === SocketType.stream ? EINVAL : ENOTCONN;
  }
  override send(message: Outgoing): number {
    if (message.to && this.connected) throw EISCONN;
    if (!this.connected) throw ENOTCONN;
    return super.send({ ...message, ancillary: identified(this, this.other, message.ancillary) });
  }

  protected override closed(): void {
    unclaim(this.kernel, this, this.address);
    super.closed();
  }
}

/** Datagrams that wait at most at one socket (net.unix.max_dgram_qlen). */
const mostMessages = 512;

export class UnixDatagram extends Socket {
  private address: UnixAddress = unnamed;
  private readonly queue: Channel;
  private target: UnixDatagram | undefined;
  private gone = false;
  private readShut = false;
  private writeShut = false;

  constructor(process: Process, flags = 0) {
    super(process, Family.unix, SocketType.datagram, 0, flags);
    this.queue = new Channel(this.options.receiveBuffer);
  }

  bind(address: SocketAddress, process: Process): void {
    this.address = claim(this, needFamily(address, "unix"), process, this.address);
  }
  connect(address: SocketAddress, process: Process): void {
    if (address.family === "unspecified") {
      this.target = undefined;
      return;
    }
    this.target = this.find(needFamily(address, "unix"), process);
  }
  /** Joins two sockets (socketpair(2)). */
  join(other: UnixDatagram): void {
    this.target = other;
    other.target = this;
  }
  private find(address: UnixAddress, process: Process): UnixDatagram {
    const socket = socketAt(process, address, this.type);
    if (!(socket instanceof UnixDatagram)) throw EPROTOTYPE;
    if (socket.target !== undefined && socket.target !== this) throw ECONNREFUSED;
    return socket;
  }

  name(): SocketAddress {
    return this.address;
  }
  peer(): SocketAddress {
    if (!this.target) throw ENOTCONN;
    return this.target.address;
  }

  /** The socket whose room `send` waits for when it throws EAGAIN. */
  busy: UnixDatagram | undefined;

  send({ bytes, to, ancillary }: Outgoing): number {
    this.throwError();
    if (this.writeShut) throw EPIPE;
    const process = this.kernel.scheduler.current?.process;
    const target = to && process ? this.find(needFamily(to, "unix"), process) : this.target;
    if (!target) throw ENOTCONN;
    if (target.gone) {
      if (!to) this.target = undefined;
      throw ECONNREFUSED;
    }
    if (target.readShut) throw EPIPE;
    if (bytes.length > target.queue.capacity) throw EMSGSIZE;
    if (target.queue.messages >= mostMessages || (!target.queue.empty && target.queue.space < bytes.length)) {
      this.busy = target;
      throw EAGAIN;
    }
    target.queue.putMessage(bytes, identified(this, target, ancillary), this.address);
    target.changed.wake();
    return bytes.length;
  }

  receive(request: Request): Received {
    this.throwError();
    if (this.queue.empty && this.readShut) return { count: 0, length: 0, files: [] };
    const received = this.queue.readMessage(request);
    if (!request.peek) {
      this.changed.wake();
      this.target?.changed.wake();
    }
    return received;
  }
  get available(): number {
    return this.queue.next;
  }

  override poll(): number {
    const { target } = this;
    const full = target !== undefined && target !== this && target.queue.messages >= mostMessages;
    return (
      (this.error ? Poll.err : 0) |
      (!this.queue.empty || this.readShut ? Poll.in : 0) |
      (this.readShut ? Poll.rdhup : 0) |
      (this.readShut && this.writeShut ? Poll.hup : 0) |
      (full ? 0 : Poll.out)
    );
  }
  shutdown(how: number): void {
    if (!this.target) throw ENOTCONN;
    if (how !== 1) this.readShut = true;
    if (how !== 0) this.writeShut = true;
    this.changed.wake();
  }

  protected override closed(): void {
    unclaim(this.kernel, this, this.address);
    this.gone = true;
    this.queue.drop();
    this.target?.changed.wake();
    this.changed.wake();
  }
}

/** The two ends of a new pair (socketpair(2)). */
export function unixPair(process: Process, type: number, flags: number): [Socket, Socket] {
  if (type === SocketType.datagram) {
    const one = new UnixDatagram(process, flags);
    const other = new UnixDatagram(process, flags);
    one.join(other);
    return [one, other];
  }
  const one = new UnixStream(process, type, flags);
  const other = new UnixStream(process, type, flags);
  one.join(other);
  return [one, other];
}
