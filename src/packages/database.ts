// dpkg's database inside the root: status, file lists, alternatives and diversions, so that dpkg -l, -L and -S answer there.
// Source: dpkg(1), deb-control(5), update-alternatives(1) section "Files".

import type { ArchiveEntry } from "./archive.ts";
import { infoName, type Alternative, type Diversion } from "./maintainer.ts";
import { textEntry } from "./skeleton.ts";
import { MemoryEntry } from "./archive.ts";
import type { StoredPackage } from "./store.ts";

const admin = "var/lib/dpkg";
/** dpkg keeps these fields out of the status file: they describe the .deb, not what is installed. */
const notKept = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5"];

function statusStanza({ name, control, controlFiles }: StoredPackage): string {
  const fields = [...control.entries()].filter(([field]) => !notKept.includes(field) && field !== "Package");
  const lines = fields.map(([field, value]) =>
    `${field}: ${value.replaceAll("\n", "\n ")}`.replace(/^(\S+:) \n/, "$1\n"),
  );
  const conffiles = conffilesOf(controlFiles);
  // The sums are those of dpkg's own making; "newconffile" is what it writes before it knows one.
  if (conffiles.length > 0) lines.push(`Conffiles:\n${conffiles.map((path) => ` ${path} newconffile`).join("\n")}`);
  return `Package: ${name}\nStatus: install ok installed\n${lines.join("\n")}\n\n`;
}

/** Paths of configuration files, as the package lists them. */
function conffilesOf(controlFiles: StoredPackage["controlFiles"]): string[] {
  const file = controlFiles.get("conffiles");
  if (!file) return [];
  return new TextDecoder()
    .decode(file.bytes)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("/"));
}

function fileList({ entries }: StoredPackage): string {
  return entries.map(({ path }) => (path === "" ? "/.\n" : `/${path}\n`)).join("");
}

/** The files of /var/lib/dpkg for these packages. */
export function databaseEntries(
  packages: readonly StoredPackage[],
  architecture: string,
  diversions: readonly Diversion[],
): ArchiveEntry[] {
  const entries: ArchiveEntry[] = [
    textEntry(`${admin}/status`, packages.map(statusStanza).join("")),
    textEntry(`${admin}/available`, ""),
    textEntry(`${admin}/info/format`, "1\n"),
    textEntry(`${admin}/arch`, `${architecture}\n`),
    textEntry(`${admin}/diversions`, diversions.map(({ from, to, package: by }) => `${from}\n${to}\n${by}\n`).join("")),
    textEntry(`${admin}/statoverride`, ""),
  ];
  for (const stored of packages) {
    const stem = `${admin}/info/${infoName(stored)}`;
    entries.push(textEntry(`${stem}.list`, fileList(stored)));
    for (const [name, { mode, bytes }] of stored.controlFiles) {
      entries.push(new MemoryEntry(`${stem}.${name}`, "file", mode & 0o777, { bytes }));
    }
  }
  return entries;
}

/** A name with all its choices, the best first. */
export interface AlternativeGroup {
  name: string;
  link: string;
  choices: Alternative[];
}

/** Links and database files of an alternative: LINK -> /etc/alternatives/NAME -> PATH, in automatic mode. */
export function alternativeEntries({ name, link, choices }: AlternativeGroup): ArchiveEntry[] {
  const chosen = choices[0]!;
  const slaves = new Map(choices.flatMap((choice) => choice.slaves).map((slave) => [slave.name, slave.link]));
  const pair = (at: string, of: string, target: string) => [
    new MemoryEntry(`etc/alternatives/${of}`, "symlink", 0o777, { linkTarget: target }),
    new MemoryEntry(at.slice(1), "symlink", 0o777, { linkTarget: `/etc/alternatives/${of}` }),
  ];
  const lines = ["auto", link, ...[...slaves].flat(), ""];
  for (const choice of choices) {
    lines.push(choice.path, String(choice.priority));
    for (const slave of slaves.keys()) lines.push(choice.slaves.find((own) => own.name === slave)?.path ?? "");
  }
  return [
    ...pair(link, name, chosen.path),
    ...chosen.slaves.flatMap((slave) => pair(slave.link, slave.name, slave.path)),
    textEntry(`${admin}/alternatives/${name}`, `${lines.join("\n")}\n\n`),
  ];
}
