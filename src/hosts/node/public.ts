// What `cerebro/node` gives: everything of this host. The command imports the parts, to load less.

export { type NodeHost, nodeHost } from "./index.ts";
export { network } from "./network.ts";
export { nodePackageHost } from "./packages.ts";
export { nodeEngineHost } from "./engine.ts";
