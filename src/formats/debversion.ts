// Debian version numbers and how they compare. Source: Debian Policy 5.6.12, deb-version(7).

import { FormatError } from "../base/errors.ts";

export interface DebianVersion {
  epoch: number;
  upstream: string;
  revision: string;
}

/** Splits "epoch:upstream-revision"; the epoch and the revision may be missing. */
export function parseVersion(text: string): DebianVersion {
  const trimmed = text.trim();
  const colon = trimmed.indexOf(":");
  const epoch = colon < 0 ? "0" : trimmed.slice(0, colon);
  const rest = trimmed.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  const upstream = dash < 0 ? rest : rest.slice(0, dash);
  const revision = dash < 0 ? "" : rest.slice(dash + 1);
  const good =
    /^\d{1,10}$/.test(epoch) &&
    /^[A-Za-z0-9.+~:-]+$/.test(upstream) &&
    (dash < 0 || /^[A-Za-z0-9.+~]+$/.test(revision));
  if (!good) throw new FormatError(`version: ${JSON.stringify(text)} is no Debian version`);
  return { epoch: Number(epoch), upstream, revision };
}

/** Negative, zero or positive, like dpkg --compare-versions. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [parseVersion(left), parseVersion(right)];
  return a.epoch - b.epoch || comparePart(a.upstream, b.upstream) || comparePart(a.revision, b.revision);
}

const digit = /\d/;

/** The order of a character outside numbers: ~ before the end, the end before letters, letters before all else. */
function order(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined || digit.test(character)) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

/** Compares runs of non-digits and runs of digits in turn. */
function comparePart(left: string, right: string): number {
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    while ((i < left.length && !digit.test(left[i]!)) || (j < right.length && !digit.test(right[j]!))) {
      const difference = order(left[i]) - order(right[j]);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const [a, b] = [/^\d*/.exec(left.slice(i))![0], /^\d*/.exec(right.slice(j))![0]];
    i += a.length;
    j += b.length;
    const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
    if (x.length !== y.length) return x.length - y.length;
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

export type VersionRelation = "<<" | "<=" | "=" | ">=" | ">>";

/** Whether `version` satisfies "(relation bound)". */
export function versionSatisfies(version: string, relation: VersionRelation, bound: string): boolean {
  const order = compareVersions(version, bound);
  switch (relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}
