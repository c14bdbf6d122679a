// Where packages come from: the interface of all sources, and the source that holds files named by the user.

import { parseRelations, type Relation } from "../formats/debrelation.ts";
import { versionSatisfies } from "../formats/debversion.ts";
import type { Stanza } from "../formats/debcontrol.ts";
import type { PackageStore, StoredPackage } from "./store.ts";

/** Told while something is downloaded or unpacked: for a progress bar. */
export interface Progress {
  (event: { name: string; activity: "download" | "unpack" | "index"; bytes: number; total: number | undefined }): void;
}

/** A package that a source offers. */
export interface Candidate {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly control: Stanza;
  /** As in apt_preferences(5): 500 usually, 100 and 1 for archives that ask not to be used by default. */
  readonly priority: number;
  /** What the source is called in messages. */
  readonly origin: string;
  /** Fetches, verifies and unpacks it. */
  load(progress: Progress): Promise<StoredPackage>;
}

/** Something that offers packages. Asked lazily: a source that is not needed is not opened. */
export interface PackageSource {
  readonly origin: string;
  /** All versions of a package, for any architecture. */
  named(name: string): Promise<readonly Candidate[]>;
  /** Packages whose Provides names it. */
  providing(name: string): Promise<readonly Candidate[]>;
}

/** A source, with a text that changes when its answers may change. */
export interface ConfiguredSource {
  source: PackageSource;
  identity: string;
}

const provided = new WeakMap<Stanza, Relation[]>();

/** The names and versions that a package provides (Policy 7.5). */
export function providesOf(control: Stanza): Relation[] {
  let relations = provided.get(control);
  if (!relations) {
    relations = parseRelations(control.get("Provides") ?? "").map(([relation]) => relation!);
    provided.set(control, relations);
  }
  return relations;
}

/**
 * Whether a package is what a relation asks for: by its own name and version, or by something it provides. An unversioned
 * Provides satisfies only an unversioned relation.
 */
export function satisfies(candidate: { name: string; version: string; control: Stanza }, relation: Relation): boolean {
  const holds = (version: string | undefined) =>
    relation.relation === undefined ||
    (version !== undefined && versionSatisfies(version, relation.relation, relation.version!));
  if (candidate.name === relation.name) return holds(candidate.version);
  return providesOf(candidate.control).some(({ name, version }) => name === relation.name && holds(version));
}

/** A candidate that is unpacked already. */
export function storedCandidate(stored: StoredPackage, origin: string): Candidate {
  const { name, version, architecture, control } = stored;
  return { name, version, architecture, control, priority: 1000, origin, load: async () => stored };
}

/** The .deb files that the user named: the first source to be asked. */
export class FileSource implements PackageSource {
  readonly origin = "given files";
  readonly #candidates: Candidate[];
  constructor(packages: readonly StoredPackage[]) {
    this.#candidates = packages.map((stored) => storedCandidate(stored, this.origin));
  }
  async named(name: string): Promise<Candidate[]> {
    return this.#candidates.filter((candidate) => candidate.name === name);
  }
  async providing(name: string): Promise<Candidate[]> {
    return this.#candidates.filter(({ control }) => providesOf(control).some((provided) => provided.name === name));
  }
}

/** A candidate whose .deb is got by `fetch` when it is not in the store. */
export function fetchedCandidate(
  store: PackageStore,
  control: Stanza,
  options: { origin: string; priority: number; sha256: string; fetch(progress: Progress): Promise<Uint8Array> },
): Candidate {
  const name = control.need("Package", options.origin);
  return {
    name,
    version: control.need("Version", options.origin),
    architecture: control.need("Architecture", options.origin),
    control,
    priority: options.priority,
    origin: options.origin,
    async load(progress) {
      const known = store.get(options.sha256);
      if (known) return known;
      const bytes = await options.fetch(progress);
      progress({ name, activity: "unpack", bytes: 0, total: bytes.length });
      return store.put(bytes, options.sha256);
    },
  };
}
