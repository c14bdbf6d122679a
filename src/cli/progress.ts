// A line of progress on a terminal while packages are fetched; nothing where stderr is no terminal.

import type { WriteStream } from "node:tty";
import { humanSize } from "../base/text.ts";
import type { Progress } from "../machine/index.ts";

/** Milliseconds between drawings, and before the first: what is quick shows nothing. */
const interval = 80;
const verbs = { download: "fetching", unpack: "unpacking", index: "reading" } as const;

export function progressBar(stream: Pick<WriteStream, "isTTY" | "write" | "columns">): Progress {
  if (!stream.isTTY) return () => {};
  const began = performance.now();
  let drawn = began;
  let isDrawn = false;
  const clear = () => {
    if (isDrawn) stream.write("\r\x1b[K");
    isDrawn = false;
  };
  process.once("exit", clear);
  return ({ name, activity, bytes, total }) => {
    const now = performance.now();
    const done = total !== undefined && bytes >= total;
    if (done && isDrawn) clear();
    if (done || now - drawn < interval) return;
    drawn = now;
    isDrawn = true;
    const width = 20;
    const share = total ? Math.min(1, bytes / total) : 0;
    const bar = total ? `[${"#".repeat(Math.round(share * width)).padEnd(width, ".")}] ` : "";
    const size = bytes > 0 ? ` ${humanSize(bytes)}${total ? ` of ${humanSize(total)}` : ""}` : "";
    stream.write(
      `\r\x1b[K${`${bar}${verbs[activity]} ${name}${size}`.slice(0, Math.max(20, (stream.columns || 80) - 1))}`,
    );
  };
}
