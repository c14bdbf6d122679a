// Serves models: sessions that load and run them, with the models that several sessions use in memory once.

import { CerebroError } from "../base/errors.ts";
import { load } from "../engine/load.ts";
import type { Model, ModelPort, Signature, Source, Tensors } from "../engine/model.ts";
import { needSupported, Session } from "../engine/session.ts";
import { after, type Outcome, runAfter } from "../engine/steps/after.ts";
import { before, runBefore, stepsFor } from "../engine/steps/before.ts";
import { parseSteps, type Item } from "../engine/steps/step.ts";
import type { EngineHost } from "../host/engine.ts";
import type { Timers } from "../host/host.ts";
import { RequestQueue } from "./queue.ts";
import type { Settings } from "./settings.ts";

/** A model to load. */
export interface LoadRequest {
  readonly source: Source;
  /** Equal for equal files: path, size, time. Sessions that load the same share it. */
  readonly identity: string;
  readonly signature?: string;
  /** In place of the device's settings. */
  readonly threads?: number;
  readonly backend?: "wasm" | "interpreter";
  /** Most bytes that the model may take when it is compiled. */
  readonly memoryLimit?: number;
}

/** Gives what an input is run with: a file's content or a value. May take its time. */
export type InputReader = (port: ModelPort) => Item | Promise<Item>;

export interface ExecuteRequest {
  readonly inputs: ReadonlyMap<string, InputReader>;
  /** Reads a file that a step names: labels, a tokenizer. */
  file(path: string): Uint8Array;
}

/** What a run gave. */
export interface Answer extends Outcome {
  /** Nanoseconds of the run itself. */
  readonly time: number;
}

/** What is loaded in a session. */
export interface Loaded {
  readonly model: Model;
  readonly signature: Signature;
}

interface SharedModel {
  readonly identity: string;
  readonly model: Model;
  users: number;
}

/** Figures of the service since it was made. */
export interface ServiceStats {
  readonly sessions: number;
  readonly loads: number;
  readonly runs: number;
  readonly failures: number;
  /** Nanoseconds of all runs. */
  readonly runTime: number;
  /** Bytes that compiled models take. */
  readonly memory: number;
}

export class ModelService {
  readonly settings: Settings;
  readonly queue: RequestQueue;
  readonly host: EngineHost;
  /** The most recently used last. */
  private shared: SharedModel[] = [];
  private readonly sessions = new Set<ServiceSession>();
  private readonly counts = { loads: 0, runs: 0, failures: 0, runTime: 0 };

  constructor(options: { host: EngineHost; timers: Timers; settings: Settings }) {
    this.host = options.host;
    this.settings = options.settings;
    this.queue = new RequestQueue(options.timers);
    this.settings.changed = (name) => {
      if (name === "cache_size") this.trim();
    };
  }

  open(): ServiceSession {
    const session = new ServiceSession(this, this.counts);
    this.sessions.add(session);
    return session;
  }

  get stats(): ServiceStats {
    const memory = [...this.sessions].reduce((sum, session) => sum + session.memory, 0);
    return { ...this.counts, sessions: this.sessions.size, memory };
  }

  /** Names of the models in memory, with how many sessions use each. */
  get models(): readonly { readonly name: string; readonly identity: string; readonly users: number }[] {
    return this.shared.map(({ model: { name }, identity, users }) => ({ name, identity, users }));
  }

  /** A model, loaded unless another session has it or it is kept. */
  async take({ source, identity }: LoadRequest): Promise<SharedModel> {
    const known = this.shared.find((each) => each.identity === identity);
    const taken = known ?? { identity, model: await load(source), users: 0 };
    taken.users++;
    this.shared = [...this.shared.filter((each) => each !== taken), taken];
    return taken;
  }

  /** Gives a model back; it goes when nobody uses it and the cache is full. */
  give(model: SharedModel): void {
    model.users--;
    this.trim();
  }

  closed(session: ServiceSession): void {
    this.sessions.delete(session);
  }

  private trim(): void {
    const kept = this.settings.number("cache_size");
    const idle = this.shared.filter(({ users }) => users === 0);
    const dropped = new Set(idle.slice(0, Math.max(0, idle.length - kept)));
    if (dropped.size > 0) this.shared = this.shared.filter((each) => !dropped.has(each));
  }
}

/** One user's model and its states. Requests go through the service's queue; a failed one leaves everything as it was. */
export class ServiceSession {
  private readonly service: ModelService;
  private readonly counts: { loads: number; runs: number; failures: number; runTime: number };
  private current: { shared: SharedModel; session: Session; signature: Signature } | undefined;
  private isClosed = false;
  /** When the run began that goes on, or the last one. */
  private started = 0;

  constructor(service: ModelService, counts: ServiceSession["counts"]) {
    this.service = service;
    this.counts = counts;
  }

  get loaded(): Loaded | undefined {
    return this.current && { model: this.current.shared.model, signature: this.current.signature };
  }
  get memory(): number {
    return this.current?.session.memory ?? 0;
  }

  /** Loads a model in place of the one before. Throws FormatError, CerebroError. */
  load(request: LoadRequest): Promise<Loaded> {
    return this.request(async () => {
      const shared = await this.service.take(request);
      try {
        const { settings, host } = this.service;
        const usual = settings.get("backend") === "interpreter" ? "interpreter" : "wasm";
        const { threads = settings.number("threads"), backend = usual, memoryLimit } = request;
        const check = () => this.keepTime();
        const session = new Session(shared.model, {
          ...{ host, backend, threads, check },
          ...(memoryLimit !== undefined && { memoryLimit }),
        });
        const signature = session.signature(request.signature);
        if (signature === shared.model.signatures[0]) needSupported(shared.model);
        this.forget();
        this.current = { shared, session, signature };
        this.counts.loads++;
        return { model: shared.model, signature };
      } catch (error) {
        this.service.give(shared);
        throw error;
      }
    });
  }

  /** Runs the loaded model on media, by the device's steps. */
  execute(request: ExecuteRequest): Promise<Answer> {
    return this.request(async () => {
      const { shared, signature } = this.ready();
      const { settings } = this.service;
      const file = (path: string) => shared.model.attachments.get(path) ?? request.file(path);
      const inputs: Record<string, Tensors[string]> = {};
      for (const port of signature.inputs) {
        const [only, ...others] = request.inputs.values();
        const reader =
          request.inputs.get(port.name) ?? (signature.inputs.length === 1 && others.length === 0 ? only : undefined);
        if (!reader) throw new CerebroError("usage", `input ${port.name} is missing`);
        const item = await reader(port);
        const text = settings.get("preprocessing") || stepsFor(item, port);
        inputs[port.name] = runBefore(item, parseSteps(text, before), { file, port });
      }
      const { tensors, time } = this.time(inputs);
      const steps = parseSteps(settings.get("postprocessing"), after);
      return { ...runAfter(tensors, steps, { file, outputs: signature.outputs }), time };
    });
  }

  /** Runs the loaded model on tensors as they are. */
  run(inputs: Tensors): Promise<Answer> {
    return this.request(() => {
      this.ready();
      return this.time(inputs);
    });
  }

  /** Puts the model's variables back. */
  reset(): void {
    this.current?.session.reset();
  }

  /** Gives everything back. */
  close(): void {
    this.isClosed = true;
    this.forget();
    this.service.closed(this);
  }

  private ready(): NonNullable<ServiceSession["current"]> {
    if (!this.current) throw new CerebroError("usage", "no model is loaded");
    return this.current;
  }

  /** Ends a run whose loops go on for too long: the kernel waits for it. */
  private keepTime(): void {
    const seconds = this.service.settings.number("timeout");
    if (seconds > 0 && this.service.host.now() - this.started > seconds * 1e9) {
      throw new CerebroError("limit", `the run has not ended after ${seconds} seconds`, {
        hint: "the setting is timeout",
      });
    }
  }

  private time(inputs: Tensors): Answer {
    const { session, signature } = this.ready();
    this.started = this.service.host.now();
    const tensors = session.run(inputs, { signature: signature.name });
    const time = this.service.host.now() - this.started;
    this.counts.runs++;
    this.counts.runTime += time;
    return { tensors, time };
  }

  private forget(): void {
    if (!this.current) return;
    const { session, shared } = this.current;
    this.current = undefined;
    session.dispose();
    this.service.give(shared);
  }

  private request<T>(work: () => T | Promise<T>): Promise<T> {
    return this.service.queue.submit(async () => {
      if (this.isClosed) throw new CerebroError("usage", "the session was closed");
      try {
        return await work();
      } catch (error) {
        this.counts.failures++;
        throw error;
      }
    });
  }
}
