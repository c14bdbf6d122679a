// One direction of a connection: bytes or messages on their way, with the files that travel along.

import { buffersExhausted, countBuffered } from "../buffers.ts";
import { EAGAIN } from "../errno.ts";
import type { OpenFile } from "../file.ts";
import type { Ancillary, PeerCredentials, Received, Request, SocketAddress } from "./socket.ts";

interface Segment {
  /** Bytes from `offset` to `end`; the rest of the buffer is room for more. */
  readonly bytes: Uint8Array;
  offset: number;
  end: number;
  files: readonly OpenFile[];
  readonly credentials: PeerCredentials | undefined;
  readonly from: SocketAddress | undefined;
}

const noFiles: readonly OpenFile[] = [];
/** Least room of a stream's segment, so that many small writes do not make many objects. */
const smallest = 1024;

export class Channel {
  readonly capacity: number;
  /** Bytes waiting. */
  count = 0;
  /** No more will come. */
  ended = false;
  /** Nobody will read. */
  abandoned = false;
  private segments: Segment[] = [];

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get space(): number {
    return this.count > 0 && buffersExhausted() ? 0 : this.capacity - this.count;
  }
  get empty(): boolean {
    return this.segments.length === 0;
  }
  get messages(): number {
    return this.segments.length;
  }
  /** Length of the first message. */
  get next(): number {
    const [first] = this.segments;
    return first ? first.end - first.offset : 0;
  }

  /** Adds bytes (copied) to a stream. */
  put(bytes: Uint8Array, ancillary?: Ancillary): void {
    const { files = noFiles, credentials } = ancillary ?? {};
    this.count += bytes.length;
    const last = this.segments.at(-1);
    const room = last ? last.bytes.length - last.end : 0;
    if (
      last &&
      room >= bytes.length &&
      files.length === 0 &&
      last.files.length === 0 &&
      !credentials &&
      !last.credentials
    ) {
      last.bytes.set(bytes, last.end);
      last.end += bytes.length;
      return;
    }
    const buffer = new Uint8Array(Math.max(bytes.length, smallest));
    buffer.set(bytes);
    countBuffered(buffer.length);
    this.segments.push({ bytes: buffer, offset: 0, end: bytes.length, files, credentials, from: undefined });
  }

  /** Adds a message (copied). */
  putMessage(bytes: Uint8Array, ancillary?: Ancillary, from?: SocketAddress): void {
    const { files = noFiles, credentials } = ancillary ?? {};
    this.segments.push({ bytes: bytes.slice(), offset: 0, end: bytes.length, files, credentials, from });
    countBuffered(bytes.length);
    this.count += bytes.length;
  }

  /** Reads as a stream: across segments, but not across such as bring files or another sender. */
  readBytes({ into, peek }: Request): Received {
    let done = 0;
    let files = noFiles;
    let credentials: PeerCredentials | undefined;
    for (let i = 0; i < this.segments.length && done < into.length;) {
      const segment = this.segments[i]!;
      if (i > 0 || done > 0) {
        const sameSender =
          segment.credentials?.pid === credentials?.pid && segment.credentials?.uid === credentials?.uid;
        if (segment.files.length > 0 || files.length > 0 || !sameSender) break;
      }
      credentials = segment.credentials;
      if (segment.files.length > 0) files = peek ? segment.files.map((file) => file.retain()) : segment.files;
      const part = segment.bytes.subarray(segment.offset, Math.min(segment.end, segment.offset + into.length - done));
      into.set(part, done);
      done += part.length;
      if (peek) {
        i++;
        continue;
      }
      segment.files = noFiles;
      segment.offset += part.length;
      this.count -= part.length;
      if (segment.offset < segment.end) break;
      this.segments.shift();
      countBuffered(-segment.bytes.length);
    }
    return { count: done, length: done, files, credentials };
  }

  /** Reads one message; what does not fit is lost. Throws EAGAIN. */
  readMessage({ into, peek }: Request): Received {
    const [first] = this.segments;
    if (!first) throw EAGAIN;
    const part = first.bytes.subarray(0, into.length);
    into.set(part);
    const files = peek ? first.files.map((file) => file.retain()) : first.files;
    if (!peek) {
      this.segments.shift();
      countBuffered(-first.bytes.length);
      this.count -= first.bytes.length;
    }
    return { count: part.length, length: first.bytes.length, files, credentials: first.credentials, from: first.from };
  }

  /** Forgets what waits, with its files. */
  drop(): void {
    for (const { files, bytes } of this.segments) {
      countBuffered(-bytes.length);
      for (const file of files) file.release();
    }
    this.segments = [];
    this.count = 0;
  }
}
