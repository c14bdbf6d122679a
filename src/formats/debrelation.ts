// Relations between Debian packages: "a (>= 1) | b:any, c [amd64] <!nocheck>". Source: Debian Policy 7.1, deb-control(5).

import { FormatError } from "../base/errors.ts";
import { parseVersion, type VersionRelation } from "./debversion.ts";

/** One alternative. */
export interface Relation {
  name: string;
  /** "any", "native" or an architecture after the colon. */
  qualifier: string | undefined;
  relation: VersionRelation | undefined;
  version: string | undefined;
  /** From "[…]"; an entry with "!" excludes. Empty when the relation holds everywhere. */
  architectures: string[];
}

/** All groups have to hold; of a group, one alternative. */
export type Relations = Relation[][];

const pattern =
  /^([A-Za-z0-9][A-Za-z0-9.+-]*)(?::([a-z0-9-]+))?\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([^\s)]+)\s*\))?\s*(?:\[([^\]]*)\])?((?:\s*<[^>]*>)*)$/;

/** Parses a Depends-like field. Build profiles ("<…>") are read and ignored: they say nothing about built packages. */
export function parseRelations(text: string): Relations {
  const groups: Relations = [];
  for (const group of text.split(",")) {
    if (group.trim() === "") continue;
    groups.push(group.split("|").map((alternative) => parseRelation(alternative.trim())));
  }
  return groups;
}

function parseRelation(text: string): Relation {
  const [, name, qualifier, operator, version, architectures] = pattern.exec(text) ?? [];
  if (name === undefined) throw new FormatError(`relation: ${JSON.stringify(text)} is no package relation`);
  if (version !== undefined) parseVersion(version);
  return {
    name,
    qualifier,
    // A single < or > is the old spelling of <= and >=.
    relation: operator === "<" ? "<=" : operator === ">" ? ">=" : (operator as VersionRelation | undefined),
    version,
    architectures: architectures?.split(/\s+/).filter(Boolean) ?? [],
  };
}

/** As it would stand in a control file. */
export function showRelation({ name, qualifier, relation, version }: Relation): string {
  return `${name}${qualifier ? `:${qualifier}` : ""}${relation ? ` (${relation} ${version})` : ""}`;
}

/** Whether "[…]" lets the relation hold on an architecture. */
export function relationApplies({ architectures }: Relation, architecture: string): boolean {
  if (architectures.length === 0) return true;
  const matches = (wildcard: string) =>
    wildcard === architecture ||
    wildcard === "any" ||
    wildcard === `any-${architecture}` ||
    wildcard === "linux-any" ||
    wildcard === `linux-${architecture}`;
  const excluded = architectures.filter((entry) => entry.startsWith("!")).map((entry) => entry.slice(1));
  return excluded.length > 0 ? !excluded.some(matches) : architectures.some(matches);
}
