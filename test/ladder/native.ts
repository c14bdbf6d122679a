// The same packages natively: a root of the same files on the host's disk, and commands run in it by chroot(8).

import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { messageOf } from "../../src/base/errors.ts";
import type { PackageHost } from "../../src/host/packages.ts";
import { prepareRoot } from "../../src/packages/prepare.ts";
import type { ArchiveEntry } from "../../src/packages/archive.ts";
import type { Step } from "./rungs.ts";

/** What a command line did: all that has to be the same. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Files in /work afterwards: mode and content, or a link's target. */
  readonly files: Readonly<Record<string, string>>;
}

/** The environment of both sides. */
export const environment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games",
  HOME: "/root",
  TERM: "xterm-256color",
  LANG: "C.UTF-8",
};

/** Why native runs are not possible here; undefined when they are. */
export function nativeObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "chroot needs root";
  if (process.arch !== "x64" || process.platform !== "linux") return "the host is not x86-64 Linux";
  return ["apt-get", "chroot"].find((tool) => spawnSync(tool, ["--version"]).status !== 0)?.concat(" is not here");
}

/** Why packages cannot be had here; undefined when they can. */
export async function packageObstacle(host: PackageHost): Promise<string | undefined> {
  try {
    (await prepareRoot(host, { with: ["hello", "coreutils"], architecture: "amd64" })).dispose();
    return undefined;
  } catch (error) {
    return `packages cannot be had: ${messageOf(error)}`;
  }
}

/** Writes a root image to an empty directory. */
export function writeRoot(directory: string, entries: readonly ArchiveEntry[]): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const entry of entries) {
    const path = join(directory, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.type === "directory") mkdirSync(path, { recursive: true });
    else if (entry.type === "symlink") symlinkSync(entry.linkTarget!, path);
    else if (entry.type === "hardlink") linkSync(join(directory, entry.linkTarget!), path);
    else if (entry.type === "file") writeFileSync(path, entry.content());
    if (entry.type === "file" || entry.type === "directory") chmodSync(path, entry.mode & 0o7777);
  }
  execFileSync("mknod", ["-m", "666", join(directory, "dev/null"), "c", "1", "3"]);
  execFileSync("mknod", ["-m", "666", join(directory, "dev/urandom"), "c", "1", "9"]);
}

/** Every file under a directory, shown as text. */
export function snapshot(directory: string): Record<string, string> {
  const found: Record<string, string> = {};
  if (!existsSync(directory)) return found;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directory, name);
    const stat = lstatSync(path);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[name] = `link ${readlinkSync(path)}`;
    else if (stat.isDirectory()) found[name] = `directory ${mode}`;
    else found[name] = `file ${mode} ${readFileSync(path).toString("latin1")}`;
  }
  return found;
}

/** Runs a step in a root that `writeRoot` made. */
export function runNatively(root: string, step: Step): Outcome {
  const work = join(root, "work");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  for (const [name, content] of Object.entries(step.files ?? {})) {
    mkdirSync(dirname(join(work, name)), { recursive: true });
    writeFileSync(join(work, name), content);
  }
  const [program, ...rest] = step.command;
  // chroot(8) of coreutils goes to / in the new root; a shell of the host is not in there, so `env -C` of ours is not either.
  const change = ["--chdir=/work", program!, ...rest];
  const run = spawnSync("chroot", [root, "/usr/bin/env", ...change], {
    input: step.stdin ?? "",
    env: environment,
    timeout: 60_000,
    maxBuffer: 1 << 28,
  });
  return {
    status: run.status ?? (run.signal ? 128 + 15 : null),
    stdout: run.stdout.toString("latin1"),
    stderr: run.stderr.toString("latin1"),
    files: snapshot(work),
  };
}
