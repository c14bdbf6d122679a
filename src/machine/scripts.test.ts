import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildDeb, temporaryDirectory } from "../../test/support/debs.ts";
import { nodeHost } from "../hosts/node/index.ts";
import { nodePackageHost } from "../hosts/node/packages.ts";
import { createMachine } from "./index.ts";

const directory = temporaryDirectory();

function compile(name: string, code: string): Uint8Array {
  const source = join(directory, `${name}.c`);
  writeFileSync(source, `#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv) { ${code} }\n`);
  execFileSync("gcc", ["-static", "-O1", source, "-o", join(directory, name)]);
  return new Uint8Array(readFileSync(join(directory, name)));
}

it("maintainer scripts run before the program, and a failure is told", async () => {
  const postinst = compile(
    "postinst",
    'FILE *f = fopen("/etc/made", "a"); fprintf(f, "%s %s|", argv[1], getenv("DPKG_MAINTSCRIPT_PACKAGE")); fclose(f); puts("said"); return 3;',
  );
  const preinst = compile(
    "preinst",
    'FILE *f = fopen("/etc/made", "a"); fprintf(f, "%s|", argv[1]); fclose(f); return 0;',
  );
  const show = compile(
    "show",
    'char b[99]; FILE *f = fopen("/etc/made", "r"); puts(f && fgets(b, 99, f) ? b : "nothing"); return 0;',
  );
  const deb = buildDeb(directory, { name: "app", files: { "usr/bin/app": show }, control: { postinst, preinst } });
  const words: string[] = [];
  const run = async (scripts: boolean) => {
    const packages = nodePackageHost({ cacheDirectory: join(directory, "cache") });
    const machine = createMachine({ host: nodeHost(), packages, log: (message) => words.push(message) });
    const program = await machine.run(deb, { scripts, hostApt: false, essential: "none", stdout: "pipe" });
    let text = "";
    for await (const part of program.stdout) text += new TextDecoder().decode(part);
    await program.exited;
    machine.dispose();
    return text;
  };
  expect(await run(false)).toBe("nothing\n");
  expect(words).toEqual([]);
  expect(await run(true)).toBe("install|configure app|\n");
  expect(words).toEqual(["postinst of app ended with 3: said"]);
});
