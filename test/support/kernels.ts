// Runs single kernels: compiles one, lays out its operands in a memory of its own and calls it.

import { setFlagsFromString } from "node:v8";
import { importedFunctions, moduleContext } from "../../src/engine/compile/functions.ts";
import type { Kernel, Template } from "../../src/engine/compile/kernel.ts";
import { templates } from "../../src/engine/compile/kernels/index.ts";
import { type DType, kindOf } from "../../src/engine/hlo/dtype.ts";
import { type Operation, type Program, type Region, usersOf, type Value } from "../../src/engine/hlo/graph.ts";
import { byteSize, bytesOf, fromBytes, type Tensor, toNumbers, zeros } from "../../src/engine/hlo/tensor.ts";
import { evaluate } from "../../src/engine/interpret/interpret.ts";
import { type } from "../../src/wasm/opcodes.ts";
import { expectClose, type Tolerance } from "./models.ts";

setFlagsFromString("--no-liftoff");
setFlagsFromString("--no-wasm-tier-up");
setFlagsFromString("--experimental-wasm-relaxed-simd");

const align = (n: number) => (n + 63) & ~63;

export interface RunningKernel {
  readonly codeBytes: number;
  /** Milliseconds. */
  readonly compileTime: number;
  /** Does units [begin, end); all when absent. */
  run(begin?: number, end?: number): void;
  result(index?: number): Tensor;
}

/** A kernel ready to run on these operands. Between tensors and at the end is memory full of NaN. */
export function startKernel(
  kernel: Kernel,
  operands: ReadonlyMap<Value, Tensor>,
  options: { relaxed?: boolean } = {},
): RunningKernel {
  const { module, context } = moduleContext({ relaxed: options.relaxed ?? false });
  const parameters = 2 + kernel.operands.length + kernel.results.length + (kernel.scratch > 0 ? 1 : 0);
  const { index, code } = module.function(module.type(Array(parameters).fill(type.i32)), kernel.name);
  kernel.emit(code, context);
  module.exportFunction("kernel", index);
  const bytes = module.finish({ names: true });
  const tensors = kernel.operands.map((value, i) => {
    const given = operands.get(value) ?? (value.producer?.attributes as { value?: Tensor } | undefined)?.value;
    if (!given) throw new Error(`operand ${i} has no value`);
    return kernel.packs.find(({ operand }) => operand === i)?.pack(given) ?? given;
  });
  let size = 64;
  const place = (count: number) => {
    const at = size;
    size = align(size + count) + 64;
    return at;
  };
  const addresses = tensors.map((tensor) => place(byteSize(tensor)));
  const results = kernel.results.map((value) => place(byteSize(value.type)));
  const scratch = kernel.scratch > 0 ? [place(kernel.scratch)] : [];
  const memory = new WebAssembly.Memory({ initial: Math.ceil((size + 65536) / 65536) });
  new Uint8Array(memory.buffer).fill(0xff);
  tensors.forEach((tensor, i) => new Uint8Array(memory.buffer).set(bytesOf(tensor), addresses[i]!));
  const start = performance.now();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory },
    math: importedFunctions(),
  });
  const compileTime = performance.now() - start;
  const call = instance.exports["kernel"] as (...numbers: number[]) => void;
  return {
    codeBytes: code.length,
    compileTime,
    run: (begin = 0, end = kernel.units) => call(begin, end, ...addresses, ...results, ...scratch),
    result: (i = 0) => {
      const { dtype, shape } = kernel.results[i]!.type;
      const count = byteSize({ dtype, shape });
      const copy = new Uint8Array(memory.buffer).slice(results[i]!, results[i]! + count);
      for (const limit of [results[i]! - 64, results[i]! + align(count)]) {
        const around = new Uint8Array(memory.buffer, limit, 64);
        if (around.some((byte) => byte !== 0xff)) throw new Error("memory around a result was written");
      }
      return fromBytes(dtype, shape, copy);
    },
  };
}

/** A tensor of numbers that depend on their place and look irregular: from -1 to 1, integers to 100 times that. */
export function numbers(dtype: DType, shape: readonly number[], seed = 0): Tensor {
  const result = zeros(dtype, shape);
  const data = result.data as Float32Array;
  for (let i = 0; i < data.length; i++) {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    const unit = 2 * (x - Math.floor(x)) - 1;
    if (kindOf(dtype) === "float") data[i] = unit;
    else if (kindOf(dtype) === "boolean") data[i] = unit > 0 ? 1 : 0;
    else data[i] = Math.round(unit * 100) + (kindOf(dtype) === "unsigned" ? 100 : 0);
  }
  return result;
}

/** What the templates find for the last operation of a body that has one. */
export function firstTemplate(body: Region, at?: Operation): Template | undefined {
  const users = new Map(usersOf(body));
  const candidates = at ? [at] : body.operations.toReversed();
  for (const operation of candidates) {
    for (const rule of templates) {
      const template = rule(operation, users);
      if (template) return template;
    }
  }
  return undefined;
}

/** Expects a kernel for a body's result to give the interpreter's numbers, whole and one unit at a time. */
export function checkKernel(body: Region, kernel: Kernel, tolerance?: Tolerance): void {
  const inputs = body.parameters.map(({ type }, i) => numbers(type.dtype, type.shape, i));
  const port = (value: Value, i: number) => ({ name: String(i), type: value.type });
  const program: Program = {
    name: "test",
    inputs: body.parameters.map(port),
    outputs: body.results.map(port),
    states: [],
    body,
  };
  const [expected] = evaluate(program, inputs);
  const running = startKernel(kernel, new Map(body.parameters.map((value, i) => [value, inputs[i]!])));
  running.run();
  const whole = running.result();
  expectClose(whole, toNumbers(expected!), tolerance, kernel.name);
  for (let unit = kernel.units - 1; unit >= 0; unit--) running.run(unit, unit + 1);
  const parts = running.result();
  if (Buffer.compare(bytesOf(whole), bytesOf(parts)) !== 0) throw new Error(`${kernel.name}: units differ`);
}
