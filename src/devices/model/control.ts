// The ioctl requests of /dev/cerebro: structures and tensors in the program's memory (abi/cerebro/device.ts).

import {
  Command,
  elementNumbers,
  Execution,
  Message,
  ModelInfo,
  mostDimensions,
  PortInfo,
  requestNumber,
  requests,
  TensorInfo,
} from "../../abi/cerebro/device.ts";
import { FormatError } from "../../base/errors.ts";
import { encodeUtf8, utf8 } from "../../base/text.ts";
import type { DType } from "../../engine/hlo/dtype.ts";
import { byteSize, bytesOf, fromBytes, type Tensor } from "../../engine/hlo/tensor.ts";
import type { Tensors } from "../../engine/model.ts";
import { E2BIG, EAGAIN, EFAULT, EINVAL, ENODATA, ENOSPC, ENOTTY } from "../../kernel/errno.ts";
import type { Task } from "../../kernel/task.ts";
import { Access } from "../../memory/layout.ts";
import { type DeviceSession, longestLine } from "./session.ts";

const elementNames = new Map<number, DType>(
  Object.entries(elementNumbers).map(([name, number]) => [number, name as DType]),
);
const mostTensors = 256;

/** An address of a program, which are below 4 GiB here. */
function addressOf(value: bigint): number {
  if (value < 0n || value > 0xffff_ffffn) throw EFAULT;
  return Number(value);
}

/** The element's number in structures; 0 for text and the types they leave out. */
const elementNumber = (dtype: DType | "string") =>
  dtype in elementNumbers ? elementNumbers[dtype as keyof typeof elementNumbers] : 0;

const numbers = {
  command: requestNumber(requests.CEREBRO_COMMAND),
  modelInfo: requestNumber(requests.CEREBRO_MODEL_INFO),
  portInfo: requestNumber(requests.CEREBRO_PORT_INFO),
  execute: requestNumber(requests.CEREBRO_EXECUTE),
  message: requestNumber(requests.CEREBRO_MESSAGE),
} as const;

/** Does a request. Throws EAGAIN while work that it began goes on: the caller comes back. */
export function control(session: DeviceSession, task: Task, request: number, at: number): number {
  const { guest } = task.process.memory;
  const loaded = () => {
    if (!session.loaded) throw ENODATA;
    return session.loaded;
  };
  switch (request >>> 0) {
    case numbers.command: {
      const { text, length } = Command.read(guest.bytes(at, Command.size, Access.read));
      if (length > longestLine) throw E2BIG;
      const lines = utf8(guest.bytes(addressOf(text), length, Access.read).slice());
      if (session.work(lines, () => session.perform(lines, task.process)) === "running") throw EAGAIN;
      return 0;
    }
    case numbers.modelInfo: {
      const { model, signature } = loaded();
      ModelInfo.write(guest.bytes(at, ModelInfo.size, Access.write), {
        inputs: signature.inputs.length,
        outputs: signature.outputs.length,
        parameters: BigInt(model.parameters),
        threads: 1,
        reserved: 0,
        name: model.name,
        format: model.format,
      });
      return 0;
    }
    case numbers.portInfo: {
      const { signature } = loaded();
      const { index, output } = PortInfo.read(guest.bytes(at, PortInfo.size, Access.read));
      const port = (output === 0 ? signature.inputs : signature.outputs)[index];
      if (!port) throw EINVAL;
      const extents = (port.shape ?? []).slice(0, mostDimensions).map((n) => BigInt(typeof n === "number" ? n : 0));
      PortInfo.write(guest.bytes(at, PortInfo.size, Access.write), {
        element: elementNumber(port.dtype),
        rank: port.shape?.length ?? 0,
        shape: [...extents, ...Array.from({ length: mostDimensions - extents.length }, () => 0n)],
        scale: port.quantization?.scale ?? 0,
        zero_point: port.quantization?.zeroPoint ?? 0,
        name: port.name,
      });
      return 0;
    }
    case numbers.execute:
      return execute(session, task, at);
    case numbers.message: {
      const { text, length } = Message.read(guest.bytes(at, Message.size, Access.read));
      const words = encodeUtf8(session.message);
      guest.write(addressOf(text), words.subarray(0, length));
      Message.write(guest.bytes(at, Message.size, Access.write), { length: words.length });
      return 0;
    }
    default:
      throw ENOTTY;
  }
}

/** The tensors that a program lays before us, copied. */
function inputsOf(session: DeviceSession, task: Task, at: number, count: number): Tensors {
  const { guest } = task.process.memory;
  const ports = session.loaded!.signature.inputs;
  const found: Record<string, Tensor> = {};
  for (let i = 0; i < count; i++) {
    const given = TensorInfo.read(guest.bytes(at + i * TensorInfo.size, TensorInfo.size, Access.read));
    const dtype = elementNames.get(given.element);
    if (!dtype || given.rank > mostDimensions) throw EINVAL;
    const shape = given.shape.slice(0, given.rank).map(Number);
    let size: number;
    try {
      size = byteSize({ dtype, shape });
    } catch (error) {
      if (error instanceof FormatError) throw EINVAL;
      throw error;
    }
    if (BigInt(size) !== given.size) throw EINVAL;
    // A copy: aligned, and the program may change its own while the model runs.
    const bytes = guest.bytes(addressOf(given.data), size, Access.read).slice();
    found[given.name === "" ? (ports[i]?.name ?? "") : given.name] = fromBytes(dtype, shape, bytes);
  }
  return found;
}

/** Where each output goes: the one of its name, or the one at its place. */
function giveOutputs(session: DeviceSession, task: Task, at: number, count: number): void {
  const { guest } = task.process.memory;
  const outputs = Object.entries(session.lastOutcome?.tensors ?? {});
  for (let i = 0; i < count; i++) {
    const place = at + i * TensorInfo.size;
    const { name, data, size } = TensorInfo.read(guest.bytes(place, TensorInfo.size, Access.read));
    const [key, tensor] = (name === "" ? outputs[i] : outputs.find(([each]) => each === name)) ?? [];
    if (key === undefined || !tensor) throw EINVAL;
    const bytes = bytesOf(tensor);
    const extents = tensor.shape.slice(0, mostDimensions).map(BigInt);
    TensorInfo.write(guest.bytes(place, TensorInfo.size, Access.write), {
      size: BigInt(bytes.length),
      element: elementNumber(tensor.dtype),
      rank: tensor.shape.length,
      shape: [...extents, ...Array.from({ length: mostDimensions - extents.length }, () => 0n)],
      name: key,
    });
    if (BigInt(bytes.length) > size) throw ENOSPC;
    guest.write(addressOf(data), bytes);
  }
}

function execute(session: DeviceSession, task: Task, at: number): number {
  const { guest } = task.process.memory;
  const given = Execution.read(guest.bytes(at, Execution.size, Access.read));
  if (given.input_count > mostTensors || given.output_count > mostTensors) throw E2BIG;
  if (!session.loaded) throw ENODATA;
  const state = session.work(`execute ${task.tid} ${at}`, () =>
    session.run(inputsOf(session, task, addressOf(given.inputs), given.input_count)),
  );
  if (state === "running") throw EAGAIN;
  giveOutputs(session, task, addressOf(given.outputs), given.output_count);
  Execution.write(guest.bytes(at, Execution.size, Access.write), {
    nanoseconds: BigInt(Math.round(session.lastOutcome!.time)),
  });
  return 0;
}
