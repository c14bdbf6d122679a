// Which program of a package to run: `--exec NAME`, else the only one, else the one named like the package, else a list to
// choose from.

import { CerebroError } from "../base/errors.ts";
import type { RootImage } from "./image.ts";
import { alternativesOf } from "./maintainer.ts";
import type { StoredPackage } from "./store.ts";

/** Where programs for users are. Those of sbin count only when there are no others. */
const userPlaces = ["usr/bin", "bin", "usr/games", "usr/local/bin", "usr/local/games"];
const adminPlaces = ["usr/sbin", "sbin", "usr/local/sbin"];

/** The PATH that finds all of them. */
export const programPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games";

/** Absolute paths of a package's programs, those for users first. */
export function programsOf(image: RootImage, stored: StoredPackage): string[] {
  const isProgram = (path: string) => {
    const target = image.find(path, { follow: true });
    // Hard links carry their own mode; a link through alternatives counts as what it leads to.
    return (
      target !== undefined && (target.type === "file" || target.type === "hardlink") && (target.mode & 0o111) !== 0
    );
  };
  const inPlaces = (places: readonly string[]) =>
    stored.entries
      .filter(
        ({ path, type }) =>
          type !== "directory" && places.includes(path.slice(0, path.lastIndexOf("/"))) && isProgram(path),
      )
      .map(({ path }) => `/${path}`);
  return [...inPlaces(userPlaces), ...inPlaces(adminPlaces)];
}

/** The program to run, as an absolute path. `name` is what `--exec` asks for: a name or a path. */
export function chooseProgram(image: RootImage, stored: StoredPackage, name?: string): string {
  if (name !== undefined) return namedProgram(image, stored, name);
  const programs = programsOf(image, stored);
  const base = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  // A program may be there under the package's name through an alternative only: figlet-figlet as figlet.
  const linked = alternativesOf(stored).map(({ link }) => link);
  const users = programs.filter((path) => userPlaces.includes(path.slice(1, path.lastIndexOf("/"))));
  for (const list of [users, programs]) {
    if (list.length === 1) return list[0]!;
    const own = [...list, ...linked].find((path) => base(path) === stored.name);
    if (own) return own;
  }
  if (programs.length === 0) {
    throw new CerebroError("not-found", `${stored.name} ${stored.version} has no program to run`, {
      hint: `it may be a library: run another program with it by --with ${stored.name}`,
    });
  }
  // Versioned packages name their program without the version, or with less of it: lua5.4, python3.11-minimal, gawk.
  const stem = stored.name.replace(/-(minimal|bin|base|common|static|utils|tools|full)$/, "");
  const like = programs.filter((path) => base(path) === stem);
  if (like.length === 1) return like[0]!;
  throw new CerebroError("usage", `${stored.name} has ${programs.length} programs: ${programs.map(base).join(" ")}`, {
    hint: "choose one with --exec NAME",
  });
}

function namedProgram(image: RootImage, stored: StoredPackage, name: string): string {
  const isFile = (path: string) => {
    const target = image.find(path.slice(1), { follow: true });
    return target?.type === "file" || target?.type === "hardlink";
  };
  if (name.includes("/")) {
    const path = name.startsWith("/") ? name : `/${name}`;
    if (isFile(path)) return path;
  } else {
    const found = programPath
      .split(":")
      .map((place) => `${place}/${name}`)
      .find(isFile);
    if (found) return found;
  }
  const programs = programsOf(image, stored).map((path) => path.slice(path.lastIndexOf("/") + 1));
  throw new CerebroError("not-found", `there is no program ${name}`, {
    hint: programs.length > 0 ? `${stored.name} has: ${programs.join(" ")}` : "no package in the root has it",
  });
}
