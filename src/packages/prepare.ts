// From what the user names to a root image: packages found, fetched, unpacked and merged. What was found is remembered, so that
// the next start of the same thing asks nobody.

import { CerebroError } from "../base/errors.ts";
import { encodeUtf8, utf8 } from "../base/text.ts";
import { isDeb } from "../formats/ar.ts";
import { parseRelations } from "../formats/debrelation.ts";
import type { PackageHost } from "../host/packages.ts";
import { hostApt, mirrorSources, type Mirror } from "./apt.ts";
import { essentialPackages, impliedByNames, impliedByPrograms } from "./essential.ts";
import { isHostError, readFile, writeAtomically } from "./hostfiles.ts";
import { buildImage, type RootImage } from "./image.ts";
import { maintainerCommands, type MaintainerCommand } from "./maintainer.ts";
import { PoolSource } from "./pool.ts";
import { findCandidate, resolve, type Resolution, type ResolveOptions } from "./resolve.ts";
import {
  FileSource,
  storedCandidate,
  type Candidate,
  type ConfiguredSource,
  type PackageSource,
  type Progress,
} from "./source.ts";
import { PackageStore, type StoredPackage } from "./store.ts";

/** Changed when what is remembered, or how packages are chosen, changes. */
const closureVersion = 2;
/** A mirror that cannot be watched for changes is asked again after this many nanoseconds: a day. */
const closureAge = 86_400_000_000_000n;

/** Called by maintainer scripts only: a root in which none runs can do without. */
const installationTools = new Set([
  "dpkg",
  "install-info",
  "debconf",
  "debconf-2.0",
  "cdebconf",
  "ucf",
  "init-system-helpers",
]);

export type Architecture = "amd64" | "i386";

export interface RootRequest {
  /** The .deb to run: a path, or its bytes. */
  main?: string | Uint8Array;
  /** More packages: paths of .deb files, or relations such as "bash" or "jq (>= 1.6)". */
  with?: readonly string[];
  /** Directories of .deb files. */
  pools?: readonly string[];
  /** Repositories, asked after the pools. */
  mirrors?: readonly Mirror[];
  /** Whether the host's own APT is asked last (the default). */
  hostApt?: boolean;
  /** Of the root; by default that of `main`, else amd64. */
  architecture?: Architecture;
  /** "needed": only Essential packages that programs show a need for; "all": every one, the default with `scripts`; "none". */
  essential?: "needed" | "all" | "none";
  /** Whether maintainer scripts will run in the root: then what only they call is needed too. */
  scripts?: boolean;
  /** Asks the sources even if the answer is remembered. */
  refresh?: boolean;
  /** The most that one package may unpack to. */
  dataLimit?: number;
  progress?: Progress;
  warn?: (message: string) => void;
}

export interface PreparedRoot {
  image: RootImage;
  /** The package of `main`. */
  main: StoredPackage | undefined;
  /** The packages that were asked for by name or file, `main` first. */
  asked: readonly StoredPackage[];
  /**
   * The maintainer scripts to run in the guest before anything else. Those of the base system (Essential or of priority
   * required) are left out unless the package was asked for: what they would do is in the image already.
   */
  scripts: readonly MaintainerCommand[];
  /** Closes the cache's files: the image's contents cannot be read afterwards. */
  dispose(): void;
}

/** Finds, fetches and merges. */
export async function prepareRoot(host: PackageHost, request: RootRequest): Promise<PreparedRoot> {
  const warn = request.warn ?? (() => {});
  const store = new PackageStore(host, {
    warn,
    ...(request.dataLimit !== undefined && { dataLimit: request.dataLimit }),
  });
  try {
    const given = await givenPackages(host, store, request);
    const architecture = rootArchitecture(given.files, request.architecture);
    const pools = (request.pools ?? []).map(
      (directory) => new PoolSource(host, store, absolute(host, directory), warn),
    );
    const configured = (refresh: boolean) => repositories(host, store, { ...request, refresh }, architecture);
    const sources = configured(request.refresh ?? false);
    const key = closureKey(host, request, given, architecture, [...pools, ...sources]);
    let closure = request.refresh ? undefined : recall(host, store, key);
    if (!closure) {
      const find = (found: readonly ConfiguredSource[]) =>
        findClosure(request, given, architecture, [
          new FileSource(given.files),
          ...pools,
          ...found.map(({ source }) => source),
        ]);
      closure = await find(sources).catch((error: unknown) => {
        // Old package lists name packages that are gone from the archive: once more with new lists.
        if (!(error instanceof CerebroError) || error.code !== "network" || request.refresh) throw error;
        warn(`${error.message}; trying again with new package lists`);
        return find(configured(true));
      });
      remember(host, key, closure);
    }
    const image = buildImage(closure.packages, architecture);
    const asked = closure.packages.filter(({ name }) => closure.asked.includes(name));
    const main = given.main;
    if (main) asked.sort((a, b) => Number(b.sha256 === main.sha256) - Number(a.sha256 === main.sha256));
    const isBase = ({ control }: StoredPackage) =>
      control.get("Essential") === "yes" || control.get("Priority") === "required";
    const scripts = maintainerCommands(closure.packages.filter((stored) => asked.includes(stored) || !isBase(stored)));
    return { image, main, asked, scripts, dispose: () => store.dispose() };
  } catch (error) {
    store.dispose();
    throw error;
  }
}

interface Given {
  main: StoredPackage | undefined;
  files: StoredPackage[];
  /** Relations, as given. */
  names: string[];
}

interface Closure {
  packages: StoredPackage[];
  asked: string[];
}

function repositories(
  host: PackageHost,
  store: PackageStore,
  request: RootRequest,
  architecture: Architecture,
): ConfiguredSource[] {
  const options = {
    store,
    architecture,
    progress: request.progress ?? (() => {}),
    warn: request.warn ?? (() => {}),
    refresh: request.refresh ?? false,
  };
  const apt = request.hostApt === false ? undefined : hostApt(host, options);
  return [...(request.mirrors ?? []).flatMap((mirror) => mirrorSources(host, mirror, options)), ...(apt ? [apt] : [])];
}

function absolute(host: PackageHost, path: string): string {
  try {
    return host.files.realpath(path);
  } catch (error) {
    if (!isHostError(error)) throw error;
    throw new CerebroError("not-found", `${path}: ${error.message}`, { cause: error });
  }
}

async function givenPackages(host: PackageHost, store: PackageStore, request: RootRequest): Promise<Given> {
  const main = request.main === undefined ? undefined : await openFile(host, store, request.main);
  const files = main ? [main] : [];
  const names: string[] = [];
  for (const item of request.with ?? []) {
    const isPath = item.endsWith(".deb") || item.includes("/");
    if (isPath) files.push(await openFile(host, store, item));
    else names.push(item);
  }
  return { main, files, names };
}

/** Unpacks a file that the user named. A path's SHA-256 is remembered by size, time and inode. */
async function openFile(host: PackageHost, store: PackageStore, file: string | Uint8Array): Promise<StoredPackage> {
  if (typeof file !== "string") return store.put(file);
  const path = absolute(host, file);
  const { size, modified, inode, changed } = host.files.stat(path, true);
  const note = `${host.cacheDirectory}/files/${host.sha256(encodeUtf8(`${path} ${size} ${modified} ${changed} ${inode}`))}`;
  const noted = readFile(host.files, note);
  const known = noted && store.get(utf8(noted));
  if (known) return known;
  const bytes = readFile(host.files, path);
  if (!bytes) throw new CerebroError("not-found", `${file} is no file`);
  if (!isDeb(bytes)) throw new CerebroError("format", `${file} is no Debian package`);
  const stored = await store.put(bytes);
  writeNote(host, note, stored.sha256);
  return stored;
}

/** What is remembered only saves time: a cache that cannot be written is none. */
function writeNote(host: PackageHost, path: string, text: string): void {
  try {
    writeAtomically(host, path, encodeUtf8(text));
  } catch (error) {
    if (!isHostError(error)) throw error;
  }
}

function rootArchitecture(files: readonly StoredPackage[], wanted: Architecture | undefined): Architecture {
  const found = files.find(({ architecture }) => architecture !== "all");
  const architecture = wanted ?? found?.architecture ?? "amd64";
  for (const { name, architecture: own } of files) {
    if (own === "all" || own === architecture) continue;
    throw new CerebroError("not-runnable", `${name} is for ${own}, this root is for ${architecture}`, {
      hint: own === "amd64" || own === "i386" ? "a root has one architecture" : "Cerebro runs amd64 and i386 packages",
    });
  }
  if (architecture === "amd64" || architecture === "i386") return architecture;
  throw new CerebroError("not-runnable", `${found?.name} is for ${architecture}; Cerebro runs amd64 and i386 packages`);
}

function closureKey(
  host: PackageHost,
  request: RootRequest,
  given: Given,
  architecture: string,
  sources: readonly { identity: string }[],
): string {
  const parts = [
    closureVersion,
    architecture,
    essentialOf(request),
    request.scripts ?? false,
    given.files.map(({ sha256 }) => sha256),
    given.names,
    sources.map(({ identity }) => identity),
  ];
  return host.sha256(encodeUtf8(JSON.stringify(parts)));
}

/** Maintainer scripts may call whatever is Essential. */
function essentialOf({ essential, scripts }: RootRequest): "needed" | "all" | "none" {
  return essential ?? (scripts ? "all" : "needed");
}

interface Remembered {
  made: string;
  packages: string[];
  asked: string[];
}

function recall(host: PackageHost, store: PackageStore, key: string): Closure | undefined {
  const bytes = readFile(host.files, `${host.cacheDirectory}/closures/${key}`);
  if (!bytes) return undefined;
  try {
    const { made, packages, asked } = JSON.parse(utf8(bytes)) as Remembered;
    if (host.now() - BigInt(made) > closureAge) return undefined;
    const stored = packages.map((sha256) => store.get(sha256));
    return stored.every((one) => one !== undefined) ? { packages: stored, asked } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function remember(host: PackageHost, key: string, { packages, asked }: Closure): void {
  const remembered: Remembered = { made: String(host.now()), packages: packages.map(({ sha256 }) => sha256), asked };
  writeNote(host, `${host.cacheDirectory}/closures/${key}`, JSON.stringify(remembered));
}

async function findClosure(
  request: RootRequest,
  given: Given,
  architecture: Architecture,
  sources: readonly PackageSource[],
): Promise<Closure> {
  const wanted: Candidate[] = given.files.map((stored) => storedCandidate(stored, "given files"));
  for (const name of given.names) wanted.push(await namedCandidate(name, sources, architecture));
  const asked = wanted.map(({ name }) => name);
  const options: ResolveOptions = request.scripts ? {} : { passOver: installationTools };
  const find = () => resolve(wanted, sources, architecture, options);
  const add = (names: readonly string[]) => addEssential(names, wanted, sources, architecture, options);
  const essential = essentialOf(request);
  if (essential === "all") tellAbsent(await add(essentialPackages), request);
  let found = await find();
  if (essential !== "needed") return { packages: await load(found, request), asked };

  const chosen = ({ packages }: Resolution) => packages.map(({ name }) => name);
  const absentOf = (names: readonly string[]) => names.filter((name) => !chosen(found).includes(name));
  const byNames = absentOf(impliedByNames(chosen(found)));
  if (byNames.length > 0) {
    await add(byNames);
    found = await find();
  }
  let packages = await load(found, request);
  const byPrograms = absentOf(impliedByPrograms(packages.filter(({ name }) => asked.includes(name))));
  if (byPrograms.length > 0) {
    tellAbsent(await add(byPrograms), request);
    packages = await load(await find(), request);
  }
  return { packages, asked };
}

/** Essential packages are a help, not a condition: those that cannot be had are given back, and the root is made all the same. */
async function addEssential(
  names: readonly string[],
  wanted: Candidate[],
  sources: readonly PackageSource[],
  architecture: Architecture,
  options: ResolveOptions,
): Promise<string[]> {
  const missing: string[] = [];
  for (const name of names) {
    if (wanted.some((candidate) => candidate.name === name)) continue;
    const candidate = await findCandidate(parseRelations(name)[0]![0]!, sources, architecture);
    if (candidate && (await isResolvable([...wanted, candidate], sources, architecture, options)))
      wanted.push(candidate);
    else missing.push(name);
  }
  return missing;
}

function tellAbsent(names: readonly string[], { warn }: RootRequest): void {
  if (names.length > 0) warn?.(`not found, and perhaps needed: ${names.join(", ")}`);
}

async function isResolvable(
  wanted: readonly Candidate[],
  sources: readonly PackageSource[],
  architecture: string,
  options: ResolveOptions,
): Promise<boolean> {
  try {
    await resolve(wanted, sources, architecture, options);
    return true;
  } catch (error) {
    if (error instanceof CerebroError && error.code === "dependency") return false;
    throw error;
  }
}

async function namedCandidate(
  text: string,
  sources: readonly PackageSource[],
  architecture: Architecture,
): Promise<Candidate> {
  const group = parseRelations(text)[0];
  if (!group) throw new CerebroError("usage", `${JSON.stringify(text)} names no package`);
  for (const relation of group) {
    const candidate = await findCandidate(relation, sources, architecture);
    if (candidate) return candidate;
  }
  const asked = sources.map(({ origin }) => origin).join(", ");
  throw new CerebroError("not-found", `there is no package ${text} for ${architecture} in ${asked}`, {
    hint: "give a file, --pool DIR or --mirror URL",
  });
}

/** Loads all packages; how many downloads run at a time is the sources' decision. */
function load({ packages }: { packages: Candidate[] }, { progress }: RootRequest): Promise<StoredPackage[]> {
  return Promise.all(packages.map((candidate) => candidate.load(progress ?? (() => {}))));
}
