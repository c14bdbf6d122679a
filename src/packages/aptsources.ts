// The host's APT configuration: which repositories it uses. Source: sources.list(5), both the one-line and the deb822 style.

import { utf8 } from "../base/text.ts";
import { parseStanzas } from "../formats/debcontrol.ts";
import type { HostFiles } from "../host/host.ts";
import { listDirectory, readFile } from "./hostfiles.ts";

/** One repository: a URI with a suite. */
export interface AptEntry {
  /** With a slash at the end. */
  uri: string;
  suite: string;
  /** Empty for a flat repository, whose suite ends in a slash. */
  components: string[];
  /** Empty when not restricted. */
  architectures: string[];
  /** Keyring paths, or an armored key in the text itself. */
  signedBy: { paths: string[]; armored: string | undefined };
  /** [trusted=yes]: not verified. */
  trusted: boolean;
}

/** What a text of the one-line style lists. Lines that are no valid entry are passed over, as they may be for other tools. */
export function parseOneLine(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*/, "").trim();
    const [, options, uri, suite, components] = /^deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line) ?? [];
    if (!uri || !suite) continue;
    const given = new Map<string, string>();
    for (const option of (options ?? "").split(/\s+/)) {
      const [, name, value] = /^([a-z-]+)[+-]?=(.*)$/.exec(option) ?? [];
      if (name) given.set(name, value!);
    }
    entries.push({
      uri: withSlash(uri),
      suite,
      components: words(components),
      architectures: words(given.get("arch")?.replaceAll(",", " ")),
      signedBy: { paths: words(given.get("signed-by")?.replaceAll(",", " ")).filter(isPath), armored: undefined },
      trusted: given.get("trusted") === "yes",
    });
  }
  return entries;
}

/** What a .sources file lists. */
export function parseDeb822(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const stanza of parseStanzas(text, ".sources file")) {
    if (/^(no|false|0|off|disable)$/i.test(stanza.get("Enabled") ?? "yes")) continue;
    if (!words(stanza.get("Types")).includes("deb")) continue;
    const signedBy = stanza.get("Signed-By") ?? "";
    const isKey = signedBy.includes("-----BEGIN PGP");
    for (const uri of words(stanza.get("URIs"))) {
      for (const suite of words(stanza.get("Suites"))) {
        entries.push({
          uri: withSlash(uri),
          suite,
          components: words(stanza.get("Components")),
          architectures: words(stanza.get("Architectures")),
          signedBy: {
            paths: isKey ? [] : words(signedBy).filter(isPath),
            // A "." stands for an empty line within a field.
            armored: isKey
              ? `${signedBy
                  .trim()
                  .replace(/^[ \t]*\.?[ \t]*$/gm, "")
                  .replace(/^[ \t]+/gm, "")}\n`
              : undefined,
          },
          trusted: /^(yes|true)$/i.test(stanza.get("Trusted") ?? "no"),
        });
      }
    }
  }
  return entries;
}

/** All entries under a configuration directory, /etc/apt. */
export function readAptSources(files: HostFiles, directory: string): AptEntry[] {
  const text = (path: string) => {
    const bytes = readFile(files, path);
    return bytes ? utf8(bytes) : "";
  };
  const entries = parseOneLine(text(`${directory}/sources.list`));
  for (const name of listDirectory(files, `${directory}/sources.list.d`)) {
    const path = `${directory}/sources.list.d/${name}`;
    if (name.endsWith(".list")) entries.push(...parseOneLine(text(path)));
    if (name.endsWith(".sources")) entries.push(...parseDeb822(text(path)));
  }
  return entries;
}

function words(text: string | undefined): string[] {
  return text?.split(/\s+/).filter(Boolean) ?? [];
}

function isPath(text: string): boolean {
  return text.startsWith("/");
}

function withSlash(uri: string): string {
  return uri.endsWith("/") ? uri : `${uri}/`;
}

/** Where the files of a suite are, from the URI: "dists/bookworm/", or the suite itself when it is flat. */
export function suiteDirectory({ suite }: { suite: string }): string {
  if (suite === "/") return "";
  return suite.endsWith("/") ? suite : `dists/${suite}/`;
}

/** The name under which APT keeps a downloaded file in its lists directory (URItoFileName in apt-pkg). */
export function listName(url: string): string {
  const bare = url.replace(/^[a-z+]+:\/*(?:[^/@]*@)?/i, "").replace(/^\/+/, "_");
  const quoted = bare.replace(/[\\|{}[\]<>"^~_=!@#$%&*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return quoted.replaceAll("/", "_");
}
