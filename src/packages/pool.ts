// A directory of .deb files as a source (`--pool DIR`). Files named as APT names them are found by name; only what is not found
// so makes all files be read, and what they say is remembered in the cache.

import { FormatError } from "../base/errors.ts";
import { encodeUtf8, utf8 } from "../base/text.ts";
import { parseStanza } from "../formats/debcontrol.ts";
import type { PackageHost } from "../host/packages.ts";
import { isHostError, listDirectory, readFile, writeAtomically } from "./hostfiles.ts";
import { providesOf, type Candidate, type PackageSource } from "./source.ts";
import type { PackageStore } from "./store.ts";

interface PoolFile {
  path: string;
  fileName: string;
  /** Changes when the file does. */
  identity: string;
}

/** The .deb files in a directory and one level below it, as `dpkg-scanpackages` lays pools out by hand. */
function filesOf(host: PackageHost, directory: string): PoolFile[] {
  const found: PoolFile[] = [];
  const visit = (path: string, depth: number): void => {
    for (const fileName of listDirectory(host.files, path)) {
      const full = `${path}/${fileName}`;
      const isDeb = fileName.endsWith(".deb");
      if (!isDeb && depth === 0) continue;
      const stat = host.files.stat(full, true);
      if (stat.type === "directory" && depth > 0) visit(full, depth - 1);
      else if (stat.type === "file" && isDeb) {
        found.push({ path: full, fileName, identity: `${full} ${stat.size} ${stat.modified} ${stat.inode}` });
      }
    }
  };
  visit(directory, 1);
  return found;
}

export class PoolSource implements PackageSource {
  readonly origin: string;
  readonly #host: PackageHost;
  readonly #store: PackageStore;
  readonly #files: PoolFile[];
  readonly #read = new Map<PoolFile, Candidate | undefined>();
  readonly #warn: (message: string) => void;

  constructor(host: PackageHost, store: PackageStore, directory: string, warn: (message: string) => void) {
    this.origin = directory;
    this.#host = host;
    this.#store = store;
    this.#warn = warn;
    this.#files = filesOf(host, directory);
  }

  /** Changes when a file of the pool does. */
  get identity(): string {
    return this.#files.map(({ identity }) => identity).join("\n");
  }

  async named(name: string): Promise<Candidate[]> {
    const likely = this.#files.filter(({ fileName }) => fileName.startsWith(`${name}_`));
    const found = (await this.#candidates(likely)).filter((candidate) => candidate.name === name);
    if (found.length > 0) return found;
    return (await this.#candidates(this.#files)).filter((candidate) => candidate.name === name);
  }

  async providing(name: string): Promise<Candidate[]> {
    return (await this.#candidates(this.#files)).filter(({ control }) =>
      providesOf(control).some((provided) => provided.name === name),
    );
  }

  async #candidates(files: readonly PoolFile[]): Promise<Candidate[]> {
    const candidates: Candidate[] = [];
    for (const file of files) {
      const candidate = await this.#candidate(file);
      if (candidate) candidates.push(candidate);
    }
    return candidates;
  }

  async #candidate(file: PoolFile): Promise<Candidate | undefined> {
    if (this.#read.has(file)) return this.#read.get(file);
    let candidate: Candidate | undefined;
    try {
      candidate = await this.#describe(file);
    } catch (error) {
      if (!(error instanceof FormatError) && !isHostError(error)) throw error;
      this.#warn(`${file.path} is passed over: ${error.message}`);
    }
    this.#read.set(file, candidate);
    return candidate;
  }

  /** The control data of a file, from the cache when the file has not changed since. */
  async #describe(file: PoolFile): Promise<Candidate> {
    const note = `${this.#host.cacheDirectory}/pool/${this.#host.sha256(encodeUtf8(file.identity))}`;
    const noted = readFile(this.#host.files, note);
    let text = noted ? utf8(noted) : undefined;
    if (text === undefined) {
      const { parseDeb } = await import("../formats/deb.ts");
      text = parseDeb(this.#bytes(file)).control.toString();
      try {
        writeAtomically(this.#host, note, encodeUtf8(text));
      } catch (error) {
        if (!isHostError(error)) throw error;
      }
    }
    const control = parseStanza(text, file.path);
    return {
      name: control.need("Package", file.path),
      version: control.need("Version", file.path),
      architecture: control.need("Architecture", file.path),
      control,
      priority: 990,
      origin: this.origin,
      load: async (progress) => {
        progress({ name: file.fileName, activity: "unpack", bytes: 0, total: undefined });
        return this.#store.put(this.#bytes(file));
      },
    };
  }

  #bytes(file: PoolFile): Uint8Array {
    const bytes = readFile(this.#host.files, file.path);
    if (!bytes) throw new FormatError(`${file.path} is not there any more`);
    return bytes;
  }
}
