// Memory that waits in pipes and sockets, over all of them: no program fills the host's memory with data that nobody reads.

const most = 256 * 2 ** 20;
let held = 0;

/** Notes that buffers grew or shrank. */
export function countBuffered(bytes: number): void {
  held += bytes;
}

/** True when only empty buffers may take more (Linux: pipe-user-pages, tcp_mem). */
export function buffersExhausted(): boolean {
  return held > most;
}
