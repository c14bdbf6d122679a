// A process's files as models and their inputs: read with its rights, from its directory.

import { E2BIG, EACCES, EISDIR, ENOENT, ENOTDIR, Errno } from "../../kernel/errno.ts";
import { Open, type OpenFile } from "../../kernel/file.ts";
import type { Process } from "../../kernel/process.ts";
import { openAt } from "../../kernel/vfs/open.ts";
import { Type } from "../../kernel/vfs/vnode.ts";
import type { ModelFiles, Source } from "../../engine/model.ts";

/** Most bytes of one file. */
const largest = 2 ** 31;
/** Most files of a directory whose times count for its identity. */
const mostFiles = 4096;

function withFile<T>(process: Process, path: string, flags: number, use: (file: OpenFile) => T): T {
  const file = openAt(process, process.fs.cwd, path, flags | Open.nonBlock);
  try {
    return use(file);
  } finally {
    file.release();
  }
}

/** The bytes of a regular file. Throws an Errno. */
export function readFile(process: Process, path: string): Uint8Array {
  return withFile(process, path, Open.readOnly, (file) => {
    const { mode, size } = file.attributes();
    const type = mode & Type.mask;
    if (type === Type.directory) throw EISDIR;
    // A device or a pipe could go on for ever.
    if (type !== Type.regular) throw EACCES;
    if (size > largest) throw E2BIG;
    const bytes = new Uint8Array(size);
    let at = 0;
    while (at < size) {
      const count = file.read(bytes.subarray(at, at + (1 << 24)), at);
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  });
}

function unless<T>(absent: readonly Errno[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof Errno && absent.includes(error)) return undefined;
    throw error;
  }
}

function filesOf(process: Process, directory: string): ModelFiles {
  const full = (path: string) => (path === "" ? directory : `${directory}/${path}`);
  const within = (path: string) => !path.split("/").includes("..");
  return {
    list(path) {
      if (!within(path)) return undefined;
      return unless([ENOENT, ENOTDIR], () =>
        withFile(process, full(path), Open.readOnly | Open.directory, (file) =>
          Array.from(file.entries(0), ({ name }) => name)
            .filter((name) => name !== "." && name !== "..")
            .sort(),
        ),
      );
    },
    read: (path) => (within(path) ? unless([ENOENT, ENOTDIR, EISDIR], () => readFile(process, full(path))) : undefined),
    readPart(path, offset, length) {
      if (!within(path)) return undefined;
      return unless([ENOENT, ENOTDIR, EISDIR], () =>
        withFile(process, full(path), Open.readOnly, (file) => {
          const bytes = new Uint8Array(Math.max(0, Math.min(length, file.attributes().size - offset)));
          return bytes.subarray(0, bytes.length === 0 ? 0 : file.read(bytes, offset));
        }),
      );
    },
  };
}

/** What tells a file from another one, or from itself after a change. */
function identityOf(process: Process, path: string): string {
  return withFile(process, path, Open.readOnly, (file) => {
    const { device, inode, modified, size } = file.attributes();
    return `${device}:${inode}:${modified}:${size}`;
  });
}

/** A file or directory that a process names, as something to load. Throws an Errno. */
export function modelSource(process: Process, path: string): { source: Source; identity: string } {
  const name = path.split("/").findLast((part) => part !== "") ?? "/";
  const isDirectory = withFile(
    process,
    path,
    Open.readOnly,
    (file) => (file.attributes().mode & Type.mask) === Type.directory,
  );
  if (!isDirectory) {
    return { source: { name, bytes: readFile(process, path) }, identity: identityOf(process, path) };
  }
  const files = filesOf(process, path);
  const parts: string[] = [];
  const visit = (directory: string, depth: number): void => {
    for (const each of files.list(directory) ?? []) {
      if (parts.length > mostFiles || depth > 16) return;
      const inner = directory === "" ? each : `${directory}/${each}`;
      parts.push(`${inner}=${identityOf(process, `${path}/${inner}`)}`);
      if (files.list(inner)) visit(inner, depth + 1);
    }
  };
  visit("", 0);
  return { source: { name, files }, identity: parts.join(";") };
}
