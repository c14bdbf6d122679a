import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FormatError } from "../base/errors.ts";
import { utf8 } from "../base/text.ts";
import { arMembers, isDeb } from "./ar.ts";
import { debData, parseDeb } from "./deb.ts";
import { parseStanza, parseStanzas } from "./debcontrol.ts";
import { parseRelations, relationApplies, showRelation } from "./debrelation.ts";
import { compareVersions, parseVersion, versionSatisfies } from "./debversion.ts";
import { parseShebang } from "./shebang.ts";
import { tarContent, tarEntries } from "./tar.ts";

const directory = mkdtempSync(join(tmpdir(), "cerebro-deb-"));
afterAll(() => rmSync(directory, { recursive: true }));

const tree = join(directory, "tree");
mkdirSync(join(tree, "DEBIAN"), { recursive: true });
mkdirSync(join(tree, "usr/bin"), { recursive: true });
writeFileSync(
  join(tree, "DEBIAN/control"),
  "Package: greet\nVersion: 1:2.0-3\nArchitecture: amd64\nMaintainer: A B <a@b.c>\nDescription: says hello\n A longer\n .\n text.\n",
);
writeFileSync(join(tree, "DEBIAN/postinst"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
writeFileSync(join(tree, "usr/bin/greet"), "#!/bin/sh\necho hello\n", { mode: 0o755 });

function build(compression: string): string {
  const file = join(directory, `${compression}.deb`);
  execFileSync("dpkg-deb", ["--root-owner-group", `-Z${compression}`, "--uniform-compression", "-b", tree, file], {
    stdio: "ignore",
  });
  return file;
}

describe("parseDeb", () => {
  it.each(["none", "gzip", "xz", "zstd"])("reads what dpkg-deb built with %s", (compression) => {
    const file = build(compression);
    const bytes = readFileSync(file);
    expect(isDeb(bytes)).toBe(true);
    const deb = parseDeb(bytes);
    expect(deb).toMatchObject({
      name: "greet",
      version: "1:2.0-3",
      architecture: "amd64",
      dataCompression: compression,
    });
    expect(deb.control.toString()).toBe(execFileSync("dpkg-deb", ["-f", file], { encoding: "utf8" }));
    expect(utf8(deb.controlFiles.get("postinst")!.bytes)).toBe("#!/bin/sh\nexit 0\n");
    expect(deb.controlFiles.get("postinst")!.mode & 0o111).toBe(0o111);
    const tar = debData(deb);
    expect(Buffer.compare(tar, execFileSync("dpkg-deb", ["--fsys-tarfile", file]))).toBe(0);
    const greet = [...tarEntries(tar)].find(({ path }) => path === "./usr/bin/greet")!;
    expect(utf8(tarContent(tar, greet))).toContain("echo hello");
  });

  it("reads bzip2, which dpkg-deb no longer writes", () => {
    const parts = join(directory, "parts");
    mkdirSync(parts);
    execFileSync("sh", [
      "-c",
      `cd ${parts} && ar x ../none.deb && bzip2 data.tar && ar rc ../bzip2.deb debian-binary control.tar data.tar.bz2`,
    ]);
    const tars = ["bzip2", "none"].map((name) => debData(parseDeb(readFileSync(join(directory, `${name}.deb`)))));
    expect(Buffer.compare(tars[0]!, tars[1]!)).toBe(0);
  });

  const member = (name: string, body: string) =>
    `${name.padEnd(16)}${"0".padEnd(12)}0     0     100644  ${String(body.length).padEnd(10)}\`\n${body}${body.length % 2 ? "\n" : ""}`;
  const bytesOf = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  it.each([
    ["no ar", "hello", "ar: does not begin with"],
    ["other first member", `!<arch>\n${member("control.tar", "")}`, 'first member is "control.tar"'],
    ["version", `!<arch>\n${member("debian-binary", "3.0\n")}`, 'format version is "3.0", known is 2.x'],
    ["no control", `!<arch>\n${member("debian-binary", "2.0\n")}`, "deb: has no control.tar member"],
    [
      "order",
      `!<arch>\n${member("debian-binary", "2.0\n")}${member("data.tar", "")}`,
      'found member "data.tar" where control.tar belongs',
    ],
    [
      "compression",
      `!<arch>\n${member("debian-binary", "2.0\n")}${member("control.tar.lzma", "")}`,
      "compression of control.tar.lzma is not known",
    ],
    [
      "size past the end",
      `!<arch>\n${member("debian-binary", "2.0\n").replace("4   ", "999 ")}`,
      "0x3e7 bytes at 0x44",
    ],
  ])("refuses %s", (_name, text, message) => {
    expect(() => parseDeb(bytesOf(text))).toThrow(FormatError);
    expect(() => parseDeb(bytesOf(text))).toThrow(message);
  });
});

describe("arMembers", () => {
  it("reads long names as GNU ar writes them", () => {
    const names = ["a.o", "a_name_longer_than_sixteen_characters.o", "odd"];
    for (const [i, name] of names.entries()) writeFileSync(join(directory, name), "x".repeat(i + 1));
    execFileSync("ar", ["rc", "test.a", ...names], { cwd: directory });
    const members = [...arMembers(readFileSync(join(directory, "test.a")))];
    expect(members.map(({ name, bytes }) => [name, utf8(bytes)])).toEqual(
      names.map((name, i) => [name, "x".repeat(i + 1)]),
    );
  });
});

describe("control data", () => {
  it("has stanzas, folded fields and comments", () => {
    const stanzas = parseStanzas("A: 1\n# note\nB:\n x\n  y\n\n\n\nc: 2\r\n");
    expect(stanzas.map((stanza) => [...stanza.entries()])).toEqual([
      [
        ["A", "1"],
        ["B", "\nx\n y"],
      ],
      [["c", "2"]],
    ]);
    expect(stanzas[0]!.toString()).toBe("A: 1\nB:\n x\n  y\n");
    expect(stanzas[1]!.get("C")).toBe("2");
  });
  it.each([
    ["A: 1\nA: 2", "repeats field A"],
    [" x", "line 1 continues no field"],
    ["what", 'is no "Field: value"'],
    ["A: 1\n\nB: 2", "has 2 stanzas"],
  ])("refuses %j", (text, message) => {
    expect(() => parseStanza(text)).toThrow(message);
  });
});

describe("versions", () => {
  const versions = [
    "0",
    "1",
    "1.0",
    "1.00",
    "1.0-1",
    "1.0-0",
    "1:0.1",
    "0:1.0",
    "1.0~rc1-1",
    "1.0~~",
    "1.0~",
    "1.0a",
    "1.0+b1",
    "1.0-1+b1",
    "1.0-1~bpo1",
    "2.36-9+deb12u14",
    "2.36-9+deb12u4",
    "1.2.3-4-5",
    "9999",
    "010",
    "a",
    "1.a",
    "1..a",
    "1.0z",
    "1.0A",
    "3.11.2-6+deb12u9",
    "1:1-1",
  ];
  it("compare as dpkg compares them", () => {
    const pairs = versions.flatMap((a) => versions.map((b) => [a, b] as const));
    const commands = pairs.map(
      ([a, b]) =>
        `dpkg --compare-versions '${a}' lt '${b}' && echo lt || { dpkg --compare-versions '${a}' eq '${b}' && echo eq || echo gt; }`,
    );
    const expected = execFileSync("sh", ["-c", commands.join("\n") + "\n"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .split("\n");
    const got = pairs.map(([a, b]) => {
      const order = compareVersions(a, b);
      return order < 0 ? "lt" : order > 0 ? "gt" : "eq";
    });
    expect(got).toEqual(expected);
  });
  it("are refused when they are none", () => {
    for (const bad of ["", "1.0-", "a b", "x:1", "1.0_2"]) expect(() => parseVersion(bad)).toThrow(FormatError);
    expect(versionSatisfies("1.0", ">>", "1.0~rc1")).toBe(true);
  });
});

describe("relations", () => {
  it("have alternatives, qualifiers, versions, architectures and profiles", () => {
    const [a, b] = parseRelations("libc6:any (>= 2.34) | libc (<< 3), perl:native [amd64 i386] <!nocheck> <x>, ");
    expect(a!.map(showRelation)).toEqual(["libc6:any (>= 2.34)", "libc (<< 3)"]);
    expect(b![0]).toMatchObject({ name: "perl", qualifier: "native", architectures: ["amd64", "i386"] });
    expect([
      relationApplies(b![0]!, "amd64"),
      relationApplies(b![0]!, "arm64"),
      relationApplies(a![0]!, "arm64"),
    ]).toEqual([true, false, true]);
    expect(parseRelations("x (> 1)")[0]![0]!.relation).toBe(">=");
    expect(relationApplies(parseRelations("x [!amd64]")[0]![0]!, "amd64")).toBe(false);
  });
  it.each(["a b", "(>= 1)", "a (>= )", "a (~ 1)", "a |"])("refuse %j", (text) => {
    expect(() => parseRelations(text)).toThrow(FormatError);
  });
});

describe("parseShebang", () => {
  const parse = (text: string) => parseShebang(new TextEncoder().encode(text));
  it("splits as Linux does", () => {
    expect(parse("#!/bin/sh\n")).toEqual({ interpreter: "/bin/sh", argument: undefined });
    expect(parse("#! /usr/bin/env  -S a b \t\nx")).toEqual({ interpreter: "/usr/bin/env", argument: "-S a b" });
    expect(parse("#!/bin/sh")).toEqual({ interpreter: "/bin/sh", argument: undefined });
    expect([parse("#!\n"), parse("#!   \n"), parse("# !/bin/sh"), parse(`#!/${"x".repeat(300)}\n`)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(parse(`#!/bin/sh ${"x".repeat(300)}\n`)!.argument!.length).toBe(245);
  });
});
