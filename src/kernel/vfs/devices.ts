// Device numbers to drivers: opening a device node asks here (makedev(3), Documentation/admin-guide/devices.txt).

import { attached } from "../attached.ts";
import { ENXIO } from "../errno.ts";
import type { OpenFile } from "../file.ts";
import type { Process } from "../process.ts";
import type { Path } from "./path.ts";

/** Opens a device of this number. */
export type Driver = (flags: number, path: Path, process: Process, number: number) => OpenFile;

/** Linux's encoding of a device number in st_rdev: 12 bits of major, 20 of minor. */
export function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export function majorOf(number: number): number {
  return (number >>> 8) & 0xfff;
}
export function minorOf(number: number): number {
  return (number & 0xff) | ((number >>> 12) & 0xfff00);
}

export class Devices {
  private readonly drivers = new Map<string, Driver>();

  /** Registers a driver for one minor number, or for all of a major. */
  register(kind: "character" | "block", major: number, minor: number | "all", driver: Driver): void {
    this.drivers.set(`${kind} ${major} ${minor}`, driver);
  }

  /** Opens a node. Throws ENXIO when nothing drives it. */
  open(kind: "character" | "block", number: number, flags: number, path: Path, process: Process): OpenFile {
    const major = majorOf(number);
    const driver = this.drivers.get(`${kind} ${major} ${minorOf(number)}`) ?? this.drivers.get(`${kind} ${major} all`);
    if (!driver) throw ENXIO;
    return driver(flags, path, process, number);
  }
}

/** The devices of a kernel. */
export const devicesOf = attached(() => new Devices());
