import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildDeb, temporaryDirectory, type DebRecipe } from "../../test/support/debs.ts";
import { utf8 } from "../base/text.ts";
import { nodePackageHost } from "../hosts/node/packages.ts";
import type { PackageHost } from "../host/packages.ts";
import type { RootImage } from "./image.ts";
import { prepareRoot, type PreparedRoot, type RootRequest } from "./prepare.ts";
import { chooseProgram, programsOf } from "./programs.ts";

const directory = temporaryDirectory();
let pools = 0;

/** Makes a pool of these packages and prepares a root from it. */
async function prepare(recipes: DebRecipe[], request: RootRequest, host?: PackageHost): Promise<PreparedRoot> {
  const pool = join(directory, `pool${pools++}`);
  mkdirSync(pool);
  for (const recipe of recipes) buildDeb(pool, recipe);
  const used = host ?? nodePackageHost({ cacheDirectory: join(pool, "cache") });
  const main = typeof request.main === "string" ? { main: join(pool, request.main) } : {};
  return prepareRoot(used, { pools: [pool], hostApt: false, essential: "none", ...request, ...main });
}

const names = (root: PreparedRoot) =>
  root.image.packages.map(({ name, version }) => (version === "1.0" ? name : `${name}=${version}`));
const text = (image: RootImage, path: string) => utf8(image.find(path, { follow: true })!.content());

describe("resolution", () => {
  it("follows Depends and Pre-Depends, dependencies first", async () => {
    const root = await prepare(
      [
        { name: "app", fields: { Depends: "libone (>= 1), libtwo", "Pre-Depends": "base" } },
        { name: "libone", fields: { Depends: "base" } },
        { name: "libtwo", fields: { Depends: "libone" } },
        { name: "base", architecture: "all" },
        { name: "unrelated" },
      ],
      { main: "app_1.0_amd64.deb" },
    );
    expect(names(root)).toEqual(["base", "libone", "libtwo", "app"]);
    expect(root.main!.name).toBe("app");
  });

  it("takes the first alternative that is there, and one that is chosen already before all", async () => {
    const recipes = [
      { name: "aa", fields: { Depends: "missing | bb | cc" } },
      { name: "bb" },
      { name: "cc" },
      { name: "dd", fields: { Depends: "cc" } },
      { name: "ee", fields: { Depends: "dd, bb | cc" } },
    ];
    expect(names(await prepare(recipes, { with: ["aa"] }))).toEqual(["bb", "aa"]);
    expect(names(await prepare(recipes, { with: ["cc", "aa"] }))).toEqual(["cc", "aa"]);
  });

  it("knows virtual packages, with and without versions", async () => {
    const recipes = [
      { name: "aa", fields: { Depends: "mail" } },
      { name: "bb", fields: { Depends: "mail (>= 2)" } },
      { name: "exim", fields: { Provides: "mail (= 1.5)" } },
      { name: "postfix", fields: { Provides: "mail (= 2.5)" } },
      { name: "plain", fields: { Provides: "mail" } },
    ];
    expect(names(await prepare(recipes, { with: ["aa"] }))).toEqual(["exim", "aa"]);
    expect(names(await prepare(recipes, { with: ["bb"] }))).toEqual(["postfix", "bb"]);
  });

  it("takes the highest version that fits", async () => {
    const recipes = [
      { name: "lib", version: "1.9" },
      { name: "lib", version: "1.10" },
      { name: "lib", version: "2.0" },
      { name: "new", fields: { Depends: "lib" } },
      { name: "old", fields: { Depends: "lib (<< 2)" } },
      { name: "exact", fields: { Depends: "lib (= 1.9)" } },
    ];
    for (const [want, version] of [
      ["new", "2.0"],
      ["old", "1.10"],
      ["exact", "1.9"],
    ] as const) {
      expect(names(await prepare(recipes, { with: [want] }))[0]).toBe(`lib=${version}`);
    }
  });

  it("lets cycles be, and keeps architectures apart", async () => {
    const recipes = [
      { name: "aa", architecture: "i386", fields: { Depends: "bb:any" } },
      { name: "bb", architecture: "i386", fields: { Depends: "aa" } },
      { name: "bb", version: "9", architecture: "amd64" },
    ];
    const root = await prepare(recipes, { main: "aa_1.0_i386.deb" });
    expect([root.image.architecture, names(root).sort()]).toEqual(["i386", ["aa", "bb"]]);
  });

  it("tells of all that is missing, and by whom it is needed", async () => {
    const recipes = [
      { name: "aa", fields: { Depends: "bb, nothing (>= 3) | none" } },
      { name: "bb", fields: { Depends: "gone" } },
    ];
    const failure = await prepare(recipes, { with: ["aa"] }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "dependency" });
    expect(String(failure)).toMatch(
      /aa 1\.0 needs nothing \(>= 3\) or none; bb 1\.0 needs gone: not found in given files, .*pool/,
    );
    await expect(prepare(recipes, { with: ["zz"] })).rejects.toMatchObject({ code: "not-found" });
  });

  it("passes over alternatives that conflict, and refuses what is asked for and conflicts", async () => {
    const recipes = [{ name: "aa", fields: { Depends: "bb | cc", Conflicts: "bb" } }, { name: "bb" }, { name: "cc" }];
    expect(names(await prepare(recipes, { with: ["aa"] }))).toEqual(["cc", "aa"]);
    await expect(prepare(recipes, { with: ["aa", "bb"] })).rejects.toThrow("aa 1.0 conflicts with bb 1.0");
  });

  it("refuses packages for other machines", async () => {
    await expect(prepare([{ name: "arm", architecture: "arm64" }], { main: "arm_1.0_arm64.deb" })).rejects.toThrow(
      "arm is for arm64",
    );
  });

  it("adds Essential packages where programs show a need", async () => {
    const recipes = [
      { name: "tool", files: { "usr/bin/tool": "#!/bin/sh\necho hi\n" } },
      { name: "dash", files: { "usr/bin/sh": "x" } },
      { name: "coreutils" },
      { name: "grep" },
    ];
    const warnings: string[] = [];
    const root = await prepare(recipes, {
      with: ["tool"],
      essential: "needed",
      warn: (message) => warnings.push(message),
    });
    expect(names(root).sort()).toEqual(["coreutils", "dash", "grep", "tool"]);
    expect(warnings).toEqual(["not found, and perhaps needed: sed, findutils, debianutils"]);
  });
});

describe("the root image", () => {
  it("merges /usr, and follows links of the root as dpkg does", async () => {
    const { image } = await prepare(
      [
        {
          name: "aa",
          files: {
            "bin/tool": "x",
            "lib/x/liba.so": "a",
            "lib32/l.so": "l",
            "var/run/pid": "1",
            "opt/data": "-> ../srv/data",
          },
        },
        { name: "bb", files: { "opt/data/file": "b", "srv/data/other": "o" } },
      ],
      { with: ["aa", "bb"] },
    );
    const paths = image.entries.map(({ path }) => path);
    for (const path of ["usr/bin/tool", "usr/lib/x/liba.so", "usr/lib32/l.so", "run/pid", "srv/data/file"])
      expect(paths).toContain(path);
    expect(image.find("bin")).toMatchObject({ type: "symlink", linkTarget: "usr/bin" });
    expect(text(image, "bin/tool")).toBe("x");
    expect(image.owner("/lib/x/liba.so".slice(1))).toBe("aa");
    expect(new Set(paths).size).toBe(paths.length);
    for (const [i, path] of paths.entries()) {
      const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
      if (path !== "") expect(paths.indexOf(parent)).toBeLessThan(i);
    }
  });

  it("settles files of two packages by Replaces", async () => {
    const recipes = [
      { name: "one", files: { "etc/f": "one", "etc/g": "one" } },
      { name: "two", fields: { Replaces: "one" }, files: { "etc/f": "two" } },
      { name: "three", files: { "etc/g": "three" } },
    ];
    const { image } = await prepare(recipes, { with: ["two", "one", "three"] });
    expect([text(image, "etc/f"), text(image, "etc/g")]).toEqual(["two", "three"]);
    expect(image.warnings).toEqual(["three and one both have /etc/g; three's is used"]);
  });

  it("sets up alternatives and diversions that maintainer scripts ask for", async () => {
    const awk = (name: string, priority: number) => ({
      name,
      files: { [`usr/bin/${name}`]: name, [`usr/share/man/${name}.1`]: "m" },
      control: {
        postinst: `#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n  update-alternatives --install /usr/bin/awk awk /usr/bin/${name} ${priority} \\\n    --slave /usr/share/man/awk.1 awk.1 /usr/share/man/${name}.1\n  update-alternatives --install "$x" b /c 1\nfi\n`,
      },
    });
    const divert = {
      name: "divert",
      files: { "usr/bin/which": "diverted" },
      control: {
        preinst:
          "#!/bin/sh\ndpkg-divert --package divert --divert /usr/bin/which.real --rename --add /usr/bin/which || true\n",
      },
    };
    const { image, scripts } = await prepare(
      [awk("mawk", 5), awk("sed", 10), divert, { name: "which", files: { "usr/bin/which": "real" } }],
      { with: ["mawk", "sed", "which", "divert"] },
    );
    expect(image.find("etc/alternatives/awk")?.linkTarget).toBe("/usr/bin/sed");
    expect([text(image, "usr/bin/awk"), text(image, "usr/share/man/awk.1")]).toEqual(["sed", "m"]);
    expect([text(image, "usr/bin/which"), text(image, "usr/bin/which.real")]).toEqual(["diverted", "real"]);
    const admin = writeOut(image, "alternatives");
    const query = execFileSync(
      "update-alternatives",
      [
        "--admindir",
        join(admin, "var/lib/dpkg/alternatives"),
        "--altdir",
        join(admin, "etc/alternatives"),
        "--query",
        "awk",
      ],
      { encoding: "utf8" },
    );
    expect(query).toMatch(
      /Best: \/usr\/bin\/sed[\s\S]*Alternative: \/usr\/bin\/sed\nPriority: 10\nSlaves:\n awk\.1 \/usr\/share\/man\/sed\.1/,
    );
    expect(scripts.map(({ path, args }) => [path, ...args].join(" "))).toEqual([
      "/var/lib/dpkg/info/divert.preinst install",
      "/var/lib/dpkg/info/mawk.postinst configure ",
      "/var/lib/dpkg/info/sed.postinst configure ",
    ]);
  });

  it("has a database that dpkg reads", async () => {
    const { image } = await prepare(
      [
        {
          name: "app",
          version: "1:2.0-1",
          fields: { Depends: "lib" },
          files: { "usr/bin/app": "x", "etc/app.conf": "c" },
          control: { conffiles: "/etc/app.conf\n" },
        },
        { name: "lib", fields: { "Multi-Arch": "same" }, files: { "usr/lib/lib.so": "l" } },
      ],
      { with: ["app"] },
    );
    const admin = join(writeOut(image, "database"), "var/lib/dpkg");
    const dpkg = (...args: string[]) =>
      execFileSync("dpkg-query", ["--admindir", admin, ...args], { encoding: "utf8" });
    expect(dpkg("-W", "-f", "${binary:Package} ${Version} ${Status} ${Conffiles}\n")).toBe(
      "app 1:2.0-1 install ok installed  /etc/app.conf newconffile\nlib:amd64 1.0 install ok installed \n",
    );
    expect(dpkg("-S", "/usr/lib/lib.so")).toBe("lib:amd64: /usr/lib/lib.so\n");
    expect(dpkg("-L", "app").split("\n")).toContain("/etc/app.conf");
    expect(text(image, "etc/passwd")).toMatch(/^root:x:0:0:root:\/root:\/bin\/sh\n/);
  });

  it("chooses the program", async () => {
    const { image } = await prepare(
      [
        { name: "single", files: { "usr/bin/other": "x", "usr/sbin/admin": "x" } },
        { name: "named", files: { "usr/bin/named": "x", "usr/bin/more": "x" } },
        { name: "tools-utils", files: { "usr/bin/tools": "x", "usr/bin/b": "x" } },
        { name: "many", files: { "usr/bin/a": "x", "usr/bin/b2": "x", "usr/games/c": "-> ../bin/a" } },
        { name: "none", files: { "usr/lib/none.so": "x" } },
      ],
      { with: ["single", "named", "tools-utils", "many", "none"] },
    );
    const of = (name: string) => image.packages.find((stored) => stored.name === name)!;
    expect(["single", "named", "tools-utils"].map((name) => chooseProgram(image, of(name)))).toEqual([
      "/usr/bin/other",
      "/usr/bin/named",
      "/usr/bin/tools",
    ]);
    expect(() => chooseProgram(image, of("many"))).toThrow("many has 3 programs: a b2 c");
    expect(() => chooseProgram(image, of("none"))).toThrow("none 1.0 has no program to run");
    expect([chooseProgram(image, of("many"), "admin"), chooseProgram(image, of("many"), "/usr/games/c")]).toEqual([
      "/usr/sbin/admin",
      "/usr/games/c",
    ]);
    expect(() => chooseProgram(image, of("many"), "zzz")).toThrow("there is no program zzz");
    expect(programsOf(image, of("single"))).toEqual(["/usr/bin/other", "/usr/sbin/admin"]);
  });
});

/** Writes an image to a directory, for the host's tools to look at. */
function writeOut(image: RootImage, name: string): string {
  const root = join(directory, name);
  for (const entry of image.entries) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.type === "directory") mkdirSync(path, { recursive: true });
    if (entry.type === "symlink") symlinkSync(entry.linkTarget!, path);
    if (entry.type === "file") writeFileSync(path, entry.content());
  }
  return root;
}

describe("the cache", () => {
  const recipes = [
    { name: "app", fields: { Depends: "lib" }, files: { "usr/bin/app": "program" } },
    { name: "lib", files: { "usr/lib/lib.so": "library" } },
  ];
  const cacheFiles = (cache: string) =>
    readdirSync(cache, { recursive: true, encoding: "utf8" }).filter((name) => /\.(tar|json|tmp)$/.test(name));

  it("answers the second time without packages, and notices damage", async () => {
    const cache = join(directory, "cache");
    const pool = join(directory, "cached-pool");
    for (const recipe of recipes) buildDeb(pool, recipe);
    const unpacked: string[] = [];
    const request = (): RootRequest => ({
      main: join(pool, "app_1.0_amd64.deb"),
      pools: [pool],
      hostApt: false,
      progress: ({ name }) => unpacked.push(name),
    });
    const host = nodePackageHost({ cacheDirectory: cache });
    (await prepareRoot(host, request())).dispose();
    expect(cacheFiles(cache).length).toBe(4);
    expect(unpacked.length).toBeGreaterThan(0);
    unpacked.length = 0;
    const again = await prepareRoot(host, request());
    expect([unpacked, text(again.image, "usr/bin/app"), text(again.image, "usr/lib/lib.so")]).toEqual([
      [],
      "program",
      "library",
    ]);
    const part = new Uint8Array(4);
    expect([again.image.find("usr/bin/app")!.read(part, 3), utf8(part)]).toEqual([4, "gram"]);
    expect(again.image.find("usr/bin/app")!.read(part, 7)).toBe(0);
    again.dispose();
    for (const name of cacheFiles(cache)) truncateSync(join(cache, name), 100);
    const repaired = await prepareRoot(host, request());
    expect(text(repaired.image, "usr/bin/app")).toBe("program");
    repaired.dispose();
    buildDeb(pool, { ...recipes[1]!, files: { "usr/lib/lib.so": "newer" } });
    const changed = await prepareRoot(host, request());
    expect(text(changed.image, "usr/lib/lib.so")).toBe("newer");
    expect(cacheFiles(cache).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("is done without where it cannot be written", async () => {
    const warnings: string[] = [];
    const host = nodePackageHost({ cacheDirectory: "/proc/no-such-place/cache" });
    const root = await prepare(recipes, { main: "app_1.0_amd64.deb", warn: (message) => warnings.push(message) }, host);
    expect(text(root.image, "usr/lib/lib.so")).toBe("library");
    expect(warnings.join()).toMatch(/cannot write the package cache/);
  });
});

describe("containment", () => {
  /** A package whose data.tar is made by Python, with whatever entries. */
  function evil(name: string, entries: string): string {
    const parts = join(directory, name);
    const deb = buildDeb(join(directory, "evil"), { name });
    mkdirSync(parts);
    const script = `
import tarfile, io
t = tarfile.open("data.tar", "w", format=tarfile.GNU_FORMAT)
def add(name, type=tarfile.REGTYPE, data=b"evil", **more):
    i = tarfile.TarInfo(name); i.type = type; i.size = len(data) if type == tarfile.REGTYPE else 0
    for k, v in more.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
${entries}
t.close()`;
    execFileSync("sh", [
      "-c",
      'cd "$1" && ar x "$2" && rm data.tar.* && python3 -c "$3" && ar rc "$2.new" debian-binary control.tar.gz data.tar && mv "$2.new" "$2"',
      "sh",
      parts,
      deb,
      script,
    ]);
    return deb;
  }
  const load = (deb: string) =>
    prepareRoot(nodePackageHost({ cacheDirectory: join(directory, "evil-cache") }), { main: deb, hostApt: false });

  it("refuses paths that leave the package", async () => {
    await expect(load(evil("dotdot", 'add("./../../etc/passwd")'))).rejects.toThrow(
      'path "./../../etc/passwd" leaves the package',
    );
    await expect(load(evil("hard", 'add("./x", tarfile.LNKTYPE, linkname="../../../etc/passwd")'))).rejects.toThrow(
      "leaves the package",
    );
    expect(existsSync(join(directory, "evil-cache/store"))).toBe(false);
  });

  it("keeps absolute paths and links out within the root", async () => {
    const deb = evil(
      "inside",
      'add("/etc/evil"); add("./out", tarfile.SYMTYPE, linkname="/../../../tmp"); add("./out/file"); add("./loop", tarfile.SYMTYPE, linkname="loop"); add("./loop/x"); add("./self", tarfile.SYMTYPE, linkname="../../.."); add("./self/etc/two")',
    );
    const { image } = await load(deb);
    const paths = image.entries.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(["etc/evil", "tmp/file", "etc/two"]));
    expect(image.warnings).toEqual(["inside: /loop/x cannot be placed: a part of its path is no directory"]);
    expect(existsSync("/tmp/file")).toBe(false);
  });

  it("leaves device nodes out", async () => {
    const { image } = await load(
      evil(
        "devices",
        'add("./dev/sda", tarfile.BLKTYPE, devmajor=8, devminor=0); add("./kmem", tarfile.CHRTYPE, devmajor=1, devminor=2)',
      ),
    );
    expect(image.warnings).toEqual([
      "devices: block device /dev/sda was left out",
      "devices: character device /kmem was left out",
    ]);
    expect(image.find("kmem")).toBeUndefined();
  });

  it("refuses huge sizes before it reserves memory for them", async () => {
    const deb = evil(
      "huge",
      'i = tarfile.TarInfo("./big"); i.size = 1 << 40; t.fileobj.write(i.tobuf(tarfile.GNU_FORMAT)); t.offset += 512',
    );
    await expect(load(deb)).rejects.toThrow("content of ./big ends at 0x10000000200");
    const bomb = evil("bomb", 'add("./zeros", data=bytes(3000000))');
    await expect(
      prepareRoot(nodePackageHost({ cacheDirectory: join(directory, "bomb-cache") }), {
        main: recompressed(bomb),
        hostApt: false,
        dataLimit: 1_000_000,
      }),
    ).rejects.toThrow("unpacks to more than the limit of 1000000 bytes");
  });

  function recompressed(deb: string): string {
    const parts = join(directory, "recompress");
    mkdirSync(parts);
    execFileSync("sh", [
      "-c",
      'cd "$1" && ar x "$2" && gzip data.tar && rm "$2" && ar rc "$2" debian-binary control.tar.gz data.tar.gz',
      "sh",
      parts,
      deb,
    ]);
    expect(readFileSync(deb).length).toBeLessThan(10_000);
    chmodSync(deb, 0o444);
    return deb;
  }
});
