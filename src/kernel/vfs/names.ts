// File names are bytes to Linux and strings to us: base/text.ts says how they go there and back.

import { encodeName } from "../../base/text.ts";

export { decodeName, encodeName } from "../../base/text.ts";

/** Length of a name in bytes. */
export function nameLength(name: string): number {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) >= 0x80) return encodeName(name).length;
  return name.length;
}
