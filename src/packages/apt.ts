// The host's own APT as a source: the package lists it has downloaded, its keyrings, and `apt-get download` for the packages, so
// that proxies and credentials of the host are honoured. Where there is no apt-get, its sources are read over the network.

import { CerebroError } from "../base/errors.ts";
import { encodeUtf8 } from "../base/text.ts";
import type { Stanza } from "../formats/debcontrol.ts";
import type { PackageHost } from "../host/packages.ts";
import { listName, readAptSources, suiteDirectory, type AptEntry } from "./aptsources.ts";
import { isHostError, listDirectory, makeDirectories, readFile, writeAtomically } from "./hostfiles.ts";
import type { RepositoryFiles } from "./repository.ts";
import { keyringFiles, trustedKeyrings, type Keyring } from "./signature.ts";
import type { Candidate, ConfiguredSource, PackageSource, Progress } from "./source.ts";
import type { PackageStore } from "./store.ts";

const configuration = "/etc/apt";
const systemLists = "/var/lib/apt/lists";
const listExtensions = ["", ".lz4", ".xz", ".zst", ".gz", ".bz2"];
const indexLimit = 512 << 20;

export interface AptOptions {
  store: PackageStore;
  architecture: string;
  progress: Progress;
  warn(message: string): void;
  /** Makes the lists anew before they are read. */
  refresh?: boolean;
}

/** The files of a repository as `apt-get update` left them. */
class ListedFiles implements RepositoryFiles {
  readonly #host: PackageHost;
  readonly #directory: string;
  readonly #prefix: string;
  readonly #download: (control: Stanza, progress: Progress) => Promise<Uint8Array>;

  constructor(
    host: PackageHost,
    directory: string,
    entry: AptEntry,
    download: (control: Stanza, progress: Progress) => Promise<Uint8Array>,
  ) {
    this.#host = host;
    this.#directory = directory;
    this.#prefix = `${entry.uri}${suiteDirectory(entry)}`;
    this.#download = download;
  }

  #read(path: string, extension = ""): Uint8Array | undefined {
    return readFile(this.#host.files, `${this.#directory}/${listName(this.#prefix + path)}${extension}`);
  }

  async metadata(name: string): Promise<Uint8Array | undefined> {
    return this.#read(name);
  }

  async index(path: string): Promise<Uint8Array | undefined> {
    for (const extension of listExtensions) {
      const bytes = this.#read(path, extension);
      if (!bytes) continue;
      if (extension === "") return bytes;
      const { decompress } = await import("../formats/compress.ts");
      return decompress(bytes, undefined, indexLimit);
    }
    return undefined;
  }

  download(control: Stanza, progress: Progress): Promise<Uint8Array> {
    return this.#download(control, progress);
  }
}

/** Whether `apt-get update` has fetched the lists of an entry for an architecture. */
function hasLists(host: PackageHost, directory: string, entry: AptEntry, architecture: string): boolean {
  const [component] = entry.components;
  const index = component ? `${component}/binary-${architecture}/Packages` : "Packages";
  const name = listName(`${entry.uri}${suiteDirectory(entry)}${index}`);
  return listExtensions.some((extension) => exists(host, `${directory}/${name}${extension}`));
}

function exists(host: PackageHost, path: string): boolean {
  try {
    host.files.stat(path, true);
    return true;
  } catch (error) {
    if (isHostError(error)) return false;
    throw error;
  }
}

/** apt-get with the host's configuration, and with lists of our own where those of the host lack the architecture. */
class AptGet {
  readonly #host: PackageHost;
  readonly #architecture: string;
  readonly #state: string;
  #options: string[] = [];
  #queue: { control: Stanza; resolve(bytes: Uint8Array): void; reject(error: unknown): void }[] = [];

  constructor(host: PackageHost, architecture: string) {
    this.#host = host;
    this.#architecture = architecture;
    this.#state = `${host.cacheDirectory}/apt/${architecture}`;
  }

  get privateLists(): string {
    return `${this.#state}/lists`;
  }

  /**
   * From here on apt-get works on a state of our own, for which it needs no root: only package lists for this architecture, and
   * none of the host's hooks.
   */
  usePrivateLists(): void {
    makeDirectories(this.#host.files, `${this.#state}/lists/partial`);
    makeDirectories(this.#host.files, `${this.#state}/cache/archives/partial`);
    const lines = [
      `Dir::State::lists "${this.#state}/lists";`,
      `Dir::Cache "${this.#state}/cache";`,
      'Dir::State::status "/dev/null";',
      "#clear APT::Architectures;",
      `APT::Architecture "${this.#architecture}";`,
      `APT::Architectures { "${this.#architecture}"; };`,
      'Acquire::Languages "none";',
      ...["Update::Pre-Invoke", "Update::Post-Invoke", "Update::Post-Invoke-Success"].map(
        (hook) => `#clear APT::${hook};`,
      ),
      ...["DEP-11", "DEP-11-icons-small", "DEP-11-icons", "Contents-deb", "CNF"].map(
        (target) => `#clear Acquire::IndexTargets::deb::${target};`,
      ),
    ];
    const path = `${this.#state}/apt.conf`;
    writeAtomically(this.#host, path, encodeUtf8(`${lines.join("\n")}\n`));
    this.#options = ["-c", path];
  }

  /** Runs `apt-get update`. Gives what went wrong: some lists may be there all the same. */
  async update(): Promise<string | undefined> {
    const result = await this.#host.run("apt-get", [...this.#options, "-q", "update"], this.#state);
    return result?.status === 0 ? undefined : `apt-get update failed: ${aptErrors(result?.stderr ?? "")}`;
  }

  /** Downloads asked for together are made by one command. */
  download(control: Stanza): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ control, resolve, reject });
      if (this.#queue.length === 1) void Promise.resolve().then(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const queue = this.#queue;
    this.#queue = [];
    const { files } = this.#host;
    const directory = `${this.#host.cacheDirectory}/downloads/${this.#host.uniqueName()}`;
    try {
      makeDirectories(files, directory);
      const names = queue.map(({ control }) => {
        const what = "package list";
        const architecture = control.need("Architecture", what);
        const suffix = architecture === "all" ? "" : `:${architecture}`;
        return `${control.need("Package", what)}${suffix}=${control.need("Version", what)}`;
      });
      const result = await this.#host.run("apt-get", [...this.#options, "-q", "download", ...names], directory);
      if (!result) throw new CerebroError("host", "apt-get is not there any more");
      if (result.status !== 0) {
        throw new CerebroError("network", `apt-get download failed: ${aptErrors(result.stderr)}`, {
          hint: "the host's package lists may be out of date: run apt-get update, or use --refresh",
        });
      }
      const found = listDirectory(files, directory);
      for (const { control, resolve, reject } of queue) {
        // APT's names: NAME_VERSION_ARCHITECTURE.deb with the epoch's colon as %3a.
        const [name, version] = [control.get("Package")!, control.get("Version")!.replace(":", "%3a")];
        const file = found.find((candidate) => candidate.startsWith(`${name}_${version}_`));
        const bytes = file && readFile(files, `${directory}/${file}`);
        if (bytes) resolve(bytes);
        else reject(new CerebroError("network", `apt-get downloaded no ${name} ${version}`));
      }
    } catch (error) {
      for (const { reject } of queue) reject(error);
    } finally {
      for (const name of listDirectory(files, directory)) files.remove(`${directory}/${name}`);
      if (exists(this.#host, directory)) files.removeDirectory(directory);
    }
  }
}

/** What apt-get says is wrong. */
function aptErrors(text: string): string {
  const errors = text.split("\n").filter((line) => line.startsWith("E: "));
  return errors.slice(0, 2).join(" ") || text.trim().split("\n").at(-1) || "no reason given";
}

/** Repositories that are opened, and their code loaded, only when asked; they answer together. */
class LateSource implements PackageSource {
  readonly origin: string;
  readonly #open: () => Promise<readonly PackageSource[]>;
  #sources: Promise<readonly PackageSource[]> | undefined;

  constructor(origin: string, open: () => Promise<readonly PackageSource[]>) {
    this.origin = origin;
    this.#open = open;
  }

  async #all(ask: (source: PackageSource) => Promise<readonly Candidate[]>): Promise<Candidate[]> {
    this.#sources ??= this.#open();
    return (await Promise.all((await this.#sources).map(ask))).flat();
  }

  named(name: string): Promise<Candidate[]> {
    return this.#all((source) => source.named(name));
  }
  providing(name: string): Promise<Candidate[]> {
    return this.#all((source) => source.providing(name));
  }
}

/** The host's APT; undefined when the host has no APT sources configured. */
export function hostApt(host: PackageHost, options: AptOptions): ConfiguredSource | undefined {
  const all = readAptSources(host.files, configuration);
  const { architecture } = options;
  const entries = all.filter(({ architectures }) => architectures.length === 0 || architectures.includes(architecture));
  if (entries.length === 0) return undefined;
  const lists = listDirectory(host.files, systemLists).filter(
    (name) => name.includes("_InRelease") || name.includes("_Packages"),
  );
  const stamps = lists.map((name) => {
    const { size, modified } = host.files.stat(`${systemLists}/${name}`, true);
    return `${name} ${size} ${modified}`;
  });
  return {
    source: new LateSource("the host's APT", () => openRepositories(host, entries, options)),
    identity: JSON.stringify([entries, stamps]),
  };
}

async function openRepositories(
  host: PackageHost,
  entries: readonly AptEntry[],
  options: AptOptions,
): Promise<PackageSource[]> {
  const { architecture, store, progress, warn } = options;
  const { NetworkFiles, Repository } = await import("./repository.ts");
  const apt = new AptGet(host, architecture);
  const hasApt = (await host.run("apt-get", ["--version"], "/")) !== undefined;
  let directory = systemLists;
  if (hasApt && (options.refresh || !entries.some((entry) => hasLists(host, systemLists, entry, architecture)))) {
    directory = apt.privateLists;
    apt.usePrivateLists();
    progress({ name: `package lists for ${architecture}`, activity: "index", bytes: 0, total: undefined });
    const failure = await apt.update();
    if (failure && !entries.some((entry) => hasLists(host, directory, entry, architecture))) {
      throw new CerebroError("network", failure, { hint: "is the network there?" });
    }
    if (failure) warn(failure);
  }
  const usable = hasApt ? entries.filter((entry) => hasLists(host, directory, entry, architecture)) : entries;
  for (const entry of entries)
    if (!usable.includes(entry)) warn(`${entry.uri} ${entry.suite} has no package list for ${architecture}`);
  return usable.map((entry) => {
    const files = hasApt ? new ListedFiles(host, directory, entry, aptDownload(apt)) : new NetworkFiles(host, entry);
    const keyrings = keyringsOf(host, entry);
    return new Repository(host, store, { entry, architecture, keyrings, files, checkDate: !hasApt }, progress);
  });
}

function aptDownload(apt: AptGet): (control: Stanza, progress: Progress) => Promise<Uint8Array> {
  return async (control, progress) => {
    const name = control.need("Package", "package list");
    const total = Number(control.get("Size"));
    progress({ name, activity: "download", bytes: 0, total });
    const bytes = await apt.download(control);
    progress({ name, activity: "download", bytes: total, total });
    return bytes;
  };
}

function keyringsOf(host: PackageHost, { signedBy }: AptEntry): Keyring[] {
  if (signedBy.armored) return [{ name: "Signed-By", armored: signedBy.armored }];
  return signedBy.paths.length > 0 ? keyringFiles(host.files, signedBy.paths) : trustedKeyrings(host.files);
}

/** A repository named by URL (`--mirror`). */
export interface Mirror {
  url: string;
  /** By default Debian's stable one. One that ends in a slash is flat. */
  suites?: readonly string[];
  /** By default main. */
  components?: readonly string[];
  /** Keyring files; by default all that the host trusts. */
  keyrings?: readonly string[];
}

/** The suites of a mirror as sources. */
export function mirrorSources(host: PackageHost, mirror: Mirror, options: AptOptions): ConfiguredSource[] {
  const { url, suites = ["stable"], components = ["main"], keyrings: paths } = mirror;
  return suites.map((suite) => {
    const entry: AptEntry = {
      uri: url.endsWith("/") ? url : `${url}/`,
      suite,
      components: suite.endsWith("/") ? [] : [...components],
      architectures: [],
      signedBy: { paths: [...(paths ?? [])], armored: undefined },
      trusted: false,
    };
    const open = async () => {
      const { NetworkFiles, Repository } = await import("./repository.ts");
      const keyrings = paths ? keyringFiles(host.files, paths) : trustedKeyrings(host.files, { archives: true });
      const files = new NetworkFiles(host, entry);
      const { architecture, store, progress } = options;
      return [new Repository(host, store, { entry, architecture, keyrings, files, checkDate: true }, progress)];
    };
    return { source: new LateSource(`${entry.uri} ${suite}`, open), identity: JSON.stringify(entry) };
  });
}
