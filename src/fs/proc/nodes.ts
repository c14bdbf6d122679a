// The kinds of nodes that /proc and /sys are made of: directories computed when looked at, texts made when opened, links.

import { EACCES, EINVAL, EIO, ENOTDIR } from "../../kernel/errno.ts";
import { OpenFile } from "../../kernel/file.ts";
import type { Process } from "../../kernel/process.ts";
import { DirectoryFile } from "../../kernel/vfs/directory.ts";
import { encodeName } from "../../kernel/vfs/names.ts";
import { pathName } from "../../kernel/vfs/path.ts";
import { type Attributes, type FileSystem, type ListedName, type Path, Type, Vnode } from "../../kernel/vfs/vnode.ts";

/** What a synthetic file system gives its nodes. */
export interface SyntheticFileSystem extends FileSystem {
  now(): bigint;
}

/** A node's identity: where it is (which makes its inode number) and whose. */
export interface Identity {
  readonly fileSystem: SyntheticFileSystem;
  /** Path in the file system. */
  readonly at: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** A stable number for a place (FNV-1a). */
function inodeOf(at: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < at.length; i++) hash = Math.imul(hash ^ at.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 0x7fffffff || 1;
}

abstract class SyntheticNode extends Vnode {
  readonly fileSystem: SyntheticFileSystem;
  readonly at: string;
  private readonly mode: number;
  private readonly uid: number;
  private readonly gid: number;

  constructor({ fileSystem, at, uid = 0, gid = 0 }: Identity, mode: number) {
    super();
    this.fileSystem = fileSystem;
    this.at = at;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
  }
  override get stable(): boolean {
    return false;
  }
  override get type(): number {
    return this.mode & Type.mask;
  }
  get size(): number {
    return 0;
  }
  attributes(): Attributes {
    const now = this.fileSystem.now();
    return {
      device: this.fileSystem.device,
      inode: inodeOf(this.at),
      mode: this.mode,
      links: this.type === Type.directory ? 2 : 1,
      uid: this.uid,
      gid: this.gid,
      rdev: 0,
      size: this.size,
      blockSize: 1024,
      blocks: 0,
      accessed: now,
      modified: now,
      changed: now,
    };
  }
  override setAttributes(): void {
    throw EACCES;
  }
  /** Opening with O_TRUNC changes nothing. */
  override truncate(): void {}
}

/** What is in a directory: a node for each name, and the names to list. */
export interface Contents {
  find(name: string, process: Process | undefined): Vnode | undefined;
  names(process: Process): Iterable<readonly [name: string, type: number]>;
}

export class Directory extends SyntheticNode {
  private readonly contents: Contents;
  constructor(identity: Identity, contents: Contents, mode = 0o555) {
    super(identity, Type.directory | mode);
    this.contents = contents;
  }
  open(flags: number, path: Path, process: Process): OpenFile {
    return new DirectoryFile(flags, path, process);
  }
  override lookup(name: string): Vnode | undefined {
    return this.contents.find(name, undefined);
  }
  override *list(process: Process): Iterable<ListedName> {
    for (const [name, type] of this.contents.names(process)) yield { name, inode: inodeOf(`${this.at}/${name}`), type };
  }
}

/** A directory with fixed names, each made when looked up. */
export function table(
  identity: Identity,
  entries: Readonly<Record<string, (identity: Identity) => Vnode>>,
  mode?: number,
): Directory {
  const below = (name: string): Identity => ({ ...identity, at: `${identity.at}/${name}` });
  const find = (name: string) => (Object.hasOwn(entries, name) ? entries[name]!(below(name)) : undefined);
  return new Directory(
    identity,
    {
      find,
      *names() {
        for (const name of Object.keys(entries)) yield [name, find(name)!.type];
      },
    },
    mode,
  );
}

/** Text of a file, made when it is opened. */
export type Generate = (reader: Process) => string | Uint8Array;
/** Takes what was written in one call. */
export type Accept = (writer: Process, text: string) => void;

export class TextNode extends SyntheticNode {
  readonly generate: Generate;
  readonly accept: Accept | undefined;
  constructor(identity: Identity, generate: Generate, options: { mode?: number; accept?: Accept } = {}) {
    super(identity, Type.regular | (options.mode ?? (options.accept ? 0o644 : 0o444)));
    this.generate = generate;
    this.accept = options.accept;
  }
  open(flags: number, path: Path, process: Process): OpenFile {
    return new TextFile(this, flags, path, process);
  }
}

/** A row of `table` that is a text. */
export const textNode =
  (generate: Generate, options: { mode?: number; accept?: Accept } = {}) =>
  (identity: Identity): Vnode =>
    new TextNode(identity, generate, options);

class TextFile extends OpenFile {
  override readonly path: Path;
  private readonly node: TextNode;
  private readonly process: Process;
  private bytes: Uint8Array | undefined;

  constructor(node: TextNode, flags: number, path: Path, process: Process) {
    super(flags, path);
    this.node = node;
    this.path = path;
    this.process = process;
  }
  get description(): string {
    let top = this.path;
    while (top.parent) top = top.parent;
    return pathName(this.path, top) ?? this.node.at;
  }
  attributes(): Attributes {
    return this.node.attributes();
  }
  override read(into: Uint8Array, position?: number): number {
    const at = position ?? this.position;
    if (this.bytes === undefined || at === 0) {
      const made = this.node.generate(this.process);
      this.bytes = typeof made === "string" ? encodeName(made) : made;
    }
    const part = this.bytes.subarray(at, at + into.length);
    into.set(part);
    if (position === undefined) this.position = at + part.length;
    return part.length;
  }
  override write(from: Uint8Array): number {
    if (!this.node.accept) throw EIO;
    this.node.accept(this.process, new TextDecoder().decode(from));
    return from.length;
  }
  override seek(offset: number, whence: number): number {
    const to = whence === 0 ? offset : whence === 1 ? this.position + offset : -1;
    if (to < 0) throw EINVAL;
    return (this.position = to);
  }
  override truncate(): void {}
}

/** A link: its text, and where it leads when that is more than text. */
export class LinkNode extends SyntheticNode {
  private readonly text: (reader: Process | undefined) => string;
  private readonly leads: ((reader: Process) => Path | undefined) | undefined;
  constructor(
    identity: Identity,
    text: (reader: Process | undefined) => string,
    leads?: (reader: Process) => Path | undefined,
    mode = 0o777,
  ) {
    super(identity, Type.link | mode);
    this.text = text;
    this.leads = leads;
  }
  open(): OpenFile {
    throw EINVAL;
  }
  override lookup(): Vnode | undefined {
    throw ENOTDIR;
  }
  override readlink(process?: Process): string {
    return this.text(process);
  }
  override follow(process: Process): Path | undefined {
    return this.leads?.(process);
  }
}
