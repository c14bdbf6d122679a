// The command as users have it: built, started in a process of its own.

import { execFileSync, spawn, spawnSync, type SpawnSyncOptions } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const command = join(root, "bin/cerebro.js");
const hello = join(root, "examples/hello.deb");
const work = mkdtempSync(join(tmpdir(), "cerebro-cli-"));
const hasCompiler =
  spawnSync("gcc", ["-static", "-x", "c", "-o", join(work, "probe"), "-"], { input: "int main(void){return 0;}" })
    .status === 0;
if (!hasCompiler) console.warn("parts of the command's tests are skipped: gcc -static does not work here");

afterAll(() => rmSync(work, { recursive: true, force: true }));

function cerebro(args: readonly string[], options: SpawnSyncOptions = {}) {
  const env = { ...process.env, XDG_CACHE_HOME: join(work, "cache"), SECRET_OF_THE_HOST: "visible" };
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    encoding: "utf8",
    env,
    timeout: 60_000,
    ...options,
  });
  return { status, signal, stdout: String(stdout), stderr: String(stderr) };
}

function compile(name: string, source: string): string {
  const path = join(work, name);
  execFileSync("gcc", ["-O1", "-w", "-static", "-x", "c", "-o", path, "-"], { input: source });
  return path;
}

describe("words of our own", () => {
  test("help, version, usage", () => {
    expect(cerebro(["--help"]).stdout).toContain("Cerebro runs Linux programs");
    expect(cerebro(["run", "--help"]).stdout).toContain("--contract LIMITS");
    expect(cerebro(["--version"]).stdout).toMatch(/^cerebro \d+\.\d+\.\d+\n$/);
    expect(cerebro([])).toMatchObject({ status: 125 });
    expect(cerebro(["--wat"])).toMatchObject({
      status: 125,
      stderr: expect.stringContaining("unknown option '--wat'"),
    });
  });

  test("not found is 127, not runnable is 126", () => {
    expect(cerebro(["run", "--offline", "nothing-of-that-name"])).toMatchObject({ status: 127 });
    expect(cerebro(["run", join(root, "package.json")])).toMatchObject({ status: 126 });
    expect(cerebro(["run", work])).toMatchObject({ status: 126 });
    writeFileSync(join(work, "script"), "#!/bin/sh\necho never\n");
    expect(cerebro(["run", join(work, "script")])).toMatchObject({
      status: 127,
      stderr: expect.stringContaining("--with dash"),
    });
  });

  test("inspect tells what a file is", () => {
    const { status, stdout } = cerebro(["inspect", "--json", hello]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      type: "Debian package",
      package: "hello-cerebro",
      programs: ["/usr/bin/hello"],
    });
    expect(cerebro(["inspect", join(root, "README.md")])).toMatchObject({ status: 126 });
  });

  test("compat counts what is supported", () => {
    const found = JSON.parse(cerebro(["compat", "--json"]).stdout) as Record<string, { supported: boolean }[]>;
    expect(found["syscalls"]!.filter(({ supported }) => supported).length).toBeGreaterThan(220);
    expect(found["instructions"]!.length).toBeGreaterThan(500);
    expect(cerebro(["compat", "--file", hello])).toMatchObject({
      status: 0,
      stdout: "/usr/bin/hello: x86-64, can run\n",
    });
  });
});

describe("the example package", () => {
  test("runs, with nothing of the host's environment", () => {
    const { status, stdout, stderr } = cerebro(["run", hello, "--", "friend"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("Hello, friend!");
    expect(stdout).toContain("primes      348513 below 5000000");
    expect(stdout).not.toContain("SECRET_OF_THE_HOST");
  });

  test("-e grants a variable, by value or by name", () => {
    const { stdout } = cerebro(["-e", "A=one", "-e", "SECRET_OF_THE_HOST", hello]);
    expect(stdout).toContain("A=one");
    expect(stdout).toContain("SECRET_OF_THE_HOST=visible");
  });

  test("--trace=syscall tells every call, --json in JSON", () => {
    const { stderr } = cerebro(["--trace=syscall", "--json", hello]);
    const events = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.some(({ event, text }) => event === "syscall" && String(text).startsWith("write(1, "))).toBe(true);
    expect(events.at(-1)).toMatchObject({ event: "exit", status: 0 });
  });
});

describe.skipIf(!hasCompiler)("programs", () => {
  let cat = "";
  beforeAll(() => {
    cat = compile(
      "cat",
      `#include <unistd.h>
      int main(int c, char **v) { char b[65536]; long n; while ((n = read(0, b, sizeof b)) > 0) if (write(1, b, n) < n) return 9; return c > 1 ? 7 : 0; }`,
    );
  });

  test("stdin and stdout are the program's; so is the exit status", () => {
    const input = Buffer.alloc(3_000_000, "0123456789abcdef\n");
    const run = spawnSync(process.execPath, [command, cat, "x"], { input, maxBuffer: 1 << 26 });
    expect(run.status).toBe(7);
    expect(run.stdout.equals(input)).toBe(true);
  });

  test("a file as stdin, a file as stdout", () => {
    writeFileSync(join(work, "in"), "from a file\n");
    execFileSync("sh", ["-c", `"${process.execPath}" "${command}" "${cat}" < "${work}/in" > "${work}/out"`]);
    expect(readFileSync(join(work, "out"), "utf8")).toBe("from a file\n");
  });

  test("a signal that ends it is 128 + n", () => {
    const crash = compile("crash", "#include <stdlib.h>\nint main(void) { abort(); }");
    expect(cerebro([crash])).toMatchObject({ status: 134, stderr: expect.stringContaining("SIGABRT") });
  });

  test("a reader that goes away ends a writer that goes on", () => {
    const yes = compile("yes", '#include <stdio.h>\nint main(void) { for (;;) if (puts("yes") < 0) return 1; }');
    const { stdout } = spawnSync("sh", ["-c", `"${process.execPath}" "${command}" "${yes}" | head -n 2`], {
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(stdout).toBe("yes\nyes\n");
  });

  test("SIGINT reaches a program that spins, and one that waits", async () => {
    const spin = compile(
      "spin",
      '#include <stdio.h>\nint main(void) { puts("up"); fflush(stdout); for (volatile long i = 0;; i++); }',
    );
    const wait = compile(
      "wait",
      '#include <stdio.h>\n#include <unistd.h>\nint main(void) { puts("up"); fflush(stdout); for (;;) pause(); }',
    );
    for (const program of [spin, wait]) {
      const child = spawn(process.execPath, [command, program], { stdio: ["ignore", "pipe", "ignore"] });
      const ended = new Promise<number | null>((done) => child.on("exit", done));
      await new Promise((up) => child.stdout.once("data", up));
      child.kill("SIGINT");
      expect(await ended).toBe(130);
    }
  });

  test("a program that ignores SIGINT ends at the second one", async () => {
    const ignore = compile(
      "ignore",
      '#include <signal.h>\n#include <stdio.h>\nint main(void) { signal(SIGINT, SIG_IGN); puts("up"); fflush(stdout); for (;;); }',
    );
    const child = spawn(process.execPath, [command, ignore], { stdio: ["ignore", "pipe", "ignore"] });
    const ended = new Promise<number | null>((done) => child.on("exit", done));
    await new Promise((up) => child.stdout.once("data", up));
    child.kill("SIGINT");
    await new Promise((later) => setTimeout(later, 300));
    child.kill("SIGINT");
    expect(await ended).toBe(137);
  });

  test("limits end a fork bomb, a memory hog, a disk filler and an endless loop, and say so", () => {
    const bomb = compile(
      "bomb",
      "#include <unistd.h>\n#include <stdlib.h>\nint main(void) { for (int i = 0; i < 10000; i++) if (fork() < 0) { kill(0, 9); } }\n",
    );
    expect(cerebro(["--contract", "tasks=20,deadline=20s", bomb]).stderr).toContain("20 tasks");
    const hog = compile(
      "hog",
      "#include <stdlib.h>\n#include <string.h>\nint main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) return 3; memset(p, 1, 1 << 20); } }",
    );
    const { status, stderr } = cerebro(["--contract", "memory=64M", hog]);
    expect(stderr).toContain("64 MiB of memory");
    expect(status).toBe(137);
    const fill = compile(
      "fill",
      '#include <fcntl.h>\n#include <unistd.h>\nint main(void) { static char b[1 << 20]; int f = open("/tmp/x", 1 | O_CREAT, 0600); while (write(f, b, sizeof b) > 0); return 5; }',
    );
    expect(cerebro(["--contract", "disk=8M", fill])).toMatchObject({
      status: 5,
      stderr: expect.stringContaining("8 MiB of disk"),
    });
    const loop = compile("loop", "int main(void) { for (;;); }");
    expect(cerebro(["--contract", "cputime=500ms", loop])).toMatchObject({
      status: 137,
      stderr: expect.stringContaining("0.5 s of processor time"),
    });
  });

  test("no file of the host is there without -v, and nothing leads out of what was granted", () => {
    const read = compile(
      "read",
      `#include <fcntl.h>
      #include <stdio.h>
      #include <unistd.h>
      int main(int c, char **v) { for (int i = 1; i < c; i++) { char b[100]; int f = open(v[i], O_RDONLY); long n = f < 0 ? -1 : read(f, b, 99); printf("%s %s\\n", v[i], n > 0 ? "readable" : "no"); } }`,
    );
    const granted = mkdtempSync(join(work, "granted-"));
    writeFileSync(join(granted, "inside"), "x");
    writeFileSync(join(work, "outside"), "x");
    symlinkSync("/etc/passwd", join(granted, "absolute"));
    symlinkSync("../outside", join(granted, "relative"));
    symlinkSync("inside", join(granted, "fine"));
    const { stdout } = cerebro([
      ...[
        "-v",
        `${granted}:/g:ro`,
        read,
        "/etc/passwd",
        join(work, "outside"),
        "/proc/1/root/etc/passwd",
        "/dev/sda",
        "/dev/mem",
      ],
      ...["/g/inside", "/g/fine", "/g/absolute", "/g/relative", "/g/../../outside", "/proc/self/cwd/../etc/passwd"],
    ]);
    expect(stdout.split("\n").filter((line) => line.endsWith("readable"))).toEqual([
      "/g/inside readable",
      "/g/fine readable",
    ]);
    const write = compile(
      "write",
      "#include <fcntl.h>\nint main(int c, char **v) { return open(v[1], O_WRONLY | O_CREAT, 0644) < 0; }",
    );
    expect(cerebro(["-v", `${granted}:/g:ro`, write, "/g/new"]).status).toBe(1);
    expect(cerebro(["-v", `${granted}:/g`, write, "/g/new"]).status).toBe(0);
    expect(existsSync(join(granted, "new"))).toBe(true);
  });

  test("ps and kill reach a running machine", async () => {
    const wait = compile(
      "waiter",
      '#include <stdio.h>\n#include <unistd.h>\nint main(void) { puts("up"); fflush(stdout); for (;;) pause(); }',
    );
    const env = { ...process.env, XDG_RUNTIME_DIR: mkdtempSync(join(work, "run-")) };
    const child = spawn(process.execPath, [command, wait], { stdio: ["ignore", "pipe", "ignore"], env });
    const ended = new Promise<number | null>((done) => child.on("exit", done));
    await new Promise((up) => child.stdout.once("data", up));
    const listed = cerebro(["ps"], { env }).stdout;
    const [, pid] = new RegExp(`${child.pid}\\s+(\\d+) .*waiter`).exec(listed) ?? [];
    expect(pid, listed).toBeDefined();
    expect(cerebro(["kill", pid!], { env }).status).toBe(0);
    expect(await ended).toBe(143);
    expect(cerebro(["ps"], { env }).stdout).not.toContain("waiter");
  });
});
