// What a program can reach without a grant: nothing of the host. And how much it can take: what its contract allows.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeHost } from "../../src/hosts/node/index.ts";
import { createMachine, type MachineOptions } from "../../src/machine/index.ts";

const secret = `secret-${Math.random()}`;
const work = mkdtempSync(join(tmpdir(), "containment-"));
const able =
  spawnSync("gcc", ["-static", "-x", "c", "-o", join(work, "probe"), "-"], { input: "int main(){return 0;}" })
    .status === 0;
let server: Server;
let port = 0;
let connections = 0;

function build(name: string): Uint8Array {
  const binary = join(work, name);
  execFileSync("gcc", ["-O1", "-w", "-static", "-o", binary, join(import.meta.dirname, `${name}.c`)]);
  return readFileSync(binary);
}

async function run(
  program: Uint8Array,
  args: string[],
  options: Partial<MachineOptions> = {},
): Promise<{ text: string; log: string[] }> {
  const log: string[] = [];
  const machine = createMachine({ host: nodeHost(), log: (message) => log.push(message), ...options });
  try {
    const process = await machine.run(program, { name: "program", args });
    const [text] = await Promise.all([process.stdout.text(), process.exited]);
    return { text, log };
  } finally {
    machine.dispose();
  }
}

beforeAll(async () => {
  process.env["CONTAINMENT_SECRET"] = secret;
  writeFileSync(join(work, "secret"), secret);
  const granted = join(work, "granted");
  mkdirSync(join(granted, "sub"), { recursive: true });
  symlinkSync(join(work, "secret"), join(granted, "absolute"));
  symlinkSync("../secret", join(granted, "relative"));
  symlinkSync("..", join(granted, "up"));
  symlinkSync("../../secret", join(granted, "sub/chain"));
  spawnSync("mkfifo", [join(granted, "fifo")]);
  server = createServer(() => connections++);
  await new Promise<void>((resolve) => server.listen(join(granted, "socket"), resolve));
  const tcp = createServer(() => connections++);
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  port = (tcp.address() as { port: number }).port;
  tcp.unref();
});
afterAll(() => {
  server?.close();
  delete process.env["CONTAINMENT_SECRET"];
  rmSync(work, { recursive: true, force: true });
});

describe.skipIf(!able)("a program without grants", () => {
  it("reaches nothing of the host, and only what was granted of a directory", async () => {
    const mounts = [{ host: join(work, "granted"), guest: "/mnt" }];
    const args = [secret, work, join(work, "secret").slice(1), String(process.pid), String(port)];
    const { text } = await run(build("escape"), args, { mounts });
    expect(text).toBe("done\n");
    expect(connections).toBe(0);
    expect(readFileSync(join(work, "secret"), "utf8")).toBe(secret);
    expect(readdirSync(work).toSorted()).toContain("granted");
  });
});

describe.skipIf(!able)("a program with grants", () => {
  it("writes nothing of what it may only read, and never gets out of what it may write", async () => {
    const top = join(work, "outside");
    for (const name of ["ro/dir", "rw"]) mkdirSync(join(top, name), { recursive: true });
    writeFileSync(join(top, "secret"), secret);
    writeFileSync(join(top, "ro/file"), "as it was");
    const mounts = [
      { host: join(top, "ro"), guest: "/ro", readOnly: true },
      { host: join(top, "rw"), guest: "/rw" },
    ];
    const { text } = await run(build("grants"), [secret, top], { mounts });
    expect(text).toBe("done\n");
    expect(readdirSync(top).toSorted()).toEqual(["ro", "rw", "secret"]);
    expect(readdirSync(join(top, "ro")).toSorted()).toEqual(["dir", "file"]);
    expect(readFileSync(join(top, "ro/file"), "utf8")).toBe("as it was");
    expect(readFileSync(join(top, "secret"), "utf8")).toBe(secret);
  });
});

describe.skipIf(!able)("a program that takes all", () => {
  const contract = { disk: 16 * 2 ** 20, files: 512 };
  let program: Uint8Array;
  beforeAll(() => {
    program = build("hogs");
  });

  it.each([
    ["disk", "No space left on device after 1 MiB\nagain 1\n"],
    ["sparse", "0\nNo space left on device 1\n"],
    ["names", "No space left on device 1\n"],
    ["memfd", "No space left on device\n"],
    ["files", "Too many open files 1\n"],
    ["pipes", "Too many open files 1\n"],
    ["sockets", "Too many open files 1\n"],
    ["inotify", "Too many open files 1\n"],
  ])("of %s is stopped", async (what, expected) => {
    const { text, log } = await run(program, [what], { contract });
    expect(text).toBe(expected);
    if (expected.includes("No space")) expect(log.join()).toContain("disk");
  });
});
