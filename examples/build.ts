// Builds examples/hello.deb from hello/hello.c: node scripts/run.js examples/build.ts. The result is committed, so that the
// demo also runs where there is no C compiler.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { debianPackage } from "./deb.ts";

const examples = resolve(import.meta.dirname, "../../examples");
const work = mkdtempSync(join(tmpdir(), "cerebro-hello-"));
const program = join(work, "hello");
execFileSync("gcc", [
  ...[
    "-O2",
    "-Wall",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
  ],
  ...["-fno-pie", "-no-pie", "-s", "-Wl,--build-id=none", "-o", program, join(examples, "hello/hello.c")],
]);
const members = [
  { name: "./" },
  { name: "./usr/" },
  { name: "./usr/bin/" },
  { name: "./usr/bin/hello", bytes: readFileSync(program), mode: 0o755 },
];
writeFileSync(
  join(examples, "hello.deb"),
  debianPackage(readFileSync(join(examples, "hello/control"), "utf8"), members),
);
rmSync(work, { recursive: true });
