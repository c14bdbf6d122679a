// /proc: processes and the kernel as files (proc(5)).

import { anonymousDevice } from "../kernel/anonymous.ts";
import { ENOENT } from "../kernel/errno.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { FileSystemStatus, Vnode } from "../kernel/vfs/vnode.ts";
import { Type } from "../kernel/vfs/vnode.ts";
import { Directory, type Identity, LinkNode, type SyntheticFileSystem } from "./proc/nodes.ts";
import { processDirectory } from "./proc/process.ts";
import { systemEntries } from "./proc/system.ts";

export class ProcFileSystem implements SyntheticFileSystem {
  readonly name = "proc";
  readonly device = anonymousDevice();
  readonly readOnly = false;
  private readonly kernel: Kernel;
  private readonly top: Directory;
  /** Nodes are made once, so that settings keep what was written to them. */
  private readonly system = new Map<string, Vnode>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    const identity = (name: string): Identity => ({ fileSystem: this, at: `/${name}` });
    const entries = systemEntries(kernel);
    const links: Record<string, () => Vnode> = {
      self: () =>
        new LinkNode(identity("self"), (reader) => {
          if (!reader) throw ENOENT;
          return String(reader.pid);
        }),
      "thread-self": () =>
        new LinkNode(identity("thread-self"), (reader) => {
          if (!reader) throw ENOENT;
          const task = kernel.scheduler.current;
          return `${reader.pid}/task/${task?.process === reader ? task.tid : reader.pid}`;
        }),
    };
    this.top = new Directory(
      { fileSystem: this, at: "" },
      {
        find: (name) => {
          if (/^[1-9]\d*$/.test(name)) {
            const process = this.processOf(Number(name));
            return process && processDirectory(identity(name), process);
          }
          if (Object.hasOwn(links, name)) return links[name]!();
          if (!Object.hasOwn(entries, name)) return undefined;
          let node = this.system.get(name);
          if (!node) this.system.set(name, (node = entries[name]!(identity(name))));
          return node;
        },
        *names() {
          for (const name of Object.keys(links)) yield [name, Type.link] as const;
          for (const name of Object.keys(entries)) yield [name, entries[name]!(identity(name)).type] as const;
          for (const pid of kernel.processes.keys()) yield [String(pid), Type.directory] as const;
        },
      },
    );
  }

  /** A process by its id or, as Linux allows, by that of one of its tasks. */
  private processOf(id: number) {
    return this.kernel.processes.get(id) ?? this.kernel.tasks.get(id)?.process;
  }

  now(): bigint {
    return this.kernel.realtime();
  }
  root(): Vnode {
    return this.top;
  }
  status(): FileSystemStatus {
    return { type: 0x9fa0, blockSize: 4096, blocks: 0, blocksFree: 0, files: 0, filesFree: 0, nameMax: 255 };
  }
}
