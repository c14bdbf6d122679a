// `npm run bench:cpu [-- --rounds N --only NAME,NAME]`: the same programs natively, under qemu-x86_64 and in Cerebro,
// interleaved; medians of whole processes, ratios, geometric means. Writes bench/results/<date>-cpu.{json,md}.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "../..");
const bench = join(root, "bench");
const work = join(tmpdir(), "cerebro-bench");
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, only: { type: "string" }, packages: { type: "string" } },
});
const rounds = Number(values.rounds);
const only = values.only?.split(",");

const engines = ["native", "qemu", "cerebro"] as const;
type Engine = (typeof engines)[number];

interface Row {
  readonly name: string;
  readonly group: "integer" | "floating point" | "package" | "start-up" | "system call";
  /** The command for each engine; an absent one is not measured. */
  readonly commands: Partial<Record<Engine, readonly string[]>>;
  readonly input?: string;
}

interface Sample {
  readonly wall: number;
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
}

const floating = new Set(["nbody", "matrix", "mandelbrot"]);
const cerebro = [process.execPath, join(root, "bin/cerebro.js"), "run"];
const qemu = which("qemu-x86_64");

function which(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(":")
    .map((place) => join(place, name))
    .find(existsSync);
}

function build(source: string, target: string, ...flags: string[]): string {
  execFileSync("gcc", ["-O2", "-o", target, join(bench, source), ...flags, "-lm"]);
  return target;
}

/** The rows of the C programs in bench/cpu. */
function programs(): Row[] {
  const names = readdirSync(join(bench, "cpu")).flatMap((file) => (file.endsWith(".c") ? [file.slice(0, -2)] : []));
  return names.map((name) => {
    const binary = build(`cpu/${name}.c`, join(work, name), "-static");
    const group =
      name === "getpid"
        ? "system call"
        : name === "true"
          ? "start-up"
          : floating.has(name)
            ? "floating point"
            : "integer";
    return { name, group, commands: everywhere([binary], [binary]) };
  });
}

function everywhere(native: readonly string[], inside: readonly string[], emulated = native): Row["commands"] {
  return { native, ...(qemu && { qemu: [qemu, ...emulated] }), cerebro: [...cerebro, ...inside] };
}

/** Fetches a package and what it needs, and unpacks it for native and qemu runs. */
function unpacked(name: string, ...needed: string[]): { deb: string; pool: string; directory: string } {
  const pool = join(work, "pool");
  const directory = join(work, "root");
  mkdirSync(pool, { recursive: true });
  mkdirSync(directory, { recursive: true });
  for (const wanted of [name, ...needed]) {
    if (!readdirSync(pool).some((file) => file.startsWith(`${wanted}_`)))
      execFileSync("apt-get", ["download", wanted], { cwd: pool, stdio: "ignore" });
    const file = readdirSync(pool).find((found) => found.startsWith(`${wanted}_`))!;
    execFileSync("dpkg-deb", ["-x", join(pool, file), directory]);
  }
  return {
    deb: join(
      pool,
      readdirSync(pool).find((file) => file.startsWith(`${name}_`))!,
    ),
    pool,
    directory,
  };
}

/** Debian's own programs, each through the loader of its unpacked packages. */
function packages(): Row[] {
  if (!which("apt-get") || !which("dpkg-deb")) {
    console.error("packages are left out: apt-get and dpkg-deb are not here");
    return [];
  }
  const rows: Row[] = [];
  const add = (row: Pick<Row, "name" | "group" | "input">, program: string, wanted: string[], options: string[]) => {
    const { deb, pool, directory } = unpacked(wanted[0]!, ...wanted.slice(1));
    const loader = join(directory, "lib64/ld-linux-x86-64.so.2");
    const libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]
      .map((place) => join(directory, place))
      .join(":");
    const direct = [loader, "--library-path", libraries, join(directory, program), ...options];
    rows.push({
      ...row,
      commands: everywhere(direct, ["--pool", pool, "-v", `${bench}:${bench}:ro`, deb, "--", ...options]),
    });
  };
  const libc = ["libc6"];
  const zlib = ["libc6", "zlib1g", "libexpat1", "libpython3.11-minimal", "libpython3.11-stdlib"];
  add(
    { name: "lua5.4", group: "package" },
    "usr/bin/lua5.4",
    ["lua5.4", ...libc, "libreadline8", "libtinfo6"],
    [join(bench, "scripts/work.lua")],
  );
  add(
    { name: "python3.11", group: "package" },
    "usr/bin/python3.11",
    ["python3.11-minimal", ...zlib],
    ["-S", "-E", join(bench, "scripts/work.py")],
  );
  const sql = readFileSync(join(bench, "scripts/work.sql"), "utf8");
  add(
    { name: "sqlite3", group: "package", input: sql },
    "usr/bin/sqlite3",
    ["sqlite3", ...libc, "libsqlite3-0", "libreadline8", "libtinfo6", "zlib1g"],
    [":memory:"],
  );
  add({ name: "hello (Debian)", group: "start-up" }, "usr/bin/hello", ["hello", ...libc], []);
  add(
    { name: "python3 -c pass", group: "start-up" },
    "usr/bin/python3.11",
    ["python3.11-minimal", ...zlib],
    ["-S", "-E", "-c", "pass"],
  );
  return rows;
}

/** Runs it once, through the wrapper that tells what it used. */
function sample(row: Row, engine: Engine, measure: string, expected: Map<string, string>): Sample | undefined {
  const result = spawnSync(measure, [...row.commands[engine]!], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    input: row.input ?? "",
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONHOME: engine === "cerebro" ? undefined : join(work, "root/usr"),
    },
    timeout: 600_000,
  });
  const output = result.stdout.toString("utf8");
  const known = expected.get(row.name) ?? output;
  if (result.status !== 0 || output !== known) {
    const reason =
      result.status !== 0 ? `status ${result.status}` : `output differs: ${JSON.stringify(output.slice(0, 200))}`;
    console.error(`${row.name} in ${engine}: ${reason}\n${result.stderr.toString("utf8").slice(0, 600)}`);
    return undefined;
  }
  expected.set(row.name, output);
  const [wall, user, system, kibibytes] = result.output[3]!.toString().trim().split(" ").map(Number);
  return { wall: wall!, cpu: user! + system!, memory: kibibytes! / 1024 };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const geomean = (numbers: readonly number[]): number =>
  Math.exp(numbers.reduce((sum, x) => sum + Math.log(x), 0) / numbers.length);

mkdirSync(work, { recursive: true });
const measure = build("measure.c", join(work, "measure"));
const rows = [...programs(), ...(values.packages === "no" ? [] : packages())].filter(
  ({ name }) => !only || only.includes(name),
);
const samples = new Map<string, Sample[]>();
const expected = new Map<string, string>();
const failed = new Set<string>();
for (let round = 0; round < rounds; round++)
  for (const row of rows)
    for (const engine of engines) {
      const key = `${row.name}/${engine}`;
      if (!row.commands[engine] || failed.has(key)) continue;
      const taken = sample(row, engine, measure, expected);
      if (!taken) failed.add(key);
      else samples.set(key, [...(samples.get(key) ?? []), taken]);
    }

const figure = (row: Row, engine: Engine, what: keyof Sample): number | undefined => {
  const taken = samples.get(`${row.name}/${engine}`);
  return taken && !failed.has(`${row.name}/${engine}`) ? median(taken.map((one) => one[what])) : undefined;
};
const text = (value: number | undefined, digits = 2) => (value === undefined ? "-" : value.toFixed(digits));
const ratio = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a / b;

const machine = `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
const lines = [
  `# CPU benchmark, ${new Date().toISOString().slice(0, 16)}Z`,
  "",
  `${machine}; ${rounds} rounds, medians of whole processes in seconds.`,
  "",
  "| program | native cpu | qemu cpu | Cerebro cpu | Cerebro wall | qemu wall | x native (cpu) | x qemu (cpu) | x qemu (wall) | MiB |",
  "|---|---|---|---|---|---|---|---|---|---|",
];
const against: Record<string, { cpu: number[]; wall: number[]; native: number[] }> = {};
for (const row of rows) {
  const [native, emulated, ours] = engines.map((engine) => figure(row, engine, "cpu"));
  const [, emulatedWall, oursWall] = engines.map((engine) => figure(row, engine, "wall"));
  const [cpu, wall, slower] = [ratio(ours, emulated), ratio(oursWall, emulatedWall), ratio(ours, native)];
  lines.push(
    `| ${row.name} | ${text(native, 3)} | ${text(emulated)} | ${text(ours)} | ${text(oursWall)} | ${text(emulatedWall)} | ${text(slower)} | ${text(cpu)} | ${text(wall)} | ${text(figure(row, "cerebro", "memory"), 0)} |`,
  );
  const groups = row.group === "integer" || row.group === "floating point" ? [row.group, "C programs"] : [row.group];
  if (cpu === undefined || wall === undefined || slower === undefined) continue;
  for (const group of groups) {
    const into = (against[group] ??= { cpu: [], wall: [], native: [] });
    into.cpu.push(cpu);
    into.wall.push(wall);
    into.native.push(slower);
  }
}
lines.push("", "Geometric means of Cerebro's time over qemu-user's (below 1 is faster):", "");
for (const [group, { cpu, wall, native }] of Object.entries(against))
  lines.push(
    `- ${group} (${cpu.length}): cpu ${text(geomean(cpu))}, wall ${text(geomean(wall))}; ${text(geomean(native))} x native`,
  );
const calls = rows.find(({ name }) => name === "getpid");
if (calls) {
  const base = rows.find(({ name }) => name === "true");
  const cost = engines.map((engine) => {
    const [all, start] = [figure(calls, engine, "cpu"), base && figure(base, engine, "cpu")];
    return `${engine} ${all === undefined || start === undefined ? "-" : ((all - start) * 1000).toFixed(0)} ns`;
  });
  lines.push("", `A system call (getpid, 1,000,000 of them, start-up taken off): ${cost.join(", ")}.`);
}
if (failed.size > 0) lines.push("", `Failed: ${[...failed].join(", ")}.`);
const report = `${lines.join("\n")}\n`;
console.log(report);
if (!only) {
  const results = join(bench, "results");
  mkdirSync(results, { recursive: true });
  const stem = join(results, `${new Date().toISOString().slice(0, 10)}-cpu`);
  writeFileSync(`${stem}.md`, report);
  writeFileSync(
    `${stem}.json`,
    `${JSON.stringify({ machine, rounds, samples: Object.fromEntries(samples), failed: [...failed] }, null, 1)}\n`,
  );
}
process.exitCode = failed.size > 0 ? 1 : 0;
