// Ctrl-C on a terminal in raw mode is a byte for the guest's terminal. Where the program neither ends nor answers with output,
// the third one in a row is for us.

import type { NodeConsole } from "../hosts/node/console.ts";

const interrupt = 0x03;
const enough = 3;
/** Milliseconds between two of a row, at most. */
const pause = 2000;

/** What the terminal itself says to a Ctrl-C. */
function isEcho(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x5e || byte === 0x43 || byte === 0x0d || byte === 0x0a);
}

/** The same console; `end` is called when the user insists. */
export function insisting(console: NodeConsole, end: () => void): NodeConsole {
  let count = 0;
  let last = -Infinity;
  const view = Object.create(console) as NodeConsole;
  view.input = (receive) =>
    console.input((bytes) => {
      if (console.terminal[0] && bytes?.length === 1 && bytes[0] === interrupt) {
        const now = performance.now();
        count = now - last < pause ? count + 1 : 1;
        last = now;
        if (count >= enough) return end();
      } else count = 0;
      receive(bytes);
    });
  view.write = (stream, bytes, drained) => {
    if (count > 0 && !isEcho(bytes)) count = 0;
    return console.write(stream, bytes, drained);
  };
  return view;
}
