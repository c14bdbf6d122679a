// What packages need without saying so: Debian lets every package rely on the Essential ones. All of them would be some 40 MB that
// hardly a program uses, so only what the programs show a need for is added. Source: Policy 3.8.

import { FormatError } from "../base/errors.ts";
import { isElf, parseElf } from "../formats/elf.ts";
import { parseShebang } from "../formats/shebang.ts";
import type { ArchiveEntry } from "./archive.ts";
import type { StoredPackage } from "./store.ts";

/** The Essential packages of a Debian system, for `essential: "all"` and maintainer scripts. */
export const essentialPackages: readonly string[] = [
  "base-files",
  "base-passwd",
  "bash",
  "bsdutils",
  "coreutils",
  "dash",
  "debianutils",
  "diffutils",
  "dpkg",
  "findutils",
  "grep",
  "gzip",
  "hostname",
  "init-system-helpers",
  "libc-bin",
  "login",
  "ncurses-base",
  "ncurses-bin",
  "perl-base",
  "sed",
  "sysvinit-utils",
  "tar",
  "util-linux",
];

/** Interpreters that scripts may name without depending on their package. */
const interpreters: Readonly<Record<string, string>> = { sh: "dash", dash: "dash", bash: "bash", perl: "perl-base" };
/** What shell scripts call without a thought. */
const scriptTools = ["coreutils", "sed", "grep", "findutils", "debianutils"];
/** Functions of libc that start /bin/sh. */
const shellFunctions = new Set(["system", "popen", "wordexp"]);
/** The terminal library reads descriptions that are in an Essential package. */
const terminalLibrary = /^lib(tinfo|ncurses|ncursesw)[56]/;

const programDirectory = /^(usr\/)?(local\/)?(s?bin|games)$/;
/** A program's symbols are looked at only up to this size: larger ones get a shell without a look. */
const lookLimit = 64 << 20;

/** What the presence of packages asks for: help that programs can do without, if badly. */
export function impliedByNames(names: readonly string[]): string[] {
  const implied: string[] = [];
  // The locale C.UTF-8, which programs are started with, is in libc-bin.
  if (names.includes("libc6")) implied.push("libc-bin");
  if (names.some((name) => terminalLibrary.test(name))) implied.push("ncurses-base");
  return implied;
}

/** What the programs of packages show a need for: without it something will probably fail. */
export function impliedByPrograms(asked: readonly StoredPackage[]): string[] {
  const implied = new Set<string>();
  const imply = (...names: string[]) => names.forEach((name) => implied.add(name));
  for (const stored of asked) {
    for (const entry of stored.entries) {
      if (entry.type !== "file" || !(entry.mode & 0o111)) continue;
      if (!programDirectory.test(entry.path.slice(0, entry.path.lastIndexOf("/")))) continue;
      const interpreter = scriptInterpreter(entry);
      const owner = interpreter && interpreters[interpreter];
      if (owner) imply(owner);
      if (owner === "dash" || owner === "bash") imply(...scriptTools);
      if (!interpreter && startsShell(entry)) imply("dash");
    }
  }
  return [...implied];
}

/** "sh", "perl": the last name of a script's interpreter, or what `env` is to find; undefined when it is no script. */
function scriptInterpreter(entry: ArchiveEntry): string | undefined {
  const head = new Uint8Array(256);
  const shebang = parseShebang(head.subarray(0, entry.read(head, 0)));
  if (!shebang) return undefined;
  const name = shebang.interpreter.slice(shebang.interpreter.lastIndexOf("/") + 1);
  return name === "env"
    ? shebang.argument?.split(/\s+/).find((word) => !word.startsWith("-") && !word.includes("="))
    : name;
}

function startsShell(entry: ArchiveEntry): boolean {
  const magic = new Uint8Array(4);
  entry.read(magic, 0);
  if (!isElf(magic)) return false;
  if (entry.size > lookLimit) return true;
  try {
    for (const { name, section } of parseElf(entry.content()).symbols(".dynsym")) {
      if (section === 0 && shellFunctions.has(name)) return true;
    }
  } catch (error) {
    // Not for this place to judge: the loader says what is wrong with it.
    if (!(error instanceof FormatError)) throw error;
  }
  return false;
}
