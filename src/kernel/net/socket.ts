// Sockets: what all families have in common (socket(2), socket(7)).

import { anonymousAttributes, anonymousInode } from "../anonymous.ts";
import { EINVAL, EOPNOTSUPP, ENOTTY, type Errno } from "../errno.ts";
import { Open, OpenFile } from "../file.ts";
import type { Kernel } from "../kernel.ts";
import type { Process } from "../process.ts";
import type { Task } from "../task.ts";
import { type Attributes, Type } from "../vfs/vnode.ts";

export const Family = { unspecified: 0, unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
export const SocketType = { stream: 1, datagram: 2, raw: 3, seqpacket: 5 } as const;

/** Where a socket is or sends to. */
export type SocketAddress =
  | { readonly family: "unspecified" }
  /** A path in the file system, an abstract name (after its NUL), or none. */
  | { readonly family: "unix"; readonly path?: string; readonly abstract?: string }
  /** 4 bytes for IPv4, 16 for IPv6. */
  | { readonly family: "inet"; readonly address: Uint8Array; readonly port: number; readonly scope?: number };

/** Identity of a sender (unix(7), SCM_CREDENTIALS). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Files that travel with a message; released when nobody takes them. */
export interface Ancillary {
  readonly files: readonly OpenFile[];
  readonly credentials: PeerCredentials | undefined;
}

/** What is sent. */
export interface Outgoing {
  readonly bytes: Uint8Array;
  readonly to?: SocketAddress | undefined;
  readonly ancillary?: Ancillary | undefined;
}

/** What is asked for. */
export interface Request {
  readonly into: Uint8Array;
  readonly peek?: boolean;
}

/** What was received. */
export interface Received {
  /** Bytes put into the buffer. */
  readonly count: number;
  /** Length of the whole message, more than `count` when it was cut. */
  readonly length: number;
  readonly from?: SocketAddress | undefined;
  readonly files: readonly OpenFile[];
  readonly credentials?: PeerCredentials | undefined;
  /** The message has an end (SOCK_SEQPACKET). */
  readonly endOfRecord?: boolean;
}

/** Options that are kept, whether or not they change anything. */
export interface SocketOptions {
  reuseAddress: boolean;
  reusePort: boolean;
  keepAlive: boolean;
  broadcast: boolean;
  passCredentials: boolean;
  v6Only: boolean;
  linger: number | undefined;
  sendBuffer: number;
  receiveBuffer: number;
  /** Nanoseconds; 0 is for ever. */
  sendTimeout: number;
  receiveTimeout: number;
  receiveLowWater: number;
  /** Numbers of other options, by level and name. */
  readonly other: Map<number, number>;
}

const FIONREAD = 0x541b;
const outputQueue = 0x5411;
const defaultBuffer = 212992;

export function credentialsOf(process: Process): PeerCredentials {
  const { euid, egid } = process.credentials;
  return { pid: process.pid, uid: euid, gid: egid };
}

export abstract class Socket extends OpenFile {
  readonly kernel: Kernel;
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  /** Reported once by SO_ERROR or the next operation. */
  error: Errno | undefined;
  readonly options: SocketOptions = {
    reuseAddress: false,
    reusePort: false,
    keepAlive: false,
    broadcast: false,
    passCredentials: false,
    v6Only: false,
    linger: undefined,
    sendBuffer: defaultBuffer,
    receiveBuffer: defaultBuffer,
    sendTimeout: 0,
    receiveTimeout: 0,
    receiveLowWater: 1,
    other: new Map(),
  };
  private readonly inode = anonymousInode();
  private readonly uid: number;

  constructor(process: Process, family: number, type: number, protocol: number, flags = 0) {
    super(Open.readWrite | flags);
    this.kernel = process.kernel;
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.uid = process.credentials.fsuid;
  }

  get description(): string {
    return `socket:[${this.inode}]`;
  }
  attributes(): Attributes {
    return { ...anonymousAttributes(this.inode, Type.socket | 0o777, 8), uid: this.uid };
  }
  override get stream(): boolean {
    return this.type === SocketType.stream;
  }

  /** The pending error, once. */
  protected throwError(): void {
    const { error } = this;
    if (!error) return;
    this.error = undefined;
    throw error;
  }

  abstract bind(address: SocketAddress, process: Process): void;
  /** Connects. Throws EINPROGRESS when it takes time (`connecting` until then), EAGAIN when the other side is busy. */
  abstract connect(address: SocketAddress, process: Process): void;
  get connecting(): boolean {
    return false;
  }
  listen(_backlog: number, _process: Process): void {
    throw EOPNOTSUPP;
  }
  get listening(): boolean {
    return false;
  }
  /** Takes a connection. Throws EAGAIN. */
  accept(_flags: number, _process: Process): Socket {
    throw EOPNOTSUPP;
  }
  abstract name(): SocketAddress;
  /** Throws ENOTCONN. */
  abstract peer(): SocketAddress;
  get peerCredentials(): PeerCredentials | undefined {
    return undefined;
  }
  /** Ends reading (0), writing (1) or both (2). */
  abstract shutdown(how: number): void;
  /** Sends; may take less than all of a stream's bytes. Throws EAGAIN. */
  abstract send(message: Outgoing): number;
  /** Receives. Throws EAGAIN. */
  abstract receive(request: Request): Received;
  /** Bytes that a read would give. */
  abstract get available(): number;

  override read(into: Uint8Array): number {
    const received = this.receive({ into });
    for (const file of received.files) file.release();
    return received.count;
  }
  override write(from: Uint8Array): number {
    return this.send({ bytes: from });
  }
  override ioctl(task: Task, request: number, argument: number): number {
    if (request !== FIONREAD && request !== outputQueue) throw ENOTTY;
    task.process.memory.guest.writeU32(argument, request === FIONREAD ? this.available : 0);
    return 0;
  }
}

/** Throws EINVAL when the address is not of the family. */
export function needFamily<F extends SocketAddress["family"]>(
  address: SocketAddress,
  family: F,
  error: Errno = EINVAL,
): Extract<SocketAddress, { family: F }> {
  if (address.family !== family) throw error;
  return address as Extract<SocketAddress, { family: F }>;
}
