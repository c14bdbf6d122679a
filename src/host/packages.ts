// What finding and keeping packages asks of the host: a cache directory, downloads, and the host's own package tools.

import type { HostFiles } from "./host.ts";

/** What a command of the host did. */
export interface HostCommandResult {
  status: number;
  stdout: Uint8Array;
  stderr: string;
}

export interface PackageHost {
  readonly files: HostFiles;
  /** Where Cerebro may keep what it downloads: $XDG_CACHE_HOME/cerebro on Unix. Need not exist yet. */
  readonly cacheDirectory: string;
  /** SHA-256 in lower-case hexadecimal, by whatever is fastest here. */
  sha256(bytes: Uint8Array): string;
  /** A name that nothing else uses, for temporary files. */
  uniqueName(): string;
  /** Nanoseconds since the epoch. */
  now(): bigint;
  /** Gets a URL. `received` is told of the bytes so far. Throws HostError: ENOENT for 404, else a POSIX-like code. */
  fetch(url: string, received?: (bytes: number, total: number | undefined) => void): Promise<Uint8Array>;
  /** Runs a program of the host in a directory; undefined when there is no such program, or hosts have none. */
  run(command: string, args: readonly string[], directory: string): Promise<HostCommandResult | undefined>;
}
