// Parts of a kernel that only some layers know, made on first use: its devices, its network.

import type { Kernel } from "./kernel.ts";

/** A function that gives each kernel its own instance. */
export function attached<T>(make: (kernel: Kernel) => T): (kernel: Kernel) => T {
  const instances = new WeakMap<Kernel, T>();
  return (kernel) => {
    let instance = instances.get(kernel);
    if (instance === undefined) instances.set(kernel, (instance = make(kernel)));
    return instance;
  };
}
