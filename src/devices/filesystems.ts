// The file systems that a program may mount inside the machine (mount(2)).

import { limitedAccount, MemoryFileSystem } from "../fs/memory.ts";
import { ProcFileSystem } from "../fs/proc.ts";
import { SysFileSystem } from "../fs/sys.ts";
import { EINVAL } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { fileSystemsOf } from "../kernel/vfs/filesystems.ts";
import type { DiskAccount } from "../kernel/vfs/storage.ts";
import { deviceFileSystem } from "./dev.ts";
import { PtsFileSystem } from "./pty.ts";

const units: Record<string, number> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** size= and mode= of tmpfs(5); other options change nothing here. */
function memoryOptions(text: string): { size?: number; mode?: number } {
  const found: { size?: number; mode?: number } = {};
  for (const option of text.split(",")) {
    const [name, value = ""] = option.split("=");
    if (name === "size") {
      const match = /^(\d+)([kmg]?)$/i.exec(value);
      if (match) found.size = Number(match[1]) * units[match[2]!.toLowerCase()]!;
      else if (!/^\d+%$/.test(value)) throw EINVAL;
    } else if (name === "mode") {
      if (!/^[0-7]+$/.test(value)) throw EINVAL;
      found.mode = Number.parseInt(value, 8);
    }
  }
  return found;
}

/** Makes tmpfs, proc, sysfs, devtmpfs and devpts known. What tmpfs keeps is charged to `account`. */
export function registerFileSystems(kernel: Kernel, account: DiskAccount): void {
  const types = fileSystemsOf(kernel);
  const memory = (options: string) => {
    const { size, mode = 0o1777 } = memoryOptions(options);
    return new MemoryFileSystem({
      now: () => kernel.realtime(),
      account: size === undefined ? account : limitedAccount(size, account),
      mode,
      ...(size !== undefined && { capacity: size }),
    });
  };
  types.register("tmpfs", (_process, _source, options) => memory(options));
  types.register("ramfs", (_process, _source, options) => memory(options));
  types.register("proc", () => new ProcFileSystem(kernel));
  types.register("sysfs", () => new SysFileSystem(kernel));
  types.register("devtmpfs", () => deviceFileSystem(kernel));
  types.register("devpts", () => new PtsFileSystem(kernel));
}
