// The root image: the trees of all packages merged, with what Debian's installation would have added to them.

import { relationsOf } from "./resolve.ts";
import { encodeUtf8 } from "../base/text.ts";
import { confinedPath, entryAt, MemoryEntry, type ArchiveEntry } from "./archive.ts";
import { alternativeEntries, databaseEntries, type AlternativeGroup } from "./database.ts";
import { alternativesOf, diversionsOf, type Diversion } from "./maintainer.ts";
import { defaultFiles, skeleton } from "./skeleton.ts";
import { satisfies } from "./source.ts";
import type { StoredPackage } from "./store.ts";
import { RootTree } from "./tree.ts";

/** A root file system, ready to be mounted read-only under a writable layer. */
export interface RootImage {
  readonly architecture: string;
  /** In the order of dependencies. */
  readonly packages: readonly StoredPackage[];
  /** Parents stand before children. No two have one path. */
  readonly entries: readonly ArchiveEntry[];
  readonly warnings: readonly string[];
  /** The entry at a path, with or without following a link at its end. */
  find(path: string, options?: { follow?: boolean }): ArchiveEntry | undefined;
  /** The package that has the file. */
  owner(path: string): string | undefined;
}

/** Merges packages, given in the order of dependencies, into a root. */
export function buildImage(packages: readonly StoredPackage[], architecture: string): RootImage {
  const warnings = packages.flatMap((stored) => stored.warnings);
  const byName = new Map(packages.map((stored) => [stored.name, stored]));
  const tree = new RootTree({
    replaces(owner, other) {
      const [one, two] = [byName.get(owner), byName.get(other)];
      if (!one || !two) return false;
      return relationsOf(one.control, "Replaces", architecture).some(([relation]) => satisfies(two, relation!));
    },
    warn: (message) => warnings.push(message),
  });
  for (const entry of skeleton()) tree.add(entry, undefined);
  const diversions = packages.flatMap(diversionsOf);
  for (const stored of packages) {
    for (const entry of stored.entries) tree.add(diverted(entry, stored.name, diversions), stored.name);
  }
  addDefaults(tree);
  for (const group of alternativeGroups(packages, tree)) {
    for (const entry of alternativeEntries(group)) {
      // A real file at the link's place is left alone, as update-alternatives leaves it.
      const before = tree.find(entry.path);
      if (!before || before.type === "symlink") tree.add(entry, undefined);
      else warnings.push(`alternative ${group.name}: /${entry.path} is a file and stays one`);
    }
  }
  for (const entry of databaseEntries(packages, architecture, diversions)) tree.add(entry, undefined);
  return {
    architecture,
    packages,
    entries: tree.entries(),
    warnings,
    find: (path, options) => tree.find(path, options),
    owner: (path) => tree.owner(path),
  };
}

/** A file of another package at a diverted path goes to the diversion's target. */
function diverted(entry: ArchiveEntry, owner: string, diversions: readonly Diversion[]): ArchiveEntry {
  const diversion = diversions.find(({ package: by, from }) => by !== owner && from === `/${entry.path}`);
  return diversion ? entryAt(entry, confinedPath(diversion.to, `diversion of ${diversion.package}`)) : entry;
}

function addDefaults(tree: RootTree): void {
  const hasBash = tree.find("usr/bin/bash") !== undefined;
  for (const { path, text, mode, from } of defaultFiles(hasBash)) {
    if (tree.find(path)) continue;
    const master = from ? tree.find(from, { follow: true }) : undefined;
    const bytes = master?.type === "file" ? master.content() : encodeUtf8(text);
    tree.add(new MemoryEntry(path, "file", mode ?? 0o644, { bytes }), undefined);
  }
}

/** The alternatives whose files are there, each with the best choice first. */
function alternativeGroups(packages: readonly StoredPackage[], tree: RootTree): AlternativeGroup[] {
  const groups = new Map<string, AlternativeGroup>();
  for (const alternative of packages.flatMap(alternativesOf)) {
    if (!tree.find(alternative.path, { follow: true })) continue;
    const slaves = alternative.slaves.filter(({ path }) => tree.find(path, { follow: true }));
    const group = groups.get(alternative.name) ?? { name: alternative.name, link: alternative.link, choices: [] };
    group.choices.push({ ...alternative, slaves });
    groups.set(alternative.name, group);
  }
  for (const { choices } of groups.values()) choices.sort((a, b) => b.priority - a.priority);
  return [...groups.values()];
}
