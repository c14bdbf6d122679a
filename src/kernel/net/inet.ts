// The Internet families inside the machine: TCP and UDP over the loopback, whose other end is always here (ip(7), tcp(7), udp(7)).

import type { HostNetwork, HostSocket } from "../../host/host.ts";
import { HostError } from "../../host/host.ts";
import { attached } from "../attached.ts";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  ECONNREFUSED,
  ECONNRESET,
  EDESTADDRREQ,
  EINPROGRESS,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
  errnoFromName,
  ETIMEDOUT,
} from "../errno.ts";
import { Open, Poll } from "../file.ts";
import type { Kernel } from "../kernel.ts";
import type { Process } from "../process.ts";
import { Channel } from "./channel.ts";
import { answer, parseQuery } from "./dns.ts";
import {
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

type InetAddress = Extract<SocketAddress, { family: "inet" }>;

const firstEphemeral = 32768;
const lastEphemeral = 60999;
const privileged = 1024;

const any4 = new Uint8Array(4);
const any6 = new Uint8Array(16);
const loopback4 = Uint8Array.of(127, 0, 0, 1);
const loopback6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const isZero = (address: Uint8Array) => address.every((byte) => byte === 0);
const isMapped = (address: Uint8Array) => address.length === 16 && mappedPrefix.every((byte, i) => address[i] === byte);
/** IPv4 addresses that IPv6 sockets use are mapped into IPv6; comparisons are made on the short form. */
const plain = (address: Uint8Array) => (isMapped(address) ? address.subarray(12) : address);
const same = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, i) => byte === other[i]);
function isLocal(address: Uint8Array): boolean {
  const short = plain(address);
  return short.length === 4 ? short[0] === 127 || isZero(short) : isZero(short) || same(short, loopback6);
}

/** The text of an address, as the host wants it. */
export function addressText(address: Uint8Array): string {
  const short = plain(address);
  if (short.length === 4) return short.join(".");
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((short[i]! << 8) | short[i + 1]!).toString(16));
  return groups.join(":");
}

/** Addresses as a socket of this family shows them. */
function shown(family: number, address: Uint8Array): Uint8Array {
  if (family === Family.inet) return plain(address);
  if (address.length === 16) return address;
  return Uint8Array.from([...mappedPrefix, ...address]);
}

type InetSocket = TcpSocket | UdpSocket;

/** The ports of a kernel. */
class Ports {
  private readonly byPort = new Map<number, InetSocket[]>();
  private next = firstEphemeral;

  at(port: number): readonly InetSocket[] {
    return this.byPort.get(port) ?? [];
  }
  take(socket: InetSocket, port: number): void {
    const sockets = this.byPort.get(port);
    if (sockets) sockets.push(socket);
    else this.byPort.set(port, [socket]);
  }
  free(socket: InetSocket, port: number): void {
    const left = this.at(port).filter((other) => other !== socket);
    if (left.length > 0) this.byPort.set(port, left);
    else this.byPort.delete(port);
  }
  /** A port that nobody uses. Throws EADDRINUSE. */
  ephemeral(): number {
    for (let i = firstEphemeral; i <= lastEphemeral; i++) {
      const port = this.next;
      this.next = port === lastEphemeral ? firstEphemeral : port + 1;
      if (!this.byPort.has(port)) return port;
    }
    throw EADDRINUSE;
  }
}

class Network {
  readonly tcp = new Ports();
  readonly udp = new Ports();
}
const networkOf = attached(() => new Network());

/** Whether a socket bound to `bound` hears what is sent to `address`. */
function hears(socket: InetSocket, bound: Uint8Array, address: Uint8Array): boolean {
  const short = plain(address);
  const own = plain(bound);
  if (isZero(bound)) {
    if (socket.family === Family.inet) return short.length === 4;
    return short.length === 16 || !socket.options.v6Only;
  }
  return same(own, short);
}

/** Addresses that two sockets could both be asked for. */
function clash(one: InetSocket, other: InetSocket, address: Uint8Array): boolean {
  const bound = other.local.address;
  if (isZero(address) || isZero(bound)) {
    if (one.family === other.family) return true;
    const six = one.family === Family.inet6 ? one : other;
    return !six.options.v6Only && (isZero(address) || isZero(bound));
  }
  return same(plain(address), plain(bound));
}

/** Binds a socket; port 0 chooses one. */
function bindTo(socket: InetSocket, ports: Ports, address: SocketAddress, process: Process): InetAddress {
  const { address: bytes, port } = needFamily(address, "inet", EAFNOSUPPORT);
  if (bytes.length !== (socket.family === Family.inet ? 4 : 16)) throw EINVAL;
  if (!isLocal(bytes)) throw EADDRNOTAVAIL;
  if (port !== 0 && port < privileged && process.credentials.euid !== 0) throw EACCES;
  const chosen = port === 0 ? ports.ephemeral() : port;
  for (const other of ports.at(chosen)) {
    if (!clash(socket, other, bytes)) continue;
    if (socket.options.reusePort && other.options.reusePort) continue;
    if (socket.options.reuseAddress && other.options.reuseAddress && !other.listening) continue;
    throw EADDRINUSE;
  }
  ports.take(socket, chosen);
  return { family: "inet", address: bytes, port: chosen };
}

const unbound = (family: number): InetAddress => ({
  family: "inet",
  address: family === Family.inet ? any4 : any6,
  port: 0,
});

/** Where a packet to `address` comes from. */
function sourceFor(family: number, address: Uint8Array): Uint8Array {
  const short = plain(address);
  return shown(family, short.length === 4 ? (isZero(short) ? loopback4 : short) : loopback6);
}
/** The any address stands for the loopback as a destination. */
function destination(address: Uint8Array): Uint8Array {
  if (!isZero(address)) return address;
  return address.length === 4 ? loopback4 : loopback6;
}

/** The host's network, when it was granted. Throws ENETUNREACH and leaves a trace of the refusal. */
function outside(kernel: Kernel, process: Process, address: Uint8Array, port: number): HostNetwork {
  const { network } = kernel.host;
  const topic = network ? "grant" : "refusal";
  if (kernel.trace.wants(topic))
    kernel.trace.emit({
      topic,
      time: kernel.now(),
      pid: process.pid,
      tid: process.pid,
      text: `network ${addressText(address)} port ${port}`,
    });
  if (!network) throw ENETUNREACH;
  return network;
}

export class TcpSocket extends StreamSocket {
  local: InetAddress;
  private remote: InetAddress | undefined;
  private bound = false;
  /** The port is this socket's own, not its listener's. */
  private ownsPort = false;
  private host: HostSocket | undefined;
  private hostFull = false;

  constructor(process: Process, family: number, flags = 0) {
    super(process, family, SocketType.stream, 6, flags);
    this.local = unbound(family);
  }
  private get ports(): Ports {
    return networkOf(this.kernel).tcp;
  }

  bind(address: SocketAddress, process: Process): void {
    if (this.bound) throw EINVAL;
    this.local = bindTo(this, this.ports, address, process);
    this.bound = this.ownsPort = true;
  }
  private bindAny(process: Process): void {
    if (!this.bound) this.bind(unbound(this.family), process);
  }

  override listen(backlog: number, process: Process): void {
    this.bindAny(process);
    this.startListening(backlog, process);
  }

  connect(address: SocketAddress, process: Process): void {
    if (this.connecting) throw EALREADY;
    if (this.error) this.throwError();
    this.needUnconnected();
    const to = needFamily(address, "inet", EAFNOSUPPORT);
    if (this.family === Family.inet && to.address.length !== 4) throw EAFNOSUPPORT;
    if (!isLocal(to.address)) return this.connectOutside(to, process);
    const target = destination(to.address);
    const listener = this.ports
      .at(to.port)
      .find((other) => other instanceof TcpSocket && other.listening && hears(other, other.local.address, target));
    if (!(listener instanceof TcpSocket) || listener.isFull) throw ECONNREFUSED;
    this.bindAny(process);
    this.local = { ...this.local, address: sourceFor(this.family, target) };
    this.remote = { family: "inet", address: shown(this.family, target), port: to.port };
    const server = new TcpSocket(process, listener.family);
    server.bound = true;
    server.local = { family: "inet", address: shown(listener.family, target), port: to.port };
    server.remote = { family: "inet", address: shown(listener.family, this.local.address), port: this.local.port };
    this.join(server);
    listener.arrive(server);
  }

  private connectOutside(to: InetAddress, process: Process): void {
    const network = outside(this.kernel, process, to.address, to.port);
    this.bindAny(process);
    this.remote = { family: "inet", address: shown(this.family, to.address), port: to.port };
    this.state = "connecting";
    const received = new Channel(this.options.receiveBuffer);
    const failed = (error: unknown) => {
      const errno = error instanceof HostError ? (errnoFromName(error.code) ?? ETIMEDOUT) : ECONNRESET;
      this.host = undefined;
      if (this.state === "connecting") {
        this.state = "new";
        this.error = errno;
        this.changed.wake();
      } else this.reset(errno);
    };
    try {
      this.host = network.connect(addressText(to.address), to.port, {
        connected: () => {
          this.state = "connected";
          this.incoming = received;
          this.outgoing = new Channel(this.options.sendBuffer);
          this.changed.wake();
        },
        data: (bytes) => {
          received.put(bytes);
          if (received.space <= 0) this.host?.pause(true);
          this.changed.wake();
        },
        drained: () => {
          this.hostFull = false;
          this.changed.wake();
        },
        ended: () => {
          received.ended = true;
          this.changed.wake();
        },
        closed: (error) => {
          if (error) failed(error);
          else {
            received.ended = true;
            if (this.outgoing) this.outgoing.abandoned = true;
            this.host = undefined;
            this.changed.wake();
          }
        },
      });
    } catch (error) {
      this.state = "new";
      throw error instanceof HostError ? (errnoFromName(error.code) ?? EACCES) : error;
    }
    throw EINPROGRESS;
  }

  override send(message: Outgoing): number {
    const { host, outgoing } = this;
    if (!host || !outgoing) return super.send(message);
    if (outgoing.ended || outgoing.abandoned) throw EPIPE;
    if (this.hostFull) throw EAGAIN;
    if (!host.write(message.bytes.slice())) this.hostFull = true;
    return message.bytes.length;
  }
  override receive(request: Request): Received {
    const received = super.receive(request);
    if (this.host && received.count > 0 && this.incoming!.space > 0) this.host.pause(false);
    return received;
  }
  override poll(): number {
    const bits = super.poll();
    return this.hostFull ? bits & ~Poll.out : bits;
  }
  override shutdown(how: number): void {
    super.shutdown(how);
    if (how !== 0) this.host?.end();
  }

  override accept(flags: number): Socket {
    const connection = this.takeWaiting();
    connection.flags |= flags & Open.nonBlock;
    return connection;
  }
  name(): SocketAddress {
    return this.local;
  }
  peer(): SocketAddress {
    if (!this.connected || !this.remote) throw ENOTCONN;
    return this.remote;
  }
  protected override get notConnected() {
    return ENOTCONN;
  }
  protected override closed(): void {
    if (this.ownsPort) this.ports.free(this, this.local.port);
    if (this.state === "connecting") this.host?.destroy();
    else this.host?.end();
    this.host = undefined;
    super.closed();
  }
}

const domainPort = 53;
const largestDatagram = 65507;
const mostDatagrams = 1024;

export class UdpSocket extends Socket {
  local: InetAddress;
  private remote: InetAddress | undefined;
  private bound = false;
  private readonly queue: Channel;
  private readShut = false;

  constructor(process: Process, family: number, flags = 0) {
    super(process, family, SocketType.datagram, 17, flags);
    this.local = unbound(family);
    this.queue = new Channel(this.options.receiveBuffer);
  }
  private get ports(): Ports {
    return networkOf(this.kernel).udp;
  }

  bind(address: SocketAddress, process: Process): void {
    if (this.bound) throw EINVAL;
    this.local = bindTo(this, this.ports, address, process);
    this.bound = true;
  }
  connect(address: SocketAddress, process: Process): void {
    if (address.family === "unspecified") {
      this.remote = undefined;
      return;
    }
    const to = needFamily(address, "inet", EAFNOSUPPORT);
    if (!isLocal(to.address) && !(to.port === domainPort && this.kernel.host.network)) throw ENETUNREACH;
    if (!this.bound) this.bind(unbound(this.family), process);
    const target = destination(to.address);
    this.remote = { family: "inet", address: shown(this.family, target), port: to.port };
    if (isZero(this.local.address)) this.local = { ...this.local, address: sourceFor(this.family, target) };
  }
  name(): SocketAddress {
    return this.local;
  }
  peer(): SocketAddress {
    if (!this.remote) throw ENOTCONN;
    return this.remote;
  }

  send({ bytes, to }: Outgoing): number {
    this.throwError();
    const given = to ? needFamily(to, "inet", EAFNOSUPPORT) : this.remote;
    if (!given) throw EDESTADDRREQ;
    if (bytes.length > largestDatagram) throw EMSGSIZE;
    if (given.port === domainPort && this.ask(bytes, given)) return bytes.length;
    if (!isLocal(given.address)) throw ENETUNREACH;
    if (given.port === 0) throw EINVAL;
    const { current } = this.kernel.scheduler;
    if (!this.bound && current) this.bind(unbound(this.family), current.process);
    const target = destination(given.address);
    const source = isZero(this.local.address) ? sourceFor(this.family, target) : this.local.address;
    const receiver = this.ports
      .at(given.port)
      .find(
        (other): other is UdpSocket =>
          other instanceof UdpSocket &&
          hears(other, other.local.address, target) &&
          (!other.remote ||
            (other.remote.port === this.local.port && same(plain(other.remote.address), plain(source)))),
      );
    if (!receiver) {
      // An ICMP message would come back; only connected sockets hear of it.
      if (this.remote) this.error = ECONNREFUSED;
      return bytes.length;
    }
    // Like the wire, a full queue loses what comes.
    if (receiver.queue.messages < mostDatagrams && (receiver.queue.empty || receiver.queue.space >= bytes.length)) {
      const from: InetAddress = { family: "inet", address: shown(receiver.family, source), port: this.local.port };
      receiver.queue.putMessage(bytes, undefined, from);
      receiver.changed.wake();
    }
    return bytes.length;
  }

  /** Answers a DNS query by the host's resolver, if the network was granted and nobody here listens. */
  private ask(message: Uint8Array, server: InetAddress): boolean {
    const { network } = this.kernel.host;
    const { current } = this.kernel.scheduler;
    if (!network || !current || (isLocal(server.address) && this.ports.at(domainPort).length > 0)) return false;
    const query = parseQuery(message);
    if (!query) return false;
    if (!this.bound) this.bind(unbound(this.family), current.process);
    const asked = message.slice();
    const reply = (addresses: readonly string[] | undefined) => {
      if (this.queue.messages >= mostDatagrams) return;
      this.queue.putMessage(answer(asked, query, addresses), undefined, {
        ...server,
        address: shown(this.family, destination(server.address)),
      });
      this.changed.wake();
    };
    network.resolve(query.name).then(reply, () => reply(undefined));
    return true;
  }

  receive(request: Request): Received {
    this.throwError();
    if (this.queue.empty && this.readShut) return { count: 0, length: 0, files: [] };
    return this.queue.readMessage(request);
  }
  get available(): number {
    return this.queue.next;
  }
  override get listening(): boolean {
    return false;
  }

  override poll(): number {
    const error = this.error ? Poll.err | Poll.in : 0;
    return error | Poll.out | (!this.queue.empty || this.readShut ? Poll.in : 0) | (this.readShut ? Poll.rdhup : 0);
  }
  shutdown(how: number): void {
    if (!this.remote) throw ENOTCONN;
    if (how !== 1) this.readShut = true;
    this.changed.wake();
  }
  protected override closed(): void {
    if (this.bound) this.ports.free(this, this.local.port);
    this.queue.drop();
  }
}
