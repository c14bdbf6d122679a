// What is behind an open /dev/cerebro: a model session, the command that runs, and the answer that can be read.

import { CerebroError, messageOf } from "../../base/errors.ts";
import { encodeUtf8 } from "../../base/text.ts";
import { itemOf, fromJson, parseJson } from "../../bridge/media.ts";
import { outcomeJson, outcomeText } from "../../bridge/present.ts";
import type { Answer, InputReader, Loaded, ModelService, ServiceSession } from "../../bridge/service.ts";
import type { Settings } from "../../bridge/settings.ts";
import { bytesOf } from "../../engine/hlo/tensor.ts";
import { npyOfTensor } from "../../engine/import/arrays.ts";
import type { ModelPort, Tensors } from "../../engine/model.ts";
import { E2BIG, EBUSY, EINVAL, EIO, ENOENT, ENOEXEC, ENOMEM, EPERM, Errno } from "../../kernel/errno.ts";
import type { Process } from "../../kernel/process.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import { type Command, parseCommand } from "./command.ts";
import { modelSource, readFile } from "./guestfiles.ts";

/** The system's error for one of ours. */
export function errnoOf(error: unknown): Errno {
  if (error instanceof Errno) return error;
  if (error instanceof RangeError) return ENOMEM;
  if (!(error instanceof CerebroError)) return EIO;
  switch (error.code) {
    case "usage":
      return EINVAL;
    case "format":
    case "unsupported":
    case "not-runnable":
      return ENOEXEC;
    case "not-found":
      return ENOENT;
    case "limit":
      return ENOMEM;
    case "denied":
      return EPERM;
    default:
      return EIO;
  }
}

/** The command that a session is busy with, or has just ended. */
interface Job {
  /** What identifies it to the call that comes back for its end. */
  readonly key: string;
  running: boolean;
  error: Errno | undefined;
}

/** Most bytes of one line: longer inputs belong in files. */
export const longestLine = 16 << 20;

function portLine(direction: string, { name, dtype, shape }: ModelPort): string {
  const extents = shape === null ? "…" : shape.map((extent) => extent ?? "?").join(",");
  return `${direction} ${name} ${dtype}[${extents}]`;
}

function loadedText({ model, signature }: Loaded): string {
  const lines = [`OK ${model.name}: ${model.format}, ${model.parameters} parameters`];
  for (const port of signature.inputs) lines.push(portLine("input", port));
  for (const port of signature.outputs) lines.push(portLine("output", port));
  return `${lines.join("\n")}\n`;
}

export class DeviceSession {
  readonly changed = new WaitQueue();
  /** What `read` gives, and a number that changes with it. */
  answer: Uint8Array = new Uint8Array(0);
  version = 0;
  /** What the last command said, for CEREBRO_MESSAGE. */
  message = "";
  private readonly settings: Settings;
  private readonly service: () => Promise<ModelService>;
  private session: ServiceSession | undefined;
  private outcome: Answer | undefined;
  private job: Job | undefined;

  /** `service` is loaded when the first command comes: most programs never open the device. */
  constructor(settings: Settings, service: () => Promise<ModelService>) {
    this.settings = settings;
    this.service = service;
  }

  get busy(): boolean {
    return this.job?.running === true;
  }
  get loaded(): Loaded | undefined {
    return this.session?.loaded;
  }
  /** Outputs of the last run. */
  get lastOutcome(): Answer | undefined {
    return this.outcome;
  }
  private async open(): Promise<ServiceSession> {
    return (this.session ??= (await this.service()).open());
  }

  /**
   * Starts work, or tells how work that was started under the same key ended: "running", "done", or its error is thrown.
   * A caller that waits comes back with the same key. Throws EBUSY while other work runs.
   */
  work(key: string, begin: () => Promise<string | Uint8Array>): "running" | "done" {
    const { job } = this;
    if (job?.running) {
      if (job.key === key) return "running";
      throw EBUSY;
    }
    if (job && job.key === key) {
      this.job = undefined;
      if (job.error) throw job.error;
      return "done";
    }
    const started: Job = { key, running: true, error: undefined };
    const work = begin();
    this.job = started;
    work
      .then(
        (answer) => this.say(answer),
        (error: unknown) => {
          started.error = errnoOf(error);
          const words = error instanceof Errno ? error.message : messageOf(error);
          this.say(`ERROR ${started.error.name}: ${words}\n`);
        },
      )
      .finally(() => {
        started.running = false;
        this.changed.wake();
      });
    return "running";
  }

  /** Forgets that a command has ended, so that the same one can be given again: nobody comes back for it. */
  detach(): void {
    const { job } = this;
    if (job && !job.running) this.job = undefined;
    else if (job) this.job = Object.assign(job, { key: "" });
  }

  private say(answer: string | Uint8Array): void {
    this.message = typeof answer === "string" ? answer : "";
    this.answer = typeof answer === "string" ? encodeUtf8(answer) : answer;
    this.version++;
  }

  /** Runs lines of commands in order; the last one's answer. Stops at the first that fails. */
  async perform(text: string, process: Process): Promise<string | Uint8Array> {
    if (text.length > longestLine) throw E2BIG;
    let answer: string | Uint8Array = "";
    for (const line of text.split("\n")) {
      const command = parseCommand(line);
      if (command) answer = await this.performOne(command, process);
    }
    return answer;
  }

  private async performOne({ name, words, options }: Command, process: Process): Promise<string | Uint8Array> {
    switch (name) {
      case "LOAD_MODEL":
        return this.load(words[0]!, options, process);
      case "EXECUTE_MODEL":
        return this.execute(words, options, process);
      case "GET_RESULTS":
        return this.results(options.get("format") ?? "text", options.get("output"));
      case "RESET":
        this.session?.reset();
        return "OK\n";
      case "UNLOAD":
        this.close();
        return "OK\n";
    }
  }

  private async load(path: string, options: ReadonlyMap<string, string>, process: Process): Promise<string> {
    const signature = options.get("signature");
    const threads = options.get("threads");
    const backend = options.get("backend");
    if (threads !== undefined && !/^[1-9]\d?$/.test(threads))
      throw new CerebroError("usage", `threads=${threads}: no count`);
    if (backend !== undefined && backend !== "wasm" && backend !== "interpreter") {
      throw new CerebroError("usage", `backend=${backend}: is wasm or interpreter`);
    }
    const session = await this.open();
    const loaded = await session.load({
      ...modelSource(process, path),
      memoryLimit: process.contract.limits.memory,
      ...(signature !== undefined && { signature }),
      ...(threads !== undefined && { threads: Number(threads) }),
      ...(backend !== undefined && { backend }),
    });
    this.outcome = undefined;
    return loadedText(loaded);
  }

  private async execute(
    words: readonly string[],
    options: ReadonlyMap<string, string>,
    process: Process,
  ): Promise<string> {
    const usual = this.settings.get("model_path");
    if (!this.loaded && usual !== "") await this.load(usual, new Map(), process);
    const inputs = new Map<string, InputReader>();
    for (const [name, value] of options) inputs.set(name, inputReader(value, process));
    for (const value of words) inputs.set("", inputReader(value, process));
    const file = (path: string) => readFile(process, path);
    const session = await this.open();
    this.outcome = await session.execute({ inputs, file });
    return this.results("text", undefined) as string;
  }

  /** The last run's results in a format. */
  results(format: string, output: string | undefined): string | Uint8Array {
    const { outcome } = this;
    if (!outcome) throw new CerebroError("usage", "there are no results: no model has been executed");
    if (format === "text") return `${outcomeText(outcome)}\n`;
    if (format === "json") return `${outcomeJson(outcome)}\n`;
    if (format !== "npy" && format !== "raw")
      throw new CerebroError("usage", `format=${format}: is json, npy, raw or text`);
    const [first] = Object.keys(outcome.tensors);
    const tensor = outcome.tensors[output ?? first ?? ""];
    if (!tensor) throw new CerebroError("usage", `no output is called ${output ?? ""}`);
    return format === "npy" ? npyOfTensor(tensor) : bytesOf(tensor).slice();
  }

  /** Runs the loaded model on tensors as they are. */
  async run(inputs: Tensors): Promise<string> {
    const session = await this.open();
    this.outcome = await session.run(inputs);
    return "OK\n";
  }

  close(): void {
    this.session?.close();
    this.session = undefined;
    this.outcome = undefined;
  }
}

/** What a value of EXECUTE_MODEL stands for: JSON, or a path. */
function inputReader(value: string, process: Process): InputReader {
  return (port) => {
    if (/^\s*[[\d-]/.test(value)) return { kind: "tensor", tensor: fromJson(parseJson(value, port.name), port) };
    if (value.startsWith('"')) return { kind: "text", text: String(parseJson(value, port.name)) };
    return itemOf(readFile(process, value), value, port);
  };
}
