// The compiler: a program becomes an executable with one memory, one WebAssembly module and steps that run in order.

import { CerebroError, FormatError } from "../../base/errors.ts";
import type { CompileOptions, Executable, ExecutableStats, StepTime } from "../executable.ts";
import type { Program, Value } from "../hlo/graph.ts";
import { bytesOf, fromBytes, sameType, type Tensor, typeText } from "../hlo/tensor.ts";
import { evaluate } from "../interpret/interpret.ts";
import type { Tensors } from "../model.ts";
import { lower } from "./lower.ts";
import { type MemoryPlan, planMemory } from "./memory.ts";
import { emitModule, importsOf, type KernelFunction } from "./module.ts";
import { optimise } from "./passes/passes.ts";
import { type Action, bindBlock, type Binding, copies, placeOf, viewOf } from "./run.ts";
import { chunksOf, Team, type TeamStep } from "./team.ts";
import { type Block, type KernelStep, nameOf, type Step, stepsOf } from "./step.ts";

/** Most memory that a WebAssembly module can have. */
const largestMemory = 2 ** 32 - 65536;
const pageSize = 65536;

/** Compiles a program. Throws CerebroError "limit" when it needs more memory than is allowed. */
export function compile(program: Program, options: CompileOptions = {}): Executable {
  return options.backend === "interpreter" ? interpreted(program, options.check) : new Compiled(program, options);
}

/** The inputs in the program's order. Throws FormatError for those that are missing or of another type. */
function inputsOf(program: Program, tensors: Tensors): Tensor[] {
  return program.inputs.map(({ name, type }) => {
    const given = tensors[name];
    if (!given) throw new FormatError(`${program.name}: input "${name}" is missing, takes ${typeText(type)}`);
    if (!sameType(given, type)) {
      throw new FormatError(`${program.name}: input "${name}" takes ${typeText(type)}, got ${typeText(given)}`);
    }
    return given;
  });
}

function stateOf(program: Program, index: number, given: Tensor): Tensor {
  const { name, initial } = program.states[index]!;
  if (!sameType(given, initial)) {
    throw new FormatError(`${program.name}: state "${name}" is ${typeText(initial)}, got ${typeText(given)}`);
  }
  return given;
}

const copyOf = ({ dtype, shape, data }: Tensor): Tensor => ({ dtype, shape, data: data.slice() });

/** The oracle in the form of an executable. */
function interpreted(program: Program, check?: () => void): Executable {
  let states = program.states.map(({ initial }) => initial);
  const outputs = program.outputs.length;
  return {
    program,
    stats: {
      steps: { interpreter: program.body.operations.length },
      codeBytes: 0,
      weightBytes: 0,
      activationBytes: 0,
      compileTime: 0,
    },
    run(tensors) {
      const results = evaluate(program, [...inputsOf(program, tensors), ...states], check && { check });
      states = program.states.map((_, i) => results[outputs + i]!);
      return Object.fromEntries(program.outputs.map(({ name }, i) => [name, results[i]!]));
    },
    reset() {
      states = program.states.map(({ initial }) => initial);
    },
    states: () => Object.fromEntries(program.states.map(({ name }, i) => [name, states[i]!])),
    restore(given) {
      states = program.states.map(({ name }, i) => (given[name] ? stateOf(program, i, given[name]) : states[i]!));
    },
    profile(tensors) {
      void inputsOf(program, tensors);
      return [];
    },
    dispose() {},
  };
}

/** What a program needs while it can be run; given up as a whole. */
interface Live {
  readonly binding: Binding;
  readonly block: Block;
  readonly team: Team | undefined;
  /** A kernel step on this thread only, for profiles. */
  readonly alone: Binding["kernel"];
  readonly steps: Action;
  readonly keepStates: Action;
  /** Where inputs go; undefined for those that nothing reads. */
  readonly inputs: readonly (Uint8Array | undefined)[];
  readonly states: readonly Uint8Array[];
  readonly outputs: readonly Tensor[];
}

class Compiled implements Executable {
  readonly program: Program;
  readonly stats: ExecutableStats;
  private live: Live | undefined;
  private readonly now: () => number;

  constructor(program: Program, options: CompileOptions) {
    this.now = () => options.host?.now() ?? Date.now() * 1e6;
    const start = this.now();
    this.program = program;
    const { body } = optimise(program);
    const inputs = body.parameters.slice(0, program.inputs.length);
    const states = body.parameters.slice(program.inputs.length);
    const lowered = lower(body);
    const { block, constants } = lowered;
    const steps = [...stepsOf(block)].filter((step) => step.kind === "kernel");
    const threads = options.host?.startWorker ? Math.max(1, Math.floor(options.threads ?? 1)) : 1;
    const scratch = Math.ceil(Math.max(0, ...steps.map(({ kernel }) => kernel.scratch)) / 64) * 64;
    const plan = planMemory({
      ...lowered,
      states,
      inputs,
      results: body.results.slice(0, program.outputs.length + states.length),
      scratch: scratch * threads,
      limit: Math.min(options.memoryLimit ?? largestMemory, largestMemory),
    });
    const machine = buildMachine(steps, plan, { threads, scratch, options });
    const { binding } = machine;
    for (const [value, tensor] of constants) if (plan.has(value)) placeOf(binding, value).set(bytesOf(tensor));
    this.live = {
      ...machine,
      block,
      steps: bindBlock(binding, block),
      keepStates: copies(
        binding,
        states.map((to, i): [Value, Value] => [body.results[program.outputs.length + i]!, to]),
      ),
      inputs: inputs.map((value) => (plan.has(value) ? placeOf(binding, value) : undefined)),
      states: states.map((value) => placeOf(binding, value)),
      outputs: program.outputs.map((_, i) => viewOf(binding, body.results[i]!)),
    };
    this.reset();
    this.stats = {
      steps: countSteps(block),
      codeBytes: machine.codeBytes,
      weightBytes: plan.weightBytes,
      activationBytes: plan.activationBytes,
      compileTime: this.now() - start,
    };
  }

  run(tensors: Tensors): Tensors {
    const live = this.begin(tensors);
    live.steps();
    const outputs: Record<string, Tensor> = {};
    this.program.outputs.forEach(({ name }, i) => (outputs[name] = copyOf(live.outputs[i]!)));
    live.keepStates();
    return outputs;
  }

  profile(tensors: Tensors): StepTime[] {
    const { binding, block, alone, keepStates } = this.begin(tensors);
    const times = new Map<Step, number>();
    const observe = (step: Step, action: Action): void => {
      const start = this.now();
      action();
      if (step.kind !== "while" && step.kind !== "branch") {
        times.set(step, (times.get(step) ?? 0) + this.now() - start);
      }
    };
    bindBlock({ ...binding, kernel: alone, observe }, block)();
    keepStates();
    return [...times].map(([step, time]) => ({ name: nameOf(step), kind: step.kind, time }));
  }

  reset(): void {
    const { states } = this.alive();
    this.program.states.forEach(({ initial }, i) => states[i]!.set(bytesOf(initial)));
  }

  states(): Tensors {
    const { states } = this.alive();
    return Object.fromEntries(
      this.program.states.map(({ name, initial: { dtype, shape } }, i) => {
        // A copy without the sharing: of this thread's own.
        const bytes = new Uint8Array(states[i]!.length);
        bytes.set(states[i]!);
        return [name, fromBytes(dtype, shape, bytes)];
      }),
    );
  }

  restore(states: Tensors): void {
    const live = this.alive();
    this.program.states.forEach(({ name }, i) => {
      const given = states[name];
      if (given) live.states[i]!.set(bytesOf(stateOf(this.program, i, given)));
    });
  }

  dispose(): void {
    this.live?.team?.stop();
    this.live = undefined;
  }

  /** Puts the inputs in their places. */
  private begin(tensors: Tensors): Live {
    const live = this.alive();
    inputsOf(this.program, tensors).forEach((given, i) => live.inputs[i]?.set(bytesOf(given)));
    return live;
  }

  private alive(): Live {
    if (!this.live) throw new CerebroError("usage", `${this.program.name}: run after dispose`);
    return this.live;
  }
}

/** The module and memory of kernel steps, and the threads that share them. */
function buildMachine(
  steps: readonly KernelStep[],
  plan: MemoryPlan,
  { threads, scratch, options }: { threads: number; scratch: number; options: CompileOptions },
): Pick<Live, "binding" | "team" | "alone"> & { codeBytes: number } {
  const { host } = options;
  const pages = Math.ceil(plan.size / pageSize) + 1;
  const limits = { initial: pages, maximum: pages };
  const memory = allocate(threads > 1 ? { ...limits, shared: true } : limits);
  const code = emitModule(
    steps.map(({ kernel }) => kernel),
    { relaxed: options.relaxed ?? false, ...(threads > 1 && { shared: limits }) },
  );
  const module = host?.compileModule?.(code.bytes) ?? new WebAssembly.Module(code.bytes);
  const { exports } = new WebAssembly.Instance(module, importsOf(memory));
  const scratchOf = (thread: number) => plan.size - scratch * (threads - thread);
  const shared = steps.map((step): TeamStep => {
    const { kernel } = step;
    return {
      name: code.names.get(kernel.key)!,
      addresses: [...step.operands, ...kernel.results].map((value) => plan.addressOf(value)),
      scratch: kernel.scratch > 0,
      units: kernel.units,
      ...chunksOf(kernel.units, kernel.unitCost, threads),
    };
  });
  const functions = shared.map(({ name }) => exports[name] as KernelFunction);
  const addresses = shared.map((step) => (step.scratch ? [...step.addresses, scratchOf(0)] : step.addresses));
  const team =
    host && threads > 1 && shared.some(({ chunks }) => chunks > 1)
      ? new Team(shared, (step, begin, end) => functions[step]!(begin, end, ...addresses[step]!))
      : undefined;
  if (team && host) team.start(host, threads - 1, { module, memory }, scratchOf);
  const numbers = new Map(steps.map((step, i) => [step, i]));
  const alone = (step: KernelStep): Action => {
    const i = numbers.get(step)!;
    const { units } = shared[i]!;
    const [run, at] = [functions[i]!, addresses[i]!];
    return () => run(0, units, ...at);
  };
  const kernel = (step: KernelStep): Action => {
    const i = numbers.get(step)!;
    return team && shared[i]!.chunks > 1 ? () => team.share(i) : alone(step);
  };
  const { check } = options;
  return {
    alone,
    binding: { memory, plan, kernel, ...(check && { check }) },
    team,
    codeBytes: code.bytes.length,
  };
}

/** Steps by what does them. */
function countSteps(block: Block): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of stepsOf(block)) {
    const who = kind === "interpret" ? "interpreter" : kind === "kernel" || kind === "copy" ? "wasm" : "control";
    counts[who] = (counts[who] ?? 0) + 1;
  }
  return counts;
}

function allocate(descriptor: { initial: number; maximum: number; shared?: boolean }): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory(descriptor);
  } catch (cause) {
    throw new CerebroError(
      "limit",
      `model needs ${descriptor.initial * pageSize} bytes of memory, the host has not got them`,
      {
        cause,
      },
    );
  }
}
