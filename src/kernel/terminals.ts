// Which terminal controls which session: what job control and /proc need to know (credentials(7), tty(4)).

import { attached } from "./attached.ts";

/** A terminal as the kernel sees it. */
export interface ControllingTerminal {
  /** Device number, for /proc/self/stat. */
  readonly device: number;
  /** Foreground process group; 0 when there is none. */
  foreground: number;
  /** Gives the session up: its leader has ended. */
  release(): void;
}

/** Terminals by the session that they control. */
export const controllingTerminals = attached((kernel) => {
  const terminals = new Map<number, ControllingTerminal>();
  kernel.observers.push((process) => {
    if (process.pid === process.session) terminals.get(process.session)?.release();
  });
  return terminals;
});
