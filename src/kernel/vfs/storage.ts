// The bytes of a file in memory: sparse, in chunks that are made when written, and charged to an account.

/** Who pays for memory that files keep. `takeDisk` throws ENOSPC. */
export interface DiskAccount {
  takeDisk(bytes: number): void;
  giveDisk(bytes: number): void;
}

const shift = 16;
const chunkSize = 1 << shift;
const smallest = 256;

export class Storage {
  size = 0;
  /** Bytes of chunks in use. */
  held = 0;
  /** Chunk i has the bytes from i * chunkSize on; shorter ones and missing ones read as zeros. */
  private readonly chunks = new Map<number, Uint8Array>();
  private readonly account: DiskAccount;

  constructor(account: DiskAccount) {
    this.account = account;
  }

  /** Reads at `position`; 0 at the end. */
  read(into: Uint8Array, position: number): number {
    const length = Math.min(into.length, this.size - position);
    if (length <= 0) return 0;
    for (let done = 0; done < length;) {
      const at = position + done;
      const offset = at % chunkSize;
      const count = Math.min(length - done, chunkSize - offset);
      const chunk = this.chunks.get(Math.floor(at / chunkSize));
      const have = chunk === undefined ? 0 : Math.max(0, Math.min(count, chunk.length - offset));
      if (have > 0) into.set(chunk!.subarray(offset, offset + have), done);
      if (have < count) into.fill(0, done + have, done + count);
      done += count;
    }
    return length;
  }

  /** Writes at `position`, growing the file; less than asked when the account runs dry, ENOSPC when nothing fits. */
  write(from: Uint8Array, position: number): number {
    let done = 0;
    while (done < from.length) {
      const at = position + done;
      const offset = at % chunkSize;
      const count = Math.min(from.length - done, chunkSize - offset);
      let chunk: Uint8Array;
      try {
        chunk = this.chunk(Math.floor(at / chunkSize), offset + count);
      } catch (error) {
        if (done > 0) break;
        throw error;
      }
      chunk.set(done === 0 && count === from.length ? from : from.subarray(done, done + count), offset);
      done += count;
    }
    if (position + done > this.size) this.size = position + done;
    return done;
  }

  /** The chunk, at least `length` long. */
  private chunk(index: number, length: number): Uint8Array {
    const old = this.chunks.get(index);
    if (old !== undefined && old.length >= length) return old;
    let size = old?.length ?? smallest;
    while (size < length) size *= 4;
    if (index > 0 || size > chunkSize) size = chunkSize;
    this.account.takeDisk(size - (old?.length ?? 0));
    this.held += size - (old?.length ?? 0);
    const made = new Uint8Array(size);
    if (old) made.set(old);
    this.chunks.set(index, made);
    return made;
  }

  private drop(index: number): void {
    const chunk = this.chunks.get(index);
    if (!chunk) return;
    this.account.giveDisk(chunk.length);
    this.held -= chunk.length;
    this.chunks.delete(index);
  }

  /** Sets the size; what is cut off reads as zeros when the file grows again. */
  truncate(length: number): void {
    if (length < this.size) {
      const first = Math.ceil(length / chunkSize);
      for (const index of this.chunks.keys()) if (index >= first) this.drop(index);
      if (length % chunkSize !== 0) this.chunks.get(first - 1)?.fill(0, length % chunkSize);
    }
    this.size = length;
  }

  /** Makes the range read as zeros and frees whole chunks of it. */
  punch(offset: number, length: number): void {
    const end = Math.min(offset + length, this.size);
    for (let at = offset; at < end;) {
      const index = Math.floor(at / chunkSize);
      const stop = Math.min(end, (index + 1) * chunkSize);
      if (at % chunkSize === 0 && (stop % chunkSize === 0 || stop === this.size)) this.drop(index);
      else this.chunks.get(index)?.fill(0, at % chunkSize, stop - index * chunkSize);
      at = stop;
    }
  }

  /** Makes the range's chunks, so that later writes cannot fail. */
  reserve(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / chunkSize);
    for (let index = Math.floor(offset / chunkSize); index <= last; index++)
      this.chunk(index, Math.min(chunkSize, offset + length - index * chunkSize));
  }

  /** First offset from `from` on that is data, or a hole; undefined when there is none before the end. */
  seek(from: number, what: "data" | "hole"): number | undefined {
    if (from >= this.size) return undefined;
    const first = Math.floor(from / chunkSize);
    if (what === "hole") {
      let index = first;
      while (this.chunks.has(index)) index++;
      return Math.min(this.size, index === first ? from : index * chunkSize);
    }
    let next = Infinity;
    for (const index of this.chunks.keys()) if (index >= first && index < next) next = index;
    return next === Infinity || next * chunkSize >= this.size ? undefined : Math.max(from, next * chunkSize);
  }

  /** Gives everything back. */
  dispose(): void {
    for (const index of this.chunks.keys()) this.drop(index);
    this.size = 0;
  }
}
