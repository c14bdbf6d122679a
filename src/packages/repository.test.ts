import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDeb, temporaryDirectory } from "../../test/support/debs.ts";
import type { HostFiles } from "../host/host.ts";
import type { PackageHost } from "../host/packages.ts";
import { nodePackageHost } from "../hosts/node/packages.ts";
import type { Mirror } from "./apt.ts";
import { listName, parseDeb822, parseOneLine, suiteDirectory } from "./aptsources.ts";
import { prepareRoot } from "./prepare.ts";
import { releaseFiles } from "./repository.ts";
import { parseStanza } from "../formats/debcontrol.ts";

const directory = temporaryDirectory();
const site = join(directory, "site");
const keyring = join(directory, "keyring.gpg");
const armored = join(directory, "keyring.asc");
const gpgHome = join(directory, "gpg");
const gpg = (...args: string[]) =>
  execFileSync("gpg", ["--homedir", gpgHome, "--batch", "--yes", ...args], { stdio: ["ignore", "pipe", "ignore"] });
const requests: string[] = [];
let url = "";

const server = createServer((request, response) => {
  requests.push(request.url!);
  const path = join(site, decodeURIComponent(request.url!));
  if (!existsSync(path)) return response.writeHead(404).end();
  return response.end(readFileSync(path));
});

/** Writes Packages and Release files for what is in the pool, and signs them. */
function publish(
  root: string,
  options: { suite?: string; release?: string; compress?: string[]; key?: string } = {},
): void {
  const { suite = "dists/stable", release = "", compress = ["xz"], key = "good@example.org" } = options;
  const suitePath = join(root, suite);
  const flat = suite === ".";
  const packages = execFileSync("dpkg-scanpackages", ["--multiversion", flat ? "." : "pool"], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const index = join(suitePath, flat ? "Packages" : "main/binary-amd64/Packages");
  mkdirSync(dirname(index), { recursive: true });
  writeFileSync(index, packages);
  for (const command of compress) execFileSync(command, ["-kf", index]);
  const files = ["", ".xz", ".gz", ".bz2"]
    .map((extension) => `${index}${extension}`)
    .filter((path) => existsSync(path));
  const sums = files.map((path) => {
    const bytes = readFileSync(path);
    return ` ${createHash("sha256").update(bytes).digest("hex")} ${bytes.length} ${path.slice(suitePath.length + 1)}`;
  });
  writeFileSync(
    join(suitePath, "Release"),
    `Origin: Test\nSuite: stable\nArchitectures: amd64 i386\nComponents: main\n${release}SHA256:\n${sums.join("\n")}\n`,
  );
  gpg("--local-user", key, "--clear-sign", "-o", join(suitePath, "InRelease"), join(suitePath, "Release"));
  gpg(
    "--local-user",
    key,
    "--detach-sign",
    "--armor",
    "-o",
    join(suitePath, "Release.gpg"),
    join(suitePath, "Release"),
  );
  if (compress.length > 0) rmSync(index);
}

beforeAll(async () => {
  mkdirSync(gpgHome, { mode: 0o700 });
  for (const user of ["good@example.org", "bad@example.org"])
    gpg("--passphrase", "", "--quick-gen-key", user, "ed25519", "sign");
  writeFileSync(keyring, gpg("--export", "good@example.org"));
  writeFileSync(armored, gpg("--armor", "--export", "good@example.org"));
  const pool = join(site, "debian/pool");
  buildDeb(pool, { name: "app", fields: { Depends: "lib (>= 2), mail" }, files: { "usr/bin/app": "x" } });
  buildDeb(pool, { name: "lib", version: "1:1.0" });
  buildDeb(pool, { name: "lib", version: "1:2.0" });
  buildDeb(pool, { name: "mta", fields: { Provides: "mail, other (= 3)" }, architecture: "all" });
  publish(join(site, "debian"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  execFileSync("gpgconf", ["--homedir", gpgHome, "--kill", "all"]);
});

let caches = 0;
const newHost = () => nodePackageHost({ cacheDirectory: join(directory, `cache${caches++}`) });

async function install(mirror: Partial<Mirror>, names = ["app"], host = newHost()): Promise<string[]> {
  const request = { with: names, hostApt: false, mirrors: [{ url: `${url}/debian`, keyrings: [keyring], ...mirror }] };
  const root = await prepareRoot(host, request);
  root.dispose();
  return root.image.packages.map(({ name, version }) => `${name} ${version}`);
}

/** A copy of the repository under another name, changed. */
function variant(name: string, change: (root: string) => void): Partial<Mirror> {
  const root = join(site, name);
  cpSync(join(site, "debian"), root, { recursive: true });
  change(root);
  return { url: `${url}/${name}` };
}

const all = ["lib 1:2.0", "mta 1.0", "app 1.0"];

describe("a mirror", () => {
  it("is verified, resolved and remembered", async () => {
    const host = newHost();
    requests.length = 0;
    expect(await install({}, ["app"], host)).toEqual(all);
    expect(requests.map((path) => basename(decodeURIComponent(path))).sort()).toEqual([
      "InRelease",
      "Packages.xz",
      "app_1.0_amd64.deb",
      "lib_1%3a2.0_amd64.deb",
      "mta_1.0_all.deb",
    ]);
    requests.length = 0;
    expect(await install({}, ["app"], host)).toEqual(all);
    expect(requests).toEqual([]);
    expect(await install({}, ["lib (<< 1:2)"], host)).toEqual(["lib 1:1.0"]);
    expect(requests.map((path) => basename(decodeURIComponent(path)))).toEqual(["InRelease", "lib_1%3a1.0_amd64.deb"]);
  });

  it("takes armored keys, detached signatures, other compressions, hashes as names and flat layouts", async () => {
    expect(await install({ keyrings: [armored] })).toEqual(all);
    expect(await install(variant("detached", (root) => rmSync(join(root, "dists/stable/InRelease"))))).toEqual(all);
    expect(
      await install(
        variant("plain", (root) => {
          rmSync(join(root, "dists"), { recursive: true });
          publish(root, { compress: [] });
        }),
      ),
    ).toEqual(all);
    expect(
      await install(
        variant("hashed", (root) => {
          rmSync(join(root, "dists"), { recursive: true });
          publish(root, { compress: ["gzip"], release: "Acquire-By-Hash: yes\n" });
          const index = join(root, "dists/stable/main/binary-amd64");
          const bytes = readFileSync(join(index, "Packages.gz"));
          mkdirSync(join(index, "by-hash/SHA256"), { recursive: true });
          writeFileSync(join(index, "by-hash/SHA256", createHash("sha256").update(bytes).digest("hex")), bytes);
          writeFileSync(join(index, "Packages.gz"), "changed meanwhile");
        }),
      ),
    ).toEqual(all);
    const flat = variant("flat", (root) => {
      rmSync(join(root, "dists"), { recursive: true });
      publish(root, { suite: "." });
    });
    expect(await install({ ...flat, suites: ["./"] })).toEqual(all);
  });

  it.each<[string, string, (root: string) => void]>([
    ["key is not trusted", "no valid signature", (root) => publish(root, { key: "bad@example.org" })],
    [
      "release was changed",
      "no valid signature",
      (root) => edit(join(root, "dists/stable/InRelease"), "Origin: Test", "Origin: Evil"),
    ],
    [
      "release was changed beside its signature",
      "no valid signature",
      (root) => {
        rmSync(join(root, "dists/stable/InRelease"));
        edit(join(root, "dists/stable/Release"), "Origin: Test", "Origin: Evil");
      },
    ],
    [
      "release is not signed",
      "is not signed",
      (root) => {
        rmSync(join(root, "dists/stable/InRelease"));
        rmSync(join(root, "dists/stable/Release.gpg"));
      },
    ],
    [
      "release has no signature inside",
      "InRelease",
      (root) => cpSync(join(root, "dists/stable/Release"), join(root, "dists/stable/InRelease")),
    ],
    [
      "index was changed",
      "its index says",
      (root) => writeFileSync(join(root, "dists/stable/main/binary-amd64/Packages.xz"), "evil"),
    ],
    [
      "package was changed",
      "its index says",
      (root) => edit(join(root, "pool/app_1.0_amd64.deb"), "control.tar.gz", "control.tar.xz"),
    ],
    [
      "release has expired",
      "expired on",
      (root) => {
        rmSync(join(root, "dists"), { recursive: true });
        publish(root, { release: "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n" });
      },
    ],
  ])("is refused when its %s", async (name, message, change) => {
    const failure = install(variant(name.replaceAll(" ", "-"), change));
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toMatchObject({ code: "signature" });
  });

  it("is not told anything by what stands outside the signed part", async () => {
    const mirror = variant("appended", (root) => {
      const path = join(root, "dists/stable/InRelease");
      const expired = "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n";
      writeFileSync(path, `${expired}${readFileSync(path, "utf8")}\n${expired}`);
    });
    expect(await install(mirror)).toEqual(all);
  });

  it("says when it cannot be reached", async () => {
    await expect(install({ url: "http://127.0.0.1:9" })).rejects.toMatchObject({ code: "network" });
    await expect(install({ url: `${url}/nowhere` })).rejects.toThrow("neither InRelease nor Release");
  });
});

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, "latin1");
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to), "latin1");
}

describe("the host's APT", () => {
  /** A host whose absolute paths lie in a directory, and which has no apt-get or a pretended one. */
  function hostAt(root: string, run: PackageHost["run"] = async () => undefined): PackageHost {
    const real = newHost();
    const moved = (path: string) => (path.startsWith(directory) ? path : join(root, path));
    const files = Object.fromEntries(
      Object.entries(real.files).map(([name, call]) => [
        name,
        (path: string, ...rest: unknown[]) => (call as (...args: unknown[]) => unknown)(moved(path), ...rest),
      ]),
    ) as unknown as HostFiles;
    return { ...real, files, run };
  }

  function configure(name: string): string {
    const root = join(directory, name);
    mkdirSync(join(root, "etc/apt/sources.list.d"), { recursive: true });
    const key = readFileSync(armored, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => ` ${line || "."}`)
      .join("\n");
    writeFileSync(
      join(root, "etc/apt/sources.list.d/test.sources"),
      `Types: deb deb-src\nURIs: ${url}/debian\nSuites: stable\nComponents: main\nSigned-By:\n${key}\n`,
    );
    writeFileSync(
      join(root, "etc/apt/sources.list.d/off.sources"),
      `Enabled: no\nTypes: deb\nURIs: ${url}/nowhere\nSuites: stable\nComponents: main\n`,
    );
    return root;
  }

  it("is read over the network where there is no apt-get", async () => {
    const root = await prepareRoot(hostAt(configure("no-apt")), { with: ["app"], essential: "none" });
    expect(root.image.packages.map(({ name }) => name)).toEqual(["lib", "mta", "app"]);
    root.dispose();
  });

  it("uses the lists that are there, and apt-get for downloads in one command", async () => {
    const root = configure("apt");
    const lists = join(root, "var/lib/apt/lists");
    mkdirSync(lists, { recursive: true });
    const name = (path: string) => join(lists, listName(`${url}/debian/dists/stable/${path}`));
    cpSync(join(site, "debian/dists/stable/InRelease"), name("InRelease"));
    execFileSync("sh", [
      "-c",
      'xz -dc "$1" | lz4 -c > "$2"',
      "sh",
      join(site, "debian/dists/stable/main/binary-amd64/Packages.xz"),
      name("main/binary-amd64/Packages.lz4"),
    ]);
    const commands: string[][] = [];
    const host = hostAt(root, async (_command, args, place) => {
      commands.push([...args]);
      const wanted = args.filter((arg) => arg.includes("="));
      for (const item of wanted) {
        const [package_, version] = item.split("=");
        const stem = `${package_!.split(":")[0]}_${version!.replace(":", "%3a")}_`;
        for (const architecture of ["amd64", "all"]) {
          const from = join(site, "debian/pool", `${stem}${architecture}.deb`);
          if (existsSync(from)) cpSync(from, join(place, `${stem}${architecture}.deb`));
        }
      }
      return { status: 0, stdout: new Uint8Array(0), stderr: "" };
    });
    const prepared = await prepareRoot(host, { with: ["app"], essential: "none" });
    expect(prepared.image.packages.map(({ name: package_ }) => package_)).toEqual(["lib", "mta", "app"]);
    expect(commands).toEqual([["--version"], ["-q", "download", "lib:amd64=1:2.0", "mta=1.0", "app:amd64=1.0"]]);
    prepared.dispose();
  });
});

describe("sources", () => {
  it("are read in the one-line style", () => {
    const text =
      "# none\ndeb [arch=amd64,i386 signed-by=/k.gpg trusted=yes] http://a.example/debian bookworm main contrib # x\ndeb-src http://a.example/debian bookworm main\ndeb http://b.example/flat ./\nnonsense\n";
    expect(parseOneLine(text)).toEqual([
      {
        uri: "http://a.example/debian/",
        suite: "bookworm",
        components: ["main", "contrib"],
        architectures: ["amd64", "i386"],
        signedBy: { paths: ["/k.gpg"], armored: undefined },
        trusted: true,
      },
      {
        uri: "http://b.example/flat/",
        suite: "./",
        components: [],
        architectures: [],
        signedBy: { paths: [], armored: undefined },
        trusted: false,
      },
    ]);
    expect([
      suiteDirectory({ suite: "bookworm" }),
      suiteDirectory({ suite: "./" }),
      suiteDirectory({ suite: "/" }),
    ]).toEqual(["dists/bookworm/", "./", ""]);
  });

  it("are read in the deb822 style, with a key inside", () => {
    const text =
      "Types: deb\nURIs: http://a.example/d http://b.example/d/\nSuites: x x-updates\nComponents: main\nArchitectures: amd64\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n\nTypes: deb-src\nURIs: http://c.example\nSuites: x\n";
    const entries = parseDeb822(text);
    expect(entries.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      "http://a.example/d/ x",
      "http://a.example/d/ x-updates",
      "http://b.example/d/ x",
      "http://b.example/d/ x-updates",
    ]);
    expect(entries[0]!.signedBy.armored).toBe(
      "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n",
    );
  });

  it("have lists named as APT names them", () => {
    expect(listName("http://user:pw@deb.example.org:8080/debian/dists/a/b/InRelease")).toBe(
      "deb.example.org:8080_debian_dists_a_b_InRelease",
    );
    expect(listName("http://x.example/a_b/dists/~x/Packages")).toBe("x.example_a%5fb_dists_%7ex_Packages");
  });

  it("have Release files whose lines are checked", () => {
    const stanza = parseStanza(`A: b\nSHA256:\n ${"0".repeat(64)} 12 main/x\n`);
    expect(releaseFiles(stanza, "r").get("main/x")).toEqual({ sha256: "0".repeat(64), size: 12 });
    expect(() => releaseFiles(parseStanza("SHA256:\n zz 1 x\n"), "r")).toThrow('is no "hash size path"');
  });
});
