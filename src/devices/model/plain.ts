// Whose session an opener gets that only reads or only writes: echo and cat open the device anew each time.

import type { Process } from "../../kernel/process.ts";
import type { DeviceSession } from "./session.ts";

interface Entry {
  /** The job that made it, and the login session that the job belongs to. */
  readonly group: number;
  readonly session: number;
  readonly device: DeviceSession;
}

/** Whether any process is in this group (or session). */
function lives(process: Process, field: "group" | "session", id: number): boolean {
  for (const each of process.kernel.processes.values()) if (each[field] === id) return true;
  return false;
}

/**
 * Sessions that last from one command of a shell to the next. A job has one of its own; so a shell script and another that
 * runs beside it do not meet, and the commands of a prompt find what the shell itself loaded.
 */
export class PlainSessions {
  private entries: Entry[] = [];
  private readonly make: () => DeviceSession;

  constructor(make: () => DeviceSession) {
    this.make = make;
  }

  /** The session for an opener: its job's, one of the jobs it comes from, one that a job has left behind; or a new one. */
  find(process: Process): DeviceSession {
    this.sweep(process);
    for (let at: Process | undefined = process; at; at = at.parent) {
      const { group, session } = at;
      const own = this.entries.find((entry) => entry.group === group && entry.session === session);
      if (own) return own.device;
      if (at.session !== process.session) break;
    }
    const left = this.entries.findLast(
      (entry) => entry.session === process.session && !lives(process, "group", entry.group),
    );
    if (left) return left.device;
    const entry: Entry = { group: process.group, session: process.session, device: this.make() };
    this.entries.push(entry);
    return entry.device;
  }

  /** Ends the sessions of which nobody is left. */
  sweep(process: Process): void {
    this.entries = this.entries.filter((entry) => {
      if (entry.device.busy || lives(process, "session", entry.session)) return true;
      entry.device.close();
      return false;
    });
  }
}
