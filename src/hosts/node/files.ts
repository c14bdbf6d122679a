// The host's files through Node's synchronous calls. Confinement to what was granted is the work of fs/hostdir.

import type { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { HostError, type HostFile, type HostFiles, type HostStat } from "../../host/host.ts";
import { fromHost, toHost } from "./names.ts";

/** Runs a call of Node's and turns its failure into a HostError. */
function host<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string")
      throw new HostError(error.code, error.message);
    throw error;
  }
}

function status(stat: fs.BigIntStats): HostStat {
  return {
    type: stat.isFile() ? "file" : stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "link" : "other",
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: Number(stat.size),
    links: Number(stat.nlink),
    inode: Number(stat.ino),
    device: Number(stat.dev),
    accessed: stat.atimeNs,
    modified: stat.mtimeNs,
    changed: stat.ctimeNs,
  };
}

class NodeFile implements HostFile {
  private readonly fd: number;
  constructor(fd: number) {
    this.fd = fd;
  }
  read(into: Uint8Array, position: number): number {
    return host(() => fs.readSync(this.fd, into, 0, into.length, position));
  }
  write(from: Uint8Array, position: number): number {
    return host(() => fs.writeSync(this.fd, from, 0, from.length, position));
  }
  stat(): HostStat {
    return host(() => status(fs.fstatSync(this.fd, { bigint: true })));
  }
  truncate(length: number): void {
    host(() => fs.ftruncateSync(this.fd, length));
  }
  sync(): void {
    host(() => fs.fsyncSync(this.fd));
  }
  close(): void {
    host(() => fs.closeSync(this.fd));
  }
}

const seconds = (nanoseconds: bigint): number => Number(nanoseconds) / 1e9;

export const files: HostFiles = {
  stat(path, followLinks) {
    return host(() => status((followLinks ? fs.statSync : fs.lstatSync)(toHost(path), { bigint: true })));
  },
  list(path) {
    return host(() => fs.readdirSync(toHost(path), { encoding: "buffer" })).map(fromHost);
  },
  readlink(path) {
    return fromHost(host(() => fs.readlinkSync(toHost(path), { encoding: "buffer" })) as Buffer);
  },
  open(path, { write, create, exclusive, truncate }) {
    const flags =
      (write ? fs.constants.O_RDWR : fs.constants.O_RDONLY) |
      fs.constants.O_NOFOLLOW |
      // A fifo or device in a granted directory must not hang the kernel.
      fs.constants.O_NONBLOCK |
      (create === undefined ? 0 : fs.constants.O_CREAT) |
      (exclusive ? fs.constants.O_EXCL : 0) |
      (truncate ? fs.constants.O_TRUNC : 0);
    return new NodeFile(host(() => fs.openSync(toHost(path), flags, create)));
  },
  makeDirectory(path, mode) {
    host(() => fs.mkdirSync(toHost(path), { mode }));
  },
  symlink(target, path) {
    host(() => fs.symlinkSync(toHost(target), toHost(path)));
  },
  link(existing, path) {
    host(() => fs.linkSync(toHost(existing), toHost(path)));
  },
  remove(path) {
    host(() => fs.unlinkSync(toHost(path)));
  },
  removeDirectory(path) {
    host(() => fs.rmdirSync(toHost(path)));
  },
  rename(from, to) {
    host(() => fs.renameSync(toHost(from), toHost(to)));
  },
  chmod(path, mode) {
    host(() => fs.chmodSync(toHost(path), mode));
  },
  utimes(path, accessed, modified) {
    host(() => fs.lutimesSync(toHost(path), seconds(accessed), seconds(modified)));
  },
  truncate(path, length) {
    host(() => fs.truncateSync(toHost(path), length));
  },
  realpath(path) {
    return fromHost(host(() => fs.realpathSync.native(toHost(path), { encoding: "buffer" })) as Buffer);
  },
};
