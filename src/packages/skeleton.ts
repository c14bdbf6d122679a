// What a root has before any package is in it: the directories and links of a merged /usr, and the few files of /etc that Debian
// makes in maintainer scripts of base-files, base-passwd and libc-bin. Source: Filesystem Hierarchy Standard, Policy 9.

import { encodeUtf8 } from "../base/text.ts";
import { MemoryEntry } from "./archive.ts";

const directories: readonly (readonly [path: string, mode: number])[] = [
  ["", 0o755],
  ["usr", 0o755],
  ["usr/bin", 0o755],
  ["usr/sbin", 0o755],
  ["usr/lib", 0o755],
  ["usr/lib64", 0o755],
  ["usr/local", 0o755],
  ["usr/local/bin", 0o755],
  ["usr/share", 0o755],
  ["dev", 0o755],
  ["proc", 0o555],
  ["sys", 0o555],
  ["run", 0o755],
  ["run/lock", 0o1777],
  ["tmp", 0o1777],
  ["var", 0o755],
  ["var/tmp", 0o1777],
  ["var/lib", 0o755],
  ["var/lib/dpkg", 0o755],
  ["var/lib/dpkg/info", 0o755],
  ["var/log", 0o755],
  ["var/cache", 0o755],
  ["root", 0o700],
  ["home", 0o755],
  ["etc", 0o755],
  ["etc/ld.so.conf.d", 0o755],
  ["etc/alternatives", 0o755],
  ["mnt", 0o755],
  ["opt", 0o755],
  ["srv", 0o755],
];

const links: readonly (readonly [path: string, target: string])[] = [
  ["bin", "usr/bin"],
  ["sbin", "usr/sbin"],
  ["lib", "usr/lib"],
  ["lib64", "usr/lib64"],
  ["var/run", "/run"],
  ["var/lock", "/run/lock"],
  ["etc/mtab", "../proc/self/mounts"],
];

/** Top directories that exist only where a package uses them; they too are links into /usr. */
export const lateLinks: ReadonlySet<string> = new Set(["lib32", "libx32", "libo32"]);

/** Debian's static users (base-passwd's passwd.master). */
const users: readonly (readonly [name: string, uid: number, gid: number, home: string, shell: string])[] = [
  ["root", 0, 0, "/root", "/bin/bash"],
  ["daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin"],
  ["bin", 2, 2, "/bin", "/usr/sbin/nologin"],
  ["sys", 3, 3, "/dev", "/usr/sbin/nologin"],
  ["sync", 4, 65534, "/bin", "/bin/sync"],
  ["games", 5, 60, "/usr/games", "/usr/sbin/nologin"],
  ["man", 6, 12, "/var/cache/man", "/usr/sbin/nologin"],
  ["lp", 7, 7, "/var/spool/lpd", "/usr/sbin/nologin"],
  ["mail", 8, 8, "/var/mail", "/usr/sbin/nologin"],
  ["news", 9, 9, "/var/spool/news", "/usr/sbin/nologin"],
  ["uucp", 10, 10, "/var/spool/uucp", "/usr/sbin/nologin"],
  ["proxy", 13, 13, "/bin", "/usr/sbin/nologin"],
  ["www-data", 33, 33, "/var/www", "/usr/sbin/nologin"],
  ["backup", 34, 34, "/var/backups", "/usr/sbin/nologin"],
  ["list", 38, 38, "/var/list", "/usr/sbin/nologin"],
  ["irc", 39, 39, "/run/ircd", "/usr/sbin/nologin"],
  ["_apt", 42, 65534, "/nonexistent", "/usr/sbin/nologin"],
  ["nobody", 65534, 65534, "/nonexistent", "/usr/sbin/nologin"],
];

/** Debian's static groups (base-passwd's group.master). */
const groups: readonly (readonly [name: string, gid: number])[] = [
  ["root", 0],
  ["daemon", 1],
  ["bin", 2],
  ["sys", 3],
  ["adm", 4],
  ["tty", 5],
  ["disk", 6],
  ["lp", 7],
  ["mail", 8],
  ["news", 9],
  ["uucp", 10],
  ["man", 12],
  ["proxy", 13],
  ["kmem", 15],
  ["dialout", 20],
  ["fax", 21],
  ["voice", 22],
  ["cdrom", 24],
  ["floppy", 25],
  ["tape", 26],
  ["sudo", 27],
  ["audio", 29],
  ["dip", 30],
  ["www-data", 33],
  ["backup", 34],
  ["operator", 37],
  ["list", 38],
  ["irc", 39],
  ["src", 40],
  ["shadow", 42],
  ["utmp", 43],
  ["video", 44],
  ["sasl", 45],
  ["plugdev", 46],
  ["staff", 50],
  ["games", 60],
  ["users", 100],
  ["nogroup", 65534],
];

/** Lines of a user; the shell falls back to /bin/sh where there is no bash. */
function passwd(shell: string): string {
  return users
    .map(([name, uid, gid, home, own]) => `${name}:x:${uid}:${gid}:${name}:${home}:${uid === 0 ? shell : own}\n`)
    .join("");
}

const nsswitch = `passwd:         files
group:          files
shadow:         files
gshadow:        files

hosts:          files dns
networks:       files

protocols:      db files
services:       db files
ethers:         db files
rpc:            db files

netgroup:       nis
`;

const hosts = `127.0.0.1\tlocalhost
127.0.1.1\tcerebro
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters
`;

/** A file of the root that is made when no package brought it: its text, or the path of the file it is a copy of. */
export interface DefaultFile {
  path: string;
  text: string;
  mode?: number;
  /** Copied instead when a package has it, as its maintainer script would do. */
  from?: string;
}

/** `hasBash`: whether root's shell exists. */
export function defaultFiles(hasBash: boolean): DefaultFile[] {
  return [
    {
      path: "etc/passwd",
      text: passwd(hasBash ? "/bin/bash" : "/bin/sh"),
      from: "usr/share/base-passwd/passwd.master",
    },
    {
      path: "etc/group",
      text: groups.map(([name, gid]) => `${name}:x:${gid}:\n`).join(""),
      from: "usr/share/base-passwd/group.master",
    },
    { path: "etc/hosts", text: hosts },
    { path: "etc/hostname", text: "cerebro\n" },
    { path: "etc/nsswitch.conf", text: nsswitch, from: "usr/share/libc-bin/nsswitch.conf" },
    { path: "etc/ld.so.conf", text: "include /etc/ld.so.conf.d/*.conf\n" },
    { path: "etc/shells", text: hasBash ? "/bin/sh\n/bin/bash\n/usr/bin/bash\n" : "/bin/sh\n" },
    { path: "etc/fstab", text: "" },
    { path: "etc/environment", text: "" },
  ];
}

/** Directories and links of an empty root. */
export function skeleton(): MemoryEntry[] {
  return [
    ...directories.map(([path, mode]) => new MemoryEntry(path, "directory", mode)),
    ...links.map(([path, linkTarget]) => new MemoryEntry(path, "symlink", 0o777, { linkTarget })),
  ];
}

/** A generated text file. */
export function textEntry(path: string, text: string, mode = 0o644): MemoryEntry {
  return new MemoryEntry(path, "file", mode, { bytes: encodeUtf8(text) });
}
