// One suite of an APT-style repository as a source: its signed Release file, its Packages indexes verified against it, and its
// packages verified against those. Source: the Debian repository format, apt-secure(8).

import { CerebroError, FormatError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { decompress } from "../formats/compress.ts";
import { parseStanza, type Stanza } from "../formats/debcontrol.ts";
import type { PackageHost } from "../host/packages.ts";
import { suiteDirectory, type AptEntry } from "./aptsources.ts";
import { PackagesIndex } from "./packagesindex.ts";
import { unverifiedText, verifyDetached, verifyInline, type Keyring } from "./signature.ts";
import { fetchedCandidate, type Candidate, type PackageSource, type Progress } from "./source.ts";
import type { PackageStore } from "./store.ts";

/** The largest Packages file that is unpacked. */
const indexLimit = 512 << 20;
/** In the order of preference: smallest first. */
const extensions = [".xz", ".zst", ".bz2", ".gz", ""];

/** A file that a Release lists. */
export interface ListedFile {
  sha256: string;
  size: number;
}

/** How the files of a repository are reached: over the network, or in APT's lists directory. */
export interface RepositoryFiles {
  /** InRelease, Release or Release.gpg; undefined when there is no such file. */
  metadata(name: string): Promise<Uint8Array | undefined>;
  /**
   * An index, unpacked, by its path without the compression's ending; undefined when it cannot be had. `listed` finds what the
   * Release says of a path. What is given back is verified by the caller against the entry of the unpacked file, when listed.
   */
  index(
    path: string,
    listed: (path: string) => ListedFile | undefined,
    byHash: boolean,
    progress: Progress,
  ): Promise<Uint8Array | undefined>;
  /** A package. */
  download(control: Stanza, progress: Progress): Promise<Uint8Array>;
}

export interface RepositoryOptions {
  entry: AptEntry;
  architecture: string;
  keyrings: readonly Keyring[];
  files: RepositoryFiles;
  /** Whether an expired Release is refused. */
  checkDate: boolean;
}

/** The SHA256 section of a Release file. */
export function releaseFiles(release: Stanza, what: string): Map<string, ListedFile> {
  const files = new Map<string, ListedFile>();
  for (const line of (release.get("SHA256") ?? "").split("\n")) {
    if (line.trim() === "") continue;
    const [, sha256, size, path] = /^\s*([0-9a-f]{64})\s+(\d+)\s+(\S+)\s*$/.exec(line) ?? [];
    if (!sha256) throw new FormatError(`${what}: SHA256 line ${JSON.stringify(line)} is no "hash size path"`);
    files.set(path!, { sha256, size: Number(size) });
  }
  return files;
}

/** Fetches a path below the repository's URI over the network; undefined for what is not there. */
export class NetworkFiles implements RepositoryFiles {
  readonly #host: PackageHost;
  readonly #entry: AptEntry;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(host: PackageHost, entry: AptEntry) {
    this.#host = host;
    this.#entry = entry;
  }

  metadata(name: string): Promise<Uint8Array | undefined> {
    return this.#get(`${suiteDirectory(this.#entry)}${name}`, name, undefined);
  }

  async index(
    path: string,
    listed: (path: string) => ListedFile | undefined,
    byHash: boolean,
    progress: Progress,
  ): Promise<Uint8Array | undefined> {
    for (const extension of extensions) {
      const file = listed(path + extension);
      if (!file) continue;
      const suite = suiteDirectory(this.#entry);
      const directory = `${suite}${path.slice(0, path.lastIndexOf("/") + 1)}`;
      const names = byHash ? [`${directory}by-hash/SHA256/${file.sha256}`] : [];
      let bytes: Uint8Array | undefined;
      for (const name of [...names, suite + path + extension])
        bytes ??= await this.#get(name, "package list", progress);
      if (!bytes) continue;
      verify(this.#host, bytes, file, `${this.#entry.uri}${path}${extension}`);
      return extension === "" ? bytes : decompress(bytes, undefined, indexLimit);
    }
    return undefined;
  }

  async download(control: Stanza, progress: Progress): Promise<Uint8Array> {
    const name = control.need("Filename", "package list");
    const bytes = await this.#get(name, control.need("Package", "package list"), progress);
    if (!bytes) {
      throw new CerebroError("network", `${this.#entry.uri}${name} is not there`, {
        hint: "the package list may be out of date: try --refresh",
      });
    }
    return bytes;
  }

  /** At most four at a time. */
  async #get(path: string, name: string, progress: Progress | undefined): Promise<Uint8Array | undefined> {
    while (this.#running >= 4) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await this.#host.fetch(
        this.#entry.uri + path.split("/").map(encodeURIComponent).join("/"),
        (bytes, total) => progress?.({ name, activity: "download", bytes, total }),
      );
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "ENOENT") return undefined;
      throw new CerebroError("network", (error as Error).message, {
        cause: error,
        hint: "is the network there, and the address right?",
      });
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}

/** Fails unless bytes are what an index says. */
export function verify(host: PackageHost, bytes: Uint8Array, { sha256, size }: ListedFile, what: string): void {
  if (bytes.length !== size)
    throw new CerebroError("signature", `${what} has ${bytes.length} bytes, its index says ${size}`);
  const got = host.sha256(bytes);
  if (got !== sha256) throw new CerebroError("signature", `${what} has SHA-256 ${got}, its index says ${sha256}`);
}

interface Opened {
  indexes: PackagesIndex[];
  priority: number;
}

export class Repository implements PackageSource {
  readonly origin: string;
  readonly #host: PackageHost;
  readonly #store: PackageStore;
  readonly #options: RepositoryOptions;
  readonly #progress: Progress;
  #opened: Promise<Opened> | undefined;

  constructor(host: PackageHost, store: PackageStore, options: RepositoryOptions, progress: Progress) {
    this.origin = `${options.entry.uri} ${options.entry.suite}`;
    this.#host = host;
    this.#store = store;
    this.#options = options;
    this.#progress = progress;
  }

  async named(name: string): Promise<Candidate[]> {
    return this.#candidates((index) => index.named(name));
  }

  async providing(name: string): Promise<Candidate[]> {
    return this.#candidates((index) => index.providing(name));
  }

  async #candidates(find: (index: PackagesIndex) => Stanza[]): Promise<Candidate[]> {
    this.#opened ??= this.#open();
    const { indexes, priority } = await this.#opened;
    return indexes.flatMap(find).map((control) => {
      const listed = { sha256: control.need("SHA256", this.origin), size: Number(control.need("Size", this.origin)) };
      const fetch = async (progress: Progress) => {
        const bytes = await this.#options.files.download(control, progress);
        verify(this.#host, bytes, listed, `${this.origin} ${control.get("Filename")}`);
        return bytes;
      };
      return fetchedCandidate(this.#store, control, { origin: this.origin, priority, sha256: listed.sha256, fetch });
    });
  }

  async #open(): Promise<Opened> {
    const { entry, files, checkDate } = this.#options;
    const release = await this.#release();
    const validUntil = release.get("Valid-Until");
    if (checkDate && validUntil && BigInt(Date.parse(validUntil)) * 1_000_000n < this.#host.now()) {
      throw new CerebroError("signature", `${this.origin}: its Release file expired on ${validUntil}`);
    }
    const listed = releaseFiles(release, this.origin);
    const byHash = release.get("Acquire-By-Hash") === "yes";
    const indexes: PackagesIndex[] = [];
    for (const path of this.#indexPaths(release, entry)) {
      const what = `${this.origin} ${path}`;
      const plain = listed.get(path);
      const known = plain && PackagesIndex.recall(this.#host, plain.sha256, what);
      if (known) {
        indexes.push(known);
        continue;
      }
      const bytes = await files.index(path, (name) => listed.get(name), byHash, this.#progress);
      if (!bytes) continue;
      if (plain) verify(this.#host, bytes, plain, what);
      const index = PackagesIndex.of(bytes, what);
      if (plain) index.keep(this.#host, plain.sha256, bytes);
      indexes.push(index);
    }
    // NotAutomatic and ButAutomaticUpgrades are how experimental and backports ask to be left alone (apt_preferences(5)).
    const shy = release.get("NotAutomatic") === "yes";
    const priority = shy ? (release.get("ButAutomaticUpgrades") === "yes" ? 100 : 1) : 500;
    return { indexes, priority };
  }

  #indexPaths(release: Stanza, entry: AptEntry): string[] {
    if (entry.components.length === 0) return ["Packages"];
    // Architecture "all" is in the other indexes too unless the Release says that it is not.
    const separate =
      (release.get("Architectures") ?? "").split(/\s+/).includes("all") &&
      release.get("No-Support-for-Architecture-all") !== "Packages";
    const architectures = separate ? [this.#options.architecture, "all"] : [this.#options.architecture];
    return entry.components.flatMap((component) => architectures.map((name) => `${component}/binary-${name}/Packages`));
  }

  /** The Release file's fields, after its signature was verified. */
  async #release(): Promise<Stanza> {
    const { entry, files, keyrings } = this.#options;
    const what = `${this.origin} InRelease`;
    const inline = await files.metadata("InRelease");
    if (inline) {
      return parseStanza(entry.trusted ? unverifiedText(inline) : await verifyInline(inline, keyrings, what), what);
    }
    const plain = await files.metadata("Release");
    if (!plain) throw new CerebroError("network", `${this.origin} has neither InRelease nor Release`);
    if (!entry.trusted) {
      const signature = await files.metadata("Release.gpg");
      if (!signature) throw new CerebroError("signature", `${this.origin}: its Release file is not signed`);
      await verifyDetached(plain, signature, keyrings, `${this.origin} Release`);
    }
    return parseStanza(utf8(plain), `${this.origin} Release`);
  }
}
