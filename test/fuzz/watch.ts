// Runs the cases of a fuzzer in a worker that is watched: what throws, hangs or grows is a finding, with its seed.

import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Runs one seed; gives what came of it in a word or two. Throws what is a finding. */
export type Case = (seed: number) => Promise<string>;

/** Milliseconds that a case may take. */
const hangLimit = 20_000;
/** Growth of resident memory from the first minute on that is a finding, in MiB. */
const growthLimit = 700;

const mostFindings = 20;

interface Job {
  readonly fuzz: string;
  readonly first: number;
  readonly until: number;
  readonly runs: number;
  readonly current: Int32Array<SharedArrayBuffer>;
}

interface Result {
  readonly runs: number;
  readonly longest: number;
  readonly outcomes: [string, number][];
}

async function work({ first, until, runs, current }: Job, cases: () => Case): Promise<void> {
  const run = cases();
  const outcomes = new Map<string, number>();
  let longest = 0;
  let seed = first;
  for (; seed < first + runs && Date.now() < until; seed++) {
    Atomics.store(current, 0, seed);
    const start = performance.now();
    const outcome = await run(seed).catch((error: unknown) => {
      throw new Error(describe(error));
    });
    longest = Math.max(longest, performance.now() - start);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  parentPort!.postMessage({ runs: seed - first, longest, outcomes: [...outcomes] } satisfies Result);
}

/** The error and where it came from; an Errno has no stack. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error.stack ?? "").includes("\n")
    ? error
        .stack!.replace(/^Error: /, "")
        .split("\n")
        .slice(0, 9)
        .join("\n")
    : `${error.name}: ${error.message}`;
}

const mebibytes = () => Math.round(process.memoryUsage().rss / 2 ** 20);

/** Fuzzes from `first` on; after a finding goes on behind it. True if there was none. */
async function fuzz(name: string, url: string, seconds: number, first: number, most: number): Promise<boolean> {
  const started = Date.now();
  const until = started + seconds * 1000;
  const total = new Map<string, number>();
  const findings: string[] = [];
  let [runs, longest, settled, peak] = [0, 0, 0, 0];
  for (let seed = first; Date.now() < until && runs < most && findings.length < mostFindings;) {
    const current = new Int32Array(new SharedArrayBuffer(4));
    const job: Job = { fuzz: name, first: seed, until, runs: most - runs, current };
    const worker = new Worker(new URL(url), { workerData: job });
    const found = await new Promise<string | undefined>((resolve) => {
      let seen = -1;
      const timer = setInterval(() => {
        const now = Atomics.load(current, 0);
        if (now === seen) resolve(`no end after ${hangLimit} ms`);
        seen = now;
      }, hangLimit);
      const watch = setInterval(() => {
        const used = mebibytes();
        peak = Math.max(peak, used);
        if (Date.now() - started < 60_000) settled = Math.max(settled, used);
        else if (used > settled + growthLimit) resolve(`memory grew from ${settled} MiB to ${used} MiB`);
      }, 1000);
      worker.on("message", (result: Result) => {
        runs += result.runs;
        longest = Math.max(longest, result.longest);
        for (const [outcome, count] of result.outcomes) total.set(outcome, (total.get(outcome) ?? 0) + count);
        resolve(undefined);
      });
      worker.on("error", (error: unknown) =>
        resolve(error instanceof Error ? (error.stack ?? error.message) : String(error)),
      );
      worker.on("exit", (code) => {
        clearInterval(timer);
        clearInterval(watch);
        resolve(`the worker ended with ${code}`);
      });
    });
    await worker.terminate();
    if (found === undefined) break;
    const at = Atomics.load(current, 0);
    findings.push(`seed ${at}: ${found}`);
    console.log(`${name}: FINDING: ${findings.at(-1)}`);
    runs += at - seed + 1;
    seed = at + 1;
  }
  for (const [outcome, count] of [...total].toSorted(([, a], [, b]) => b - a).slice(0, 24))
    console.log(`  ${outcome}: ${count}`);
  const took = Math.round((Date.now() - started) / 1000);
  console.log(
    `${name}: ${runs} runs in ${took} s, longest ${Math.round(longest)} ms, memory ${settled} MiB in the first minute, at most ${peak} MiB`,
  );
  console.log(`${runs - findings.length} passed, ${findings.length} failed`);
  return findings.length === 0;
}

/** The command line `[seconds] [first seed] [runs]` of the fuzzer `name`, and its worker; nothing when imported by a test. */
export async function main(name: string, cases: () => Case, url: string): Promise<void> {
  if (!isMainThread && (workerData as Job | null)?.fuzz === name) return work(workerData as Job, cases);
  if (!process.argv[1]?.endsWith(`fuzz-${name}.js`)) return;
  const [seconds = 60, seed = 1, runs = Infinity] = process.argv.slice(2).map(Number);
  process.exitCode = (await fuzz(name, url, seconds, seed, runs)) ? 0 : 1;
}
