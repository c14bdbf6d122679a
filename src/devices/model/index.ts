// The model device of a kernel: /dev/cerebro and /sys/class/cerebro/cerebro0.

import { CerebroError } from "../../base/errors.ts";
import type { ModelService } from "../../bridge/service.ts";
import { type SettingName, Settings, settings } from "../../bridge/settings.ts";
import { table, textNode } from "../../fs/proc/nodes.ts";
import { sysClassesOf } from "../../fs/sys.ts";
import type { EngineHost } from "../../host/engine.ts";
import { attached } from "../../kernel/attached.ts";
import { EINVAL } from "../../kernel/errno.ts";
import { Open } from "../../kernel/file.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { devicesOf } from "../../kernel/vfs/devices.ts";
import { ModelFile } from "./device.ts";
import { PlainSessions } from "./plain.ts";
import { DeviceSession } from "./session.ts";

/** Character device of the kind that Linux leaves to local use (devices.txt: misc, 240 to 254). */
export const modelDevice = { name: "cerebro", major: 10, minor: 242, mode: 0o666 } as const;

const version = "1";

/** What a kernel's model device consists of. */
export class ModelDevice {
  readonly settings = new Settings();
  /** The service once a command has come. */
  service: ModelService | undefined;
  private loading: Promise<ModelService> | undefined;
  private readonly kernel: Kernel;
  private engineHost: EngineHost | undefined;
  readonly plain = new PlainSessions(() => this.session());

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Threads and compiler for models; without this they run on the kernel's own thread. */
  useHost(host: EngineHost | undefined): void {
    this.engineHost = host;
  }

  session(): DeviceSession {
    return new DeviceSession(this.settings, () => (this.loading ??= this.load()));
  }

  private async load(): Promise<ModelService> {
    const { ModelService } = await import("../../bridge/service.ts");
    const { kernel } = this;
    const host = this.engineHost ?? { processors: 1, now: () => kernel.now() };
    return (this.service = new ModelService({ host, timers: kernel.host.timers, settings: this.settings }));
  }
}

/** The model device of a kernel. */
export const modelDeviceOf = attached((kernel) => new ModelDevice(kernel));

function set(device: ModelDevice, name: SettingName, text: string): void {
  try {
    device.settings.set(name, text);
  } catch (error) {
    if (error instanceof CerebroError) throw EINVAL;
    throw error;
  }
}

const list = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

/** The names in the device's directory that are no settings: they are only read. */
const readings = {
  models: ({ service }: ModelDevice) => list((service?.models ?? []).map(({ name, users }) => `${name} ${users}`)),
  stats: ({ service }: ModelDevice) =>
    list(Object.entries(service?.stats ?? {}).map(([key, value]) => `${key} ${value}`)),
  version: () => `${version}\n`,
} as const;

/** Every name of the device's directory with its text, for `cerebro device`. */
export function deviceTexts(kernel: Kernel): ReadonlyMap<string, string> {
  const device = modelDeviceOf(kernel);
  const values = Object.keys(settings).map((name) => [name, device.settings.get(name as SettingName)] as const);
  const others = Object.entries(readings).map(([name, read]) => [name, read(device).trimEnd()] as const);
  return new Map([...values, ...others]);
}

/** Changes a setting. Throws CerebroError "usage" for a name or value that is none, and then nothing has changed. */
export function setDevice(kernel: Kernel, name: string, value: string): void {
  if (!Object.hasOwn(settings, name)) {
    const hint = `settings are ${Object.keys(settings).join(", ")}`;
    throw new CerebroError("usage", `no setting is called ${name}`, { hint });
  }
  modelDeviceOf(kernel).settings.set(name as SettingName, value);
}

/** Makes the device known: opening it, and its directory in /sys. */
export function registerModelDevice(kernel: Kernel): void {
  const device = modelDeviceOf(kernel);
  devicesOf(kernel).register("character", modelDevice.major, modelDevice.minor, (flags, path, process) => {
    if ((flags & Open.accessMask) === Open.readWrite) {
      const session = device.session();
      return new ModelFile(session, flags, path, process, () => session.close());
    }
    return new ModelFile(device.plain.find(process), flags, path, process, () => device.plain.sweep(process));
  });
  const nodes = Object.keys(settings).map((key) => {
    const name = key as SettingName;
    const node = textNode(() => `${device.settings.get(name)}\n`, {
      accept: (_writer, text) => set(device, name, text),
    });
    return [name, node] as const;
  });
  const entries = {
    ...Object.fromEntries(nodes),
    dev: textNode(() => `${modelDevice.major}:${modelDevice.minor}\n`),
    ...Object.fromEntries(Object.entries(readings).map(([name, read]) => [name, textNode(() => read(device))])),
  };
  sysClassesOf(kernel)["cerebro"] = (at) => table(at, { cerebro0: (below) => table(below, entries, 0o755) }, 0o755);
}
