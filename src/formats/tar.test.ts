import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { latin1, utf8 } from "../base/text.ts";
import { tarContent, tarEntries, type TarEntry } from "./tar.ts";

/** Writes an archive with Python's tarfile and says what Python reads back from it. */
const script = `
import io, json, sys, tarfile
kind = sys.argv[1]
out = io.BytesIO()
format = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}[kind]
tar = tarfile.open(fileobj=out, mode="w", format=format)
def add(name, type=tarfile.REGTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mtime = type, len(data), 1700000000
    for key, value in more.items(): setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data))
add("./", tarfile.DIRTYPE, mode=0o755)
add("./empty")
add("./hello.txt", data=b"hello world\\n", mode=0o640, uid=1000, gid=50, uname="joe", gname="staff")
add("./run", data=b"x" * 512, mode=0o4755)
add("./big", data=bytes(range(256)) * 10)
add("./link", tarfile.SYMTYPE, linkname="../somewhere/else")
add("./hard", tarfile.LNKTYPE, linkname="./hello.txt")
add("./null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
add("./disk", tarfile.BLKTYPE, devmajor=8, devminor=1)
add("./pipe", tarfile.FIFOTYPE)
add("./" + "d" * 80 + "/" + "n" * 90, data=b"long")
if kind != "ustar":
    add("./" + "abc/" * 60 + "n" * 200, data=b"longer")
    add("./far", tarfile.SYMTYPE, linkname="t" * 300)
    add("./owner", uid=3000000, gid=2**31)
    add("./n\\u00e4me", data=b"utf8")
    add("./old", mtime=-5 if kind == "gnu" else 1700000000.25)
if kind == "pax":
    add("./attributes", data=b"x", pax_headers={"SCHILY.xattr.user.note": "hi = there", "comment": "none"})
tar.close()
sys.stdout.buffer.write(out.getvalue())
rows = []
back = tarfile.open(fileobj=io.BytesIO(out.getvalue()))
for m in back:
    rows.append([m.name, m.type.decode(), m.mode, m.uid, m.gid, m.uname, m.gname, m.size if m.isreg() else 0, m.mtime, m.linkname,
      m.devmajor if m.isdev() else 0, m.devminor if m.isdev() else 0, back.extractfile(m).read().hex() if m.isreg() else ""])
sys.stderr.write(json.dumps(rows))
`;

function archive(kind: string): { bytes: Uint8Array; rows: unknown[][] } {
  const rowsFile = execFileSync("sh", ["-c", 'python3 -c "$1" "$2" 2>&1 >/dev/null', "sh", script, kind], {
    encoding: "utf8",
  });
  const bytes = execFileSync("python3", ["-c", script, kind], { stdio: ["ignore", "pipe", "ignore"] });
  return { bytes: new Uint8Array(bytes), rows: JSON.parse(rowsFile) as unknown[][] };
}

const letters: Record<string, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

describe("tarEntries", () => {
  it.each(["ustar", "gnu", "pax"])("agrees with Python's tarfile on %s archives", (kind) => {
    const { bytes, rows } = archive(kind);
    const got = [...tarEntries(bytes)].map((entry) => [
      entry.path.replace(/(.)\/$/, "$1"),
      letters[entry.type],
      entry.mode,
      entry.uid,
      entry.gid,
      entry.userName,
      entry.groupName,
      entry.size,
      entry.mtime,
      entry.linkTarget ?? "",
      entry.deviceMajor,
      entry.deviceMinor,
      Buffer.from(tarContent(bytes, entry)).toString("hex"),
    ]);
    expect(got).toEqual(rows);
    expect(got.length).toBeGreaterThan(10);
  });

  it("reads extended attributes from pax headers", () => {
    const entry = [...tarEntries(archive("pax").bytes)].find(({ path }) => path === "./attributes");
    expect([...entry!.xattrs!].map(([name, value]) => [name, utf8(value)])).toEqual([["user.note", "hi = there"]]);
  });

  it("reads what GNU tar packs", () => {
    const bytes = new Uint8Array(
      execFileSync("tar", ["-C", "/etc", "--exclude=ssl", "-cf", "-", "apt", "alternatives", "passwd"]),
    );
    const names = execFileSync("tar", ["-tf", "-"], { input: bytes, encoding: "utf8" }).trim().split("\n");
    expect([...tarEntries(bytes)].map(({ path }) => path)).toEqual(names);
  });
});

/** A header with a right checksum. */
function header(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(1536);
  const put = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at);
  put(0, "name");
  put(100, "0000644\0" + "0000000\0" + "0000000\0" + "00000000000\0" + "00000000000\0");
  put(156, "0");
  put(257, "ustar\0" + "00");
  change(bytes);
  let sum = 256;
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[i]!;
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

describe("a bad tar", () => {
  const all = (bytes: Uint8Array): TarEntry[] => [...tarEntries(bytes)];
  const put = (at: number, text: string) => (bytes: Uint8Array) =>
    bytes.set(
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
      at,
    );
  it("is read when it is not bad", () => {
    expect(all(header(() => {}))[0]).toMatchObject({ path: "name", mode: 0o644, size: 0, type: "file" });
    expect(all(header(put(0, "caf\xe9")))[0]!.path).toBe("caf\udce9");
    expect(all(header(put(0, "directory/")))[0]!.type).toBe("directory");
    expect(latin1(new Uint8Array(0))).toBe("");
  });
  it.each([
    ["size past the end", header(put(124, "00000010000")), "content of name ends at 0x1200, file has 0x600"],
    ["huge size", header(put(124, "\x80\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01")), "out of range"],
    [
      "negative size",
      header(put(124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
      "size of the entry at 0x0 is out of range",
    ],
    ["no number", header(put(100, "00x0644")), 'mode of the entry at 0x0 is "00x0644"'],
    ["sparse", header(put(156, "S")), 'has type "S" (sparse)'],
    ["unknown type", header(put(156, "Q")), 'has type "Q"'],
    [
      "checksum",
      Uint8Array.from(
        header(() => {}),
        (byte, i) => (i === 3 ? 0x41 : byte),
      ),
      "has checksum",
    ],
    ["cut header", header(() => {}).subarray(0, 500), "ends at 0x200, file has 0x1f4"],
    [
      "huge pax header",
      header((bytes) => (put(156, "x")(bytes), put(124, "07777777777")(bytes))),
      "has 1073741823 bytes, the limit is 1048576",
    ],
    [
      "bad pax record",
      header((bytes) => (put(156, "x")(bytes), put(124, "00000000005")(bytes), put(512, "9 a=b")(bytes))),
      "pax record at 0x0 of 0x5",
    ],
  ])("is refused: %s", (_name, bytes, message) => {
    expect(() => all(bytes)).toThrow(FormatError);
    expect(() => all(bytes)).toThrow(message);
  });
});
