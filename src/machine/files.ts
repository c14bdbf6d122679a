// The machine's files from outside: read, write and list them with the rights of root.

import { CerebroError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import { Errno } from "../kernel/errno.ts";
import { Open, type OpenFile } from "../kernel/file.ts";
import type { Process } from "../kernel/process.ts";
import { openAt } from "../kernel/vfs/open.ts";
import { changeMode, makeDirectory, targetOf, unlink } from "../kernel/vfs/operations.ts";
import { Type } from "../kernel/vfs/vnode.ts";
import { walk } from "../kernel/vfs/walk.ts";

/** What `stat` tells. */
export interface FileInfo {
  readonly type: "file" | "directory" | "link" | "other";
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

const piece = 1 << 16;

/** Writes all of it, however little goes at a time. */
export function writeAll(file: OpenFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    const count = file.write(bytes.subarray(at, at + (1 << 20)));
    if (count === 0) throw new CerebroError("internal", "a file takes no more bytes and does not say why");
    at += count;
  }
}

export class GuestFiles {
  private readonly process: Process;

  /** `process` lends its root directory and its rights. */
  constructor(process: Process) {
    this.process = process;
  }

  /** Turns a failure of the file system into one of the API. */
  private attempt<T>(path: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof Errno)) throw error;
      const code = error.name === "ENOENT" ? "not-found" : error.name === "ENOSPC" ? "limit" : "denied";
      throw new CerebroError(code, `${path}: ${error.message} (${error.name})`, { cause: error });
    }
  }

  private open<T>(path: string, flags: number, mode: number, use: (file: OpenFile) => T): T {
    return this.attempt(path, () => {
      const file = openAt(this.process, this.process.fs.root, path, flags, mode);
      try {
        return use(file);
      } finally {
        file.release();
      }
    });
  }

  /** The bytes of a regular file. */
  read(path: string): Uint8Array {
    return this.open(path, Open.readOnly | Open.nonBlock, 0, (file) => {
      const parts: Uint8Array[] = [];
      let size = 0;
      for (;;) {
        const part = new Uint8Array(Math.max(piece, file.attributes().size - size));
        const count = file.read(part);
        if (count === 0) break;
        parts.push(part.subarray(0, count));
        size += count;
      }
      const whole = new Uint8Array(size);
      let at = 0;
      for (const part of parts) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    });
  }

  /** Makes or replaces a file. Directories on the way are made. */
  write(path: string, content: string | Uint8Array, options: { mode?: number } = {}): void {
    const bytes = typeof content === "string" ? encodeUtf8(content) : content;
    const above = path.slice(0, path.lastIndexOf("/"));
    if (above !== "") this.makeDirectory(above);
    const flags = Open.writeOnly | Open.create | Open.truncate;
    this.open(path, flags, options.mode ?? 0o644, (file) => writeAll(file, bytes));
    if (options.mode === undefined) return;
    const target = targetOf(walk(this.process, this.process.fs.root, path));
    this.attempt(path, () => changeMode(this.process, target, options.mode!));
  }

  /** Makes a directory and those above it; one that is there is fine. */
  makeDirectory(path: string, mode = 0o755): void {
    let at = "";
    for (const name of path.split("/")) {
      if (name === "") continue;
      at += `/${name}`;
      if (this.stat(at)?.type === "directory") continue;
      this.attempt(at, () => makeDirectory(this.process, this.process.fs.root, at, mode));
    }
  }

  /** Names in a directory, sorted. */
  list(path: string): string[] {
    return this.attempt(path, () => {
      const { vnode } = walk(this.process, this.process.fs.root, path);
      return Array.from(vnode.list(this.process), ({ name }) => name).sort();
    });
  }

  /** Where a symbolic link leads. */
  readLink(path: string): string {
    return this.attempt(path, () =>
      walk(this.process, this.process.fs.root, path, "never").vnode.readlink(this.process),
    );
  }

  remove(path: string): void {
    this.attempt(path, () => unlink(this.process, this.process.fs.root, path));
  }

  /** Undefined when there is no such file. Follows links unless told not to. */
  stat(path: string, options: { follow?: boolean } = {}): FileInfo | undefined {
    try {
      const follow = (options.follow ?? true) ? "always" : "never";
      const { mode, uid, gid, size, modified } = walk(
        this.process,
        this.process.fs.root,
        path,
        follow,
      ).vnode.attributes();
      const type = mode & Type.mask;
      const kinds = { [Type.regular]: "file", [Type.directory]: "directory", [Type.link]: "link" } as const;
      return {
        type: kinds[type as keyof typeof kinds] ?? "other",
        mode: mode & 0o7777,
        uid,
        gid,
        size,
        modified: Number(modified / 1_000_000n),
      };
    } catch (error) {
      if (error instanceof Errno) return undefined;
      throw error;
    }
  }
}
