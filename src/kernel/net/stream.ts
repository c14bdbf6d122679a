// Connections: what SOCK_STREAM and SOCK_SEQPACKET sockets of the Unix and Internet families do alike.

import { EAGAIN, ECONNRESET, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EPIPE, type Errno } from "../errno.ts";
import { Poll } from "../file.ts";
import type { Process } from "../process.ts";
import { Channel } from "./channel.ts";
import {
  credentialsOf,
  Family,
  type Outgoing,
  type PeerCredentials,
  type Received,
  type Request,
  Socket,
  SocketType,
} from "./socket.ts";

/** Messages that wait at most, however short. */
const mostMessages = 4096;

type State = "new" | "connecting" | "listening" | "connected" | "closed";

export abstract class StreamSocket extends Socket {
  protected state: State = "new";
  /** The other end, while it is there. */
  protected other: StreamSocket | undefined;
  protected incoming: Channel | undefined;
  protected outgoing: Channel | undefined;
  protected identity: PeerCredentials;
  private otherOwner: PeerCredentials | undefined;
  private readShut = false;
  private writeShut = false;
  /** Connections that nobody has accepted yet. */
  protected waiting: StreamSocket[] = [];
  private mostWaiting = 0;

  constructor(process: Process, family: number, type: number, protocol: number, flags: number) {
    super(process, family, type, protocol, flags);
    this.identity = credentialsOf(process);
  }

  private get bounded(): boolean {
    return this.type === SocketType.seqpacket;
  }
  override get connecting(): boolean {
    return this.state === "connecting";
  }
  override get listening(): boolean {
    return this.state === "listening";
  }
  override get peerCredentials(): PeerCredentials | undefined {
    return this.otherOwner;
  }
  get connected(): boolean {
    return this.state === "connected";
  }

  /** Joins two ends. */
  join(other: StreamSocket): void {
    const here = new Channel(this.options.receiveBuffer);
    const there = new Channel(other.options.receiveBuffer);
    this.attach(other, here, there);
    other.attach(this, there, here);
  }

  private attach(other: StreamSocket, incoming: Channel, outgoing: Channel): void {
    this.state = "connected";
    this.other = other;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.otherOwner = other.identity;
    this.changed.wake();
  }

  /** Begins to listen; the family has checked the name. */
  protected startListening(backlog: number, process: Process): void {
    if (this.state !== "new" && this.state !== "listening") throw EINVAL;
    this.state = "listening";
    this.identity = credentialsOf(process);
    this.mostWaiting = Math.max(1, Math.min(backlog < 0 ? 4096 : backlog + 1, 4097));
  }
  get isFull(): boolean {
    return this.waiting.length >= this.mostWaiting;
  }

  /** A connection comes in: `server` is its end on this side. */
  protected arrive(server: StreamSocket): void {
    this.waiting.push(server);
    this.changed.wake();
  }

  protected takeWaiting(): StreamSocket {
    if (this.state !== "listening") throw EINVAL;
    const connection = this.waiting.shift();
    if (!connection) throw EAGAIN;
    this.changed.wake();
    return connection;
  }

  /** Error of using a socket without a connection. */
  protected get notConnected(): Errno {
    return ENOTCONN;
  }

  protected needUnconnected(): void {
    if (this.state === "connected" || this.state === "closed") throw EISCONN;
    if (this.state === "listening") throw EINVAL;
  }

  send({ bytes, ancillary }: Outgoing): number {
    // A reset is told to readers of Unix sockets, writers just find the pipe broken; TCP tells whoever comes first.
    if (this.family !== Family.unix) this.throwError();
    const { outgoing, other } = this;
    if (!outgoing) throw this.state === "closed" || this.writeShut ? EPIPE : this.notConnected;
    if (this.writeShut || outgoing.abandoned) throw EPIPE;
    if (bytes.length === 0 && !this.bounded) return 0;
    if (this.bounded) {
      if (bytes.length > outgoing.capacity) throw EMSGSIZE;
      if (outgoing.messages >= mostMessages || (!outgoing.empty && outgoing.space < bytes.length)) throw EAGAIN;
    } else if (outgoing.space <= 0) throw EAGAIN;
    const part = this.bounded || bytes.length <= outgoing.space ? bytes : bytes.subarray(0, outgoing.space);
    if (this.bounded) outgoing.putMessage(part, ancillary);
    else outgoing.put(part, ancillary);
    other?.changed.wake();
    return part.length;
  }

  receive(request: Request): Received {
    const { incoming, other } = this;
    if (!incoming) {
      this.throwError();
      throw this.notConnected;
    }
    if (incoming.empty) {
      this.throwError();
      if (incoming.ended || this.readShut || (request.into.length === 0 && !this.bounded))
        return { count: 0, length: 0, files: [] };
      throw EAGAIN;
    }
    const received = this.bounded
      ? { ...incoming.readMessage(request), endOfRecord: true }
      : incoming.readBytes(request);
    if (!request.peek) other?.changed.wake();
    return received;
  }

  get available(): number {
    return this.bounded ? (this.incoming?.next ?? 0) : (this.incoming?.count ?? 0);
  }

  override poll(): number {
    const error = this.error ? Poll.err : 0;
    switch (this.state) {
      case "listening":
        return error | (this.waiting.length > 0 ? Poll.in : 0);
      case "connecting":
        return error;
      case "connected": {
        const { incoming, outgoing } = this;
        const ended = incoming!.ended || this.readShut;
        const gone = this.writeShut || outgoing!.abandoned;
        let bits = error;
        if (!incoming!.empty || ended || error !== 0) bits |= Poll.in;
        if (ended) bits |= Poll.rdhup;
        if (ended && gone) bits |= Poll.hup;
        if (gone || outgoing!.space * 3 > outgoing!.capacity) bits |= Poll.out;
        return bits;
      }
      default:
        return error | Poll.out | Poll.hup | (error !== 0 ? Poll.in : 0);
    }
  }

  shutdown(how: number): void {
    if (this.state === "listening") {
      this.shutListener();
      return;
    }
    if (this.state !== "connected") throw ENOTCONN;
    if (how !== 1) {
      this.readShut = true;
      this.incoming!.abandoned = true;
    }
    if (how !== 0) {
      this.writeShut = true;
      this.outgoing!.ended = true;
    }
    this.changed.wake();
    this.other?.changed.wake();
  }

  /** A listening socket ends: who waits is turned away. */
  protected shutListener(): void {
    for (const connection of this.waiting.splice(0)) {
      connection.other?.reset(ECONNRESET);
      connection.release();
    }
    this.state = "closed";
    this.changed.wake();
  }

  /** The connection fails. */
  protected reset(error: Errno): void {
    this.error = error;
    if (this.incoming) this.incoming.ended = true;
    if (this.outgoing) this.outgoing.abandoned = true;
    this.changed.wake();
  }

  protected override closed(): void {
    const { other, incoming, outgoing } = this;
    if (this.state === "listening") this.shutListener();
    this.state = "closed";
    this.other = undefined;
    if (!incoming || !outgoing) return;
    // Data that was never read makes an end a failure (tcp(7), unix(7)).
    const unread = !incoming.empty;
    incoming.drop();
    incoming.abandoned = true;
    outgoing.ended = true;
    if (!other) return;
    other.other = undefined;
    if (unread) other.reset(ECONNRESET);
    other.changed.wake();
  }
}
