// Maintainer scripts: which to run and how, and what is read from them when they are not run: alternatives and diversions in the
// plain forms that Debian's packages use. Source: Policy 6, update-alternatives(1), dpkg-divert(1).

import { utf8 } from "../base/text.ts";
import type { StoredPackage } from "./store.ts";

/** One call of a maintainer script inside the guest. */
export interface MaintainerCommand {
  package: string;
  path: string;
  args: string[];
  environment: Record<string, string>;
}

/** `update-alternatives --install`. */
export interface Alternative {
  package: string;
  link: string;
  name: string;
  path: string;
  priority: number;
  slaves: { link: string; name: string; path: string }[];
}

/** `dpkg-divert --add`. */
export interface Diversion {
  package: string;
  from: string;
  to: string;
}

/** The file's stem in /var/lib/dpkg/info: with the architecture where several can be installed side by side. */
export function infoName({ name, architecture, control }: StoredPackage): string {
  return control.get("Multi-Arch") === "same" ? `${name}:${architecture}` : name;
}

/** The scripts of a first installation, in dpkg's order: all preinst, then postinst in the order of dependencies. */
export function maintainerCommands(packages: readonly StoredPackage[]): MaintainerCommand[] {
  const command = (stored: StoredPackage, script: string, ...args: string[]): MaintainerCommand[] =>
    stored.controlFiles.has(script)
      ? [
          {
            package: stored.name,
            path: `/var/lib/dpkg/info/${infoName(stored)}.${script}`,
            args,
            environment: {
              DPKG_MAINTSCRIPT_PACKAGE: stored.name,
              DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT: "1",
              DPKG_MAINTSCRIPT_ARCH: stored.architecture,
              DPKG_MAINTSCRIPT_NAME: script,
              DPKG_RUNNING_VERSION: "1.21.22",
              DPKG_ROOT: "",
              DPKG_ADMINDIR: "/var/lib/dpkg",
              DEBIAN_FRONTEND: "noninteractive",
              DEBCONF_NONINTERACTIVE_SEEN: "true",
            },
          },
        ]
      : [];
  return [
    ...packages.flatMap((stored) => command(stored, "preinst", "install")),
    ...packages.flatMap((stored) => command(stored, "postinst", "configure", "")),
  ];
}

/** The lines of a shell script with continued ones joined and comments left out. */
function logicalLines(stored: StoredPackage, script: string): string[] {
  const file = stored.controlFiles.get(script);
  if (!file) return [];
  return utf8(file.bytes)
    .replaceAll("\\\n", " ")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Variables that hold a constant, and the loops over constant words, spelled out; conditions are not looked at. */
function* expanded(lines: readonly string[], variables: Map<string, string>): Generator<string> {
  for (let i = 0; i < lines.length; i++) {
    const line = substitute(lines[i]!, variables);
    const [, name, value] = /^([A-Za-z_]\w*)=("[^"]*"|'[^']*'|[^\s;&|"'`(]*);?$/.exec(line) ?? [];
    if (name) variables.set(name, value!.replace(/^(["'])(.*)\1$/, "$2"));
    const [, variable, words] = /^for\s+(\w+)\s+in\s+([^;$`]*?)\s*(?:;\s*do)?$/.exec(line) ?? [];
    if (!variable) {
      yield line;
      continue;
    }
    let end = i + 1;
    for (let depth = 1; end < lines.length; end++) {
      if (/^(for|while|until)\s/.test(lines[end]!)) depth++;
      if (/^done\b/.test(lines[end]!) && --depth === 0) break;
    }
    for (const word of words!.split(/\s+/))
      yield* expanded(lines.slice(i + 1, end), new Map(variables).set(variable, word));
    i = end;
  }
}

function substitute(line: string, variables: ReadonlyMap<string, string>): string {
  return line.replace(
    /\$(?:(\w+)|\{(\w+)\})/g,
    (text, plain: string, braced: string) => variables.get(plain ?? braced) ?? text,
  );
}

/** The words of a command up to the first that only a shell could tell. */
function plainWords(text: string): string[] {
  const command = text.split(/[;&|]|\s[12]?>/)[0]!.trim();
  const words = command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  const plain = words.map((word) => word.replace(/(["'])(.*?)\1/g, "$2"));
  const computed = plain.findIndex((word) => /[$`*?{}()]/.test(word));
  return computed < 0 ? plain : plain.slice(0, computed);
}

/** The words after a command's name in a line, wherever the line calls it. */
function callsOf(stored: StoredPackage, script: string, command: string): string[][] {
  const calls: string[][] = [];
  for (const line of expanded(logicalLines(stored, script), new Map())) {
    const at = new RegExp(`(?:^|[\\s;&|/])${command}\\s`).exec(line);
    if (!at) continue;
    calls.push(plainWords(line.slice(line.indexOf(command, at.index) + command.length)));
  }
  return calls;
}

/** An absolute path without detours. */
function isPlainPath(text: string | undefined): text is string {
  return text !== undefined && text.startsWith("/") && !text.split("/").some((part) => part === ".." || part === ".");
}

function isName(text: string | undefined): text is string {
  return text !== undefined && /^[^/\s]+$/.test(text) && text !== "." && text !== "..";
}

/** The alternatives that a package's postinst installs. */
export function alternativesOf(stored: StoredPackage): Alternative[] {
  const found: Alternative[] = [];
  for (const words of callsOf(stored, "postinst", "update-alternatives")) {
    const install = words.indexOf("--install");
    const [link, name, path, priority] = install < 0 ? [] : words.slice(install + 1, install + 5);
    if (!isPlainPath(link) || !isName(name) || !isPlainPath(path) || !/^-?\d+$/.test(priority ?? "")) continue;
    const slaves: Alternative["slaves"] = [];
    for (const [i, word] of words.entries()) {
      const [slaveLink, slaveName, slavePath] =
        word === "--slave" || word === "--follower" ? words.slice(i + 1, i + 4) : [];
      if (!isPlainPath(slaveLink) || !isName(slaveName) || !isPlainPath(slavePath)) continue;
      slaves.push({ link: slaveLink, name: slaveName, path: slavePath });
    }
    found.push({ package: stored.name, link, name, path, priority: Number(priority), slaves });
  }
  return found;
}

/** The diversions that a package's preinst sets up. */
export function diversionsOf(stored: StoredPackage): Diversion[] {
  const found: Diversion[] = [];
  for (const words of callsOf(stored, "preinst", "dpkg-divert")) {
    if (words.some((word) => word === "--remove" || word === "--list" || word === "--truename")) continue;
    const option = (name: string) => {
      const joined = words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
      const at = words.indexOf(name);
      return joined ?? (at < 0 ? undefined : words[at + 1]);
    };
    const to = option("--divert");
    const from = words.findLast((word) => word.startsWith("/") && word !== to);
    if (!from) continue;
    found.push({ package: option("--package") ?? stored.name, from, to: to ?? `${from}.distrib` });
  }
  return found;
}
