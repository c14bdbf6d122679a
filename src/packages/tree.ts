// The merge of package trees into one root: paths that lead through links of the root end where the links lead, never outside.

import { entryAt, MemoryEntry, type ArchiveEntry } from "./archive.ts";
import { lateLinks } from "./skeleton.ts";

/** As path_resolution(7) allows. */
const linkLimit = 40;

interface Node {
  entry: ArchiveEntry;
  /** The package it belongs to; undefined for the skeleton and for directories that were only implied. */
  owner: string | undefined;
}

export interface TreeOptions {
  /** Whether a file of `owner` takes the place of one of `other` by its Replaces field. */
  replaces(owner: string, other: string): boolean;
  warn(message: string): void;
}

/** A root under construction. Paths are as in ArchiveEntry. */
export class RootTree {
  readonly #nodes = new Map<string, Node>();
  /** Directories as spelled -> where they really are; kept while no link is added. */
  readonly #directories = new Map<string, string | undefined>();
  readonly #options: TreeOptions;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  /** All entries; parents stand before children. */
  entries(): ArchiveEntry[] {
    return [...this.#nodes.values()].map(({ entry }) => entry);
  }

  /** The node at a path; the links before its last name are followed, and the last one too when `follow` is set. */
  find(path: string, options: { follow?: boolean } = {}): ArchiveEntry | undefined {
    const real = this.#resolve(path, options.follow ?? false, 0);
    return real === undefined ? undefined : this.#nodes.get(real)?.entry;
  }

  owner(path: string): string | undefined {
    const real = this.#resolve(path, false, 0);
    return real === undefined ? undefined : this.#nodes.get(real)?.owner;
  }

  /** Puts an entry in place. A link on the way is followed as dpkg follows it when it unpacks onto a file system. */
  add(entry: ArchiveEntry, owner: string | undefined): void {
    const path =
      lateLinks.has(entry.path) && entry.type === "directory" ? this.#directory(entry.path) : this.#place(entry.path);
    if (path === undefined) {
      this.#options.warn(`${owner ?? "root"}: /${entry.path} cannot be placed: a part of its path is no directory`);
      return;
    }
    const before = this.#nodes.get(path);
    if (before && !this.#mayReplace(before, entry, owner, path)) return;
    const target = entry.type === "hardlink" ? this.#resolve(entry.linkTarget ?? "", false, 0) : undefined;
    this.#nodes.set(path, { entry: entryAt(entry, path, target ?? entry.linkTarget), owner });
    if (entry.type === "symlink") this.#directories.clear();
  }

  #mayReplace(before: Node, entry: ArchiveEntry, owner: string | undefined, path: string): boolean {
    if (entry.type === "directory") {
      // dpkg keeps a directory, or a link to one, that is there; only the skeleton's own metadata gives way.
      return before.entry.type === "directory" && before.owner === undefined;
    }
    if (before.entry.type === "directory") {
      if (entry.type === "symlink" && this.find(path, { follow: true }) !== undefined) return false;
      this.#options.warn(`${owner ?? "root"}: /${path} is a directory of ${before.owner ?? "the root"} and stays one`);
      return false;
    }
    if (before.owner === undefined || owner === undefined || before.owner === owner) return true;
    if (this.#options.replaces(before.owner, owner)) return false;
    if (!this.#options.replaces(owner, before.owner)) {
      this.#options.warn(`${owner} and ${before.owner} both have /${path}; ${owner}'s is used`);
    }
    return true;
  }

  /** Where an entry of this path goes: its parent resolved and made when missing. */
  #place(path: string): string | undefined {
    if (path === "") return "";
    const slash = path.lastIndexOf("/");
    if (slash < 0) return path;
    const parent = this.#directory(path.slice(0, slash));
    if (parent === undefined) return undefined;
    return parent === "" ? path.slice(slash + 1) : `${parent}/${path.slice(slash + 1)}`;
  }

  /** The real path of a directory, made when it is not there; undefined when a file is in the way. */
  #directory(path: string): string | undefined {
    if (path === "") return "";
    if (this.#directories.has(path)) return this.#directories.get(path);
    const placed = this.#place(path);
    let real = placed;
    if (placed !== undefined) {
      const node = this.#nodes.get(placed);
      if (!node && lateLinks.has(placed)) {
        this.add(new MemoryEntry(placed, "symlink", 0o777, { linkTarget: `usr/${placed}` }), undefined);
        real = this.#directory(`usr/${placed}`);
      } else if (!node) {
        this.#nodes.set(placed, { entry: new MemoryEntry(placed, "directory", 0o755), owner: undefined });
      } else if (node.entry.type === "symlink") {
        real = this.#linkedDirectory(placed);
      } else if (node.entry.type !== "directory") {
        real = undefined;
      }
    }
    this.#directories.set(path, real);
    return real;
  }

  /** A link that leads to a directory, or to nothing yet: then the directory is made there. */
  #linkedDirectory(path: string): string | undefined {
    const real = this.#resolve(path, true, 0);
    if (real === undefined) return undefined;
    const node = this.#nodes.get(real);
    if (!node) return this.#directory(real);
    return node.entry.type === "directory" ? real : undefined;
  }

  /** Follows links within the root; ".." at the top stays there. Undefined for a loop or a file on the way. */
  #resolve(path: string, followLast: boolean, depth: number): string | undefined {
    if (depth > linkLimit) return undefined;
    const parts: string[] = [];
    const names = path.split("/");
    for (const [i, name] of names.entries()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        parts.pop();
        continue;
      }
      parts.push(name);
      const at = parts.join("/");
      const entry = this.#nodes.get(at)?.entry;
      const isLast = i === names.length - 1;
      if (entry?.type === "symlink" && (!isLast || followLast)) {
        const target = entry.linkTarget!;
        parts.pop();
        const start = target.startsWith("/") ? target : `${parts.join("/")}/${target}`;
        const rest = names.slice(i + 1).join("/");
        return this.#resolve(rest === "" ? start : `${start}/${rest}`, followLast, depth + 1);
      }
      if (entry && entry.type !== "directory" && !isLast) return undefined;
    }
    return parts.join("/");
  }
}
