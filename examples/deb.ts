// Writes a Debian package (deb(5)) with contents that do not depend on when or where it was made.

import { gzipSync } from "node:zlib";

/** A file or directory of the package; directories end in "/". */
export interface Member {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly mode?: number;
}

function field(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
}

/** A ustar archive (POSIX pax) of members owned by root, dated to the epoch. */
export function tar(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, bytes = new Uint8Array(), mode } of members) {
    const directory = name.endsWith("/");
    const header = Buffer.alloc(512);
    header.write(name, 0, 100, "utf8");
    field(header, 100, 8, mode ?? (directory ? 0o755 : 0o644));
    field(header, 108, 8, 0);
    field(header, 116, 8, 0);
    field(header, 124, 12, bytes.length);
    field(header, 136, 12, 0);
    header.fill(" ", 148, 156);
    header.write(directory ? "5" : "0", 156, "latin1");
    header.write("ustar\x0000root", 257, "latin1");
    header.write("root", 297, "latin1");
    field(
      header,
      148,
      7,
      header.reduce((sum, byte) => sum + byte, 0),
    );
    parts.push(header, Buffer.from(bytes), Buffer.alloc(-bytes.length & 511));
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

/** A common archive (ar(5)). */
function ar(members: readonly { readonly name: string; readonly bytes: Uint8Array }[]): Buffer {
  const parts = [Buffer.from("!<arch>\n")];
  for (const { name, bytes } of members) {
    const header = name.padEnd(16) + "0".padEnd(12) + "0".padEnd(6) + "0".padEnd(6) + "100644".padEnd(8);
    parts.push(Buffer.from(`${header}${String(bytes.length).padEnd(10)}\`\n`), Buffer.from(bytes));
    if (bytes.length % 2) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

/** A package from the text of its control file and its members, whose names begin with "./". */
export function debianPackage(control: string, members: readonly Member[]): Buffer {
  return ar([
    { name: "debian-binary", bytes: Buffer.from("2.0\n") },
    {
      name: "control.tar.gz",
      bytes: gzipSync(tar([{ name: "./" }, { name: "./control", bytes: Buffer.from(control) }])),
    },
    { name: "data.tar.gz", bytes: gzipSync(tar(members), { level: 9 }) },
  ]);
}
