// Whole files of the host: read, written so that nobody ever sees half of one, directories made on the way.

import { HostError } from "../host/host.ts";
import type { HostFiles } from "../host/host.ts";
import type { PackageHost } from "../host/packages.ts";

/** Whether an error of the host has this POSIX code. */
export function isHostError(error: unknown, ...codes: string[]): error is HostError {
  return error instanceof HostError && (codes.length === 0 || codes.includes(error.code));
}

/** A file's bytes; undefined when there is none. Links are followed. */
export function readFile(files: HostFiles, path: string): Uint8Array | undefined {
  let real: string;
  try {
    real = files.realpath(path);
    if (files.stat(real, true).type !== "file") return undefined;
  } catch (error) {
    if (isHostError(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
  const file = files.open(real, { write: false });
  try {
    const bytes = new Uint8Array(file.stat().size);
    let length = 0;
    while (length < bytes.length) {
      const count = file.read(bytes.subarray(length), length);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } finally {
    file.close();
  }
}

/** The names in a directory, sorted; none when there is no such directory. */
export function listDirectory(files: HostFiles, path: string): string[] {
  try {
    return files.list(path).sort();
  } catch (error) {
    if (isHostError(error, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw error;
  }
}

/** Makes a directory and those above it, private to the user. */
export function makeDirectories(files: HostFiles, path: string): void {
  try {
    files.makeDirectory(path, 0o700);
  } catch (error) {
    if (isHostError(error, "EEXIST")) return;
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!isHostError(error, "ENOENT") || parent === "") throw error;
    makeDirectories(files, parent);
    try {
      files.makeDirectory(path, 0o700);
    } catch (again) {
      // Another process of the same user may have been faster.
      if (!isHostError(again, "EEXIST")) throw again;
    }
  }
}

/** Writes under a temporary name in the same directory, syncs, then renames: readers see the old file or the whole new one. */
export function writeAtomically(host: PackageHost, path: string, bytes: Uint8Array): void {
  const { files } = host;
  const directory = path.slice(0, path.lastIndexOf("/"));
  makeDirectories(files, directory);
  const temporary = `${directory}/.${host.uniqueName()}.tmp`;
  try {
    const file = files.open(temporary, { write: true, create: 0o600, exclusive: true });
    try {
      for (let at = 0; at < bytes.length;) at += file.write(bytes.subarray(at), at);
      file.sync();
    } finally {
      file.close();
    }
    files.rename(temporary, path);
  } catch (error) {
    try {
      files.remove(temporary);
    } catch {
      // It was never made; the first error is the one to tell.
    }
    throw error;
  }
}
