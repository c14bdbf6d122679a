import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/text.ts";
import { parseStanza } from "../formats/debcontrol.ts";
import { alternativesOf, diversionsOf, infoName, maintainerCommands } from "./maintainer.ts";
import type { StoredPackage } from "./store.ts";

function stored(name: string, scripts: Record<string, string>, fields = ""): StoredPackage {
  return {
    sha256: "",
    control: parseStanza(`Package: ${name}\nVersion: 1\nArchitecture: amd64\n${fields}`),
    name,
    version: "1",
    architecture: "amd64",
    controlFiles: new Map(
      Object.entries(scripts).map(([file, text]) => [file, { mode: 0o755, bytes: encodeUtf8(text) }]),
    ),
    entries: [],
    warnings: [],
  };
}

const alternatives = (postinst: string) =>
  alternativesOf(stored("x", { postinst })).map(({ link, name, path, priority, slaves }) => [
    link,
    name,
    path,
    priority,
    slaves.length,
  ]);

describe("alternatives", () => {
  it("are read from continued lines, variables and loops over constants", () => {
    expect(
      alternatives(`
        dir=/usr/share/x/bin
        prio="30"
        case "$1" in configure)
          update-alternatives --quiet --install /usr/bin/mvn mvn $dir/mvn $prio \\
            --slave /usr/bin/mvnDebug mvnDebug \${dir}/mvnDebug \\
            --slave "/usr/share/man/mvn.1" 'mvn.1' $dir/m.1 || true
          for i in vi ex; do
            if [ -e /usr/bin/$i.x ]; then
              /usr/bin/update-alternatives --install /usr/bin/$i $i "/usr/bin/$i.x" 5 >/dev/null
            fi
          done
        esac`),
    ).toEqual([
      ["/usr/bin/mvn", "mvn", "/usr/share/x/bin/mvn", 30, 2],
      ["/usr/bin/vi", "vi", "/usr/bin/vi.x", 5, 0],
      ["/usr/bin/ex", "ex", "/usr/bin/ex.x", 5, 0],
    ]);
  });

  it("are left alone where only a shell can tell what is meant", () => {
    expect(
      alternatives('update-alternatives --install "$1" a /b 1\nupdate-alternatives --install /a a $(which a) 1'),
    ).toEqual([]);
    expect(
      alternatives(
        "# update-alternatives --install /a a /b 1\nupdate-alternatives --remove a /b\necho a-update-alternatives",
      ),
    ).toEqual([]);
    expect(
      alternatives(
        "update-alternatives --install ../a a /b 1\nupdate-alternatives --install /../a a /b 1\nupdate-alternatives --install /a .. /b 1\nupdate-alternatives --install /a ../../b /b 1\n",
      ),
    ).toEqual([]);
    expect(alternatives("update-alternatives --install /usr/bin/lzma lzma /usr/bin/xz 20 $(\n slave a b c\n)")).toEqual(
      [["/usr/bin/lzma", "lzma", "/usr/bin/xz", 20, 0]],
    );
  });
});

it("diversions are read", () => {
  const preinst =
    "dpkg-divert --package dash --no-rename --divert /bin/sh.distrib --add /bin/sh\ndpkg-divert --remove /bin/no\ndpkg-divert --add --rename /bin/b\n";
  expect(diversionsOf(stored("x", { preinst }))).toEqual([
    { package: "dash", from: "/bin/sh", to: "/bin/sh.distrib" },
    { package: "x", from: "/bin/b", to: "/bin/b.distrib" },
  ]);
});

it("scripts are called as dpkg calls them", () => {
  const one = stored("libx", { postinst: "", preinst: "" }, "Multi-Arch: same\n");
  expect(infoName(one)).toBe("libx:amd64");
  const commands = maintainerCommands([one, stored("y", { postinst: "" })]);
  expect(commands.map(({ path, args }) => [path, ...args])).toEqual([
    ["/var/lib/dpkg/info/libx:amd64.preinst", "install"],
    ["/var/lib/dpkg/info/libx:amd64.postinst", "configure", ""],
    ["/var/lib/dpkg/info/y.postinst", "configure", ""],
  ]);
  expect(commands[0]!.environment).toMatchObject({
    DPKG_MAINTSCRIPT_PACKAGE: "libx",
    DPKG_MAINTSCRIPT_NAME: "preinst",
  });
});
