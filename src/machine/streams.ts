// The ends of a program's standard streams that the API's user holds.

import { CerebroError } from "../base/errors.ts";
import { encodeUtf8, utf8 } from "../base/text.ts";
import type { PipeFile } from "../kernel/pipe.ts";

/** Bytes of unread output that are kept before the program has to wait. */
const mostUnread = 64 << 20;
const chunk = 65536;

/** What a program writes: iterate over it once, or take all of it. */
export class Output implements AsyncIterable<Uint8Array> {
  private readonly parts: Uint8Array[] = [];
  private unread = 0;
  private ended = false;
  private wake: (() => void) | undefined;
  private readonly reader: PipeFile;
  private readonly stop: () => void;

  /** Takes over the reader's reference. */
  constructor(reader: PipeFile) {
    this.reader = reader;
    this.stop = reader.changed.subscribe(() => this.drain());
  }

  private drain(): void {
    const { pipe } = this.reader;
    while (pipe.count > 0 && this.unread < mostUnread) {
      const bytes = new Uint8Array(Math.min(pipe.count, chunk));
      const count = pipe.read(bytes);
      this.parts.push(bytes.subarray(0, count));
      this.unread += count;
    }
    if (pipe.writers === 0 && pipe.count === 0) this.finish();
    this.wake?.();
  }

  private finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.stop();
    this.reader.release();
  }

  /** Reads no more: the program gets EPIPE. */
  cancel(): void {
    this.parts.length = 0;
    this.finish();
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const part = this.parts.shift();
        if (part) {
          this.unread -= part.length;
          if (!this.ended) this.drain();
          yield part;
        } else if (this.ended) return;
        else await new Promise<void>((resolve) => (this.wake = resolve));
      }
    } finally {
      this.cancel();
    }
  }

  /** Everything, when the program has closed the stream. */
  async bytes(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this) parts.push(part);
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** Everything as UTF-8 text. */
  async text(): Promise<string> {
    return utf8(await this.bytes());
  }
}

/** What a program reads. */
export class Input {
  private readonly writer: PipeFile;
  private open = true;

  /** Takes over the writer's reference. */
  constructor(writer: PipeFile) {
    this.writer = writer;
  }

  /** Resolves when the program's pipe has taken all of it. Rejects when nobody reads any more. */
  async write(data: string | Uint8Array): Promise<void> {
    let rest = typeof data === "string" ? encodeUtf8(data) : data;
    const { pipe } = this.writer;
    while (rest.length > 0) {
      if (!this.open) throw new CerebroError("usage", "stdin was ended");
      if (pipe.readers === 0) throw new CerebroError("host", "the program does not read its stdin any more");
      rest = rest.subarray(pipe.write(rest));
      if (rest.length > 0)
        await new Promise<void>((resolve) => {
          const stop = pipe.changed.subscribe(() => {
            stop();
            resolve();
          });
        });
    }
  }

  /** The program finds the end of the file. */
  end(): void {
    if (!this.open) return;
    this.open = false;
    this.writer.release();
  }

  /** Writes everything, then ends. A program that stops reading is no error here. */
  feed(source: string | Uint8Array | AsyncIterable<Uint8Array | string>): void {
    const all = async () => {
      if (typeof source === "string" || source instanceof Uint8Array) await this.write(source);
      else for await (const part of source) await this.write(part);
    };
    const end = () => this.end();
    void all().then(end, end);
  }
}
