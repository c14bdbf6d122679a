// /sys: as little as programs look for, the processors (sysfs(5)).

import { anonymousDevice } from "../kernel/anonymous.ts";
import { attached } from "../kernel/attached.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { FileSystemStatus, Vnode } from "../kernel/vfs/vnode.ts";
import { type Identity, type SyntheticFileSystem, table, textNode } from "./proc/nodes.ts";

type Entries = Record<string, (identity: Identity) => Vnode>;

/** /sys/class: a directory for each class of devices, added by those who have the devices. */
export const sysClassesOf = attached((): Entries => ({ net: rows({}), tty: rows({}) }));

const rows = (below: Entries) => (at: Identity) => table(at, below, 0o755);
const fixed = (text: string) => textNode(() => `${text}\n`);

const entries = (kernel: Kernel): Entries => ({
  devices: rows({
    system: rows({
      cpu: rows({
        online: fixed("0"),
        possible: fixed("0"),
        present: fixed("0"),
        offline: fixed(""),
        kernel_max: fixed("0"),
        cpu0: rows({
          topology: rows({ core_id: fixed("0"), physical_package_id: fixed("0"), thread_siblings: fixed("1") }),
        }),
      }),
      node: rows({ online: fixed("0"), possible: fixed("0") }),
    }),
    virtual: rows({}),
  }),
  kernel: rows({ mm: rows({ transparent_hugepage: rows({ enabled: fixed("always madvise [never]") }) }) }),
  class: rows(sysClassesOf(kernel)),
  block: rows({}),
  bus: rows({}),
  dev: rows({ char: rows({}), block: rows({}) }),
  fs: rows({ cgroup: rows({}) }),
  module: rows({}),
});

export class SysFileSystem implements SyntheticFileSystem {
  readonly name = "sysfs";
  readonly device = anonymousDevice();
  readonly readOnly = false;
  private readonly kernel: Kernel;
  private readonly top: Vnode;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.top = table({ fileSystem: this, at: "" }, entries(kernel));
  }
  now(): bigint {
    return this.kernel.realtime();
  }
  root(): Vnode {
    return this.top;
  }
  status(): FileSystemStatus {
    return { type: 0x62656572, blockSize: 4096, blocks: 0, blocksFree: 0, files: 0, filesFree: 0, nameMax: 255 };
  }
}
