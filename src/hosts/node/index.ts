// The host for Node >= 20.

import { randomFillSync } from "node:crypto";
import type { Host, HostFiles, HostNetwork } from "../../host/host.ts";
import { clock, timers } from "./clock.ts";
import { NodeConsole } from "./console.ts";
import { files } from "./files.ts";

export interface NodeHost extends Host {
  readonly console: NodeConsole;
  readonly files: HostFiles;
}

/** This Node process as a host. Outside connections need `network` (hosts/node/network.ts), which is loaded when granted. */
export function nodeHost(options: { network?: HostNetwork } = {}): NodeHost {
  return {
    clock,
    timers,
    console: new NodeConsole(),
    files,
    ...(options.network && { network: options.network }),
    random: (into) => void randomFillSync(into),
  };
}
