// Answers to DNS queries (RFC 1035) from the names that the host resolves, for programs with a grant of the network: they ask
// as ever, by UDP at port 53, and need no server.

/** Types of records. */
const Type = { a: 1, aaaa: 28, all: 255 } as const;
const headerSize = 12;
const timeToLive = 60;
const nameError = 3;

/** A question about one name. */
export interface Query {
  readonly name: string;
  readonly type: number;
  /** End of the question in the message. */
  readonly end: number;
}

/** Reads a query with one question; undefined for anything else. */
export function parseQuery(message: Uint8Array): Query | undefined {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  if (message.length < headerSize || (message[2]! & 0xf8) !== 0 || view.getUint16(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerSize;
  for (;;) {
    const length = message[at++];
    if (length === undefined || length > 63 || at + length + 4 > message.length) return undefined;
    if (length === 0) break;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)));
    at += length;
  }
  return { name: labels.join("."), type: view.getUint16(at), end: at + 4 };
}

/** The bytes of an IPv4 or IPv6 address text. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (/^\d+(\.\d+){3}$/.test(text)) return Uint8Array.from(text.split("."), Number);
  const [head, tail] = text.split("::");
  if (!text.includes(":") || head === undefined) return undefined;
  const words = (part: string) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const first = words(head);
  const last = tail === undefined ? [] : words(tail);
  const middle = Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => 0);
  const all = [...first, ...middle, ...last];
  return all.length === 8 ? Uint8Array.from(all.flatMap((word) => [word >>> 8, word & 255])) : undefined;
}

/** The answer to a query: the addresses of the asked type, or that there is no such name (undefined). */
export function answer(
  message: Uint8Array,
  { type, end }: Query,
  addresses: readonly string[] | undefined,
): Uint8Array {
  const wanted = (addresses ?? []).flatMap((text) => {
    const bytes = addressBytes(text);
    if (!bytes) return [];
    const kind = bytes.length === 4 ? Type.a : Type.aaaa;
    return type === kind || type === Type.all ? [{ kind, bytes }] : [];
  });
  const size = wanted.reduce((sum, { bytes }) => sum + 12 + bytes.length, end);
  const reply = new Uint8Array(size);
  reply.set(message.subarray(0, end));
  const view = new DataView(reply.buffer);
  // A response, recursion was available.
  view.setUint16(2, 0x8080 | (message[2]! << 8) | (addresses === undefined ? nameError : 0));
  view.setUint16(6, wanted.length);
  view.setUint32(8, 0);
  let at = end;
  for (const { kind, bytes } of wanted) {
    view.setUint16(at, 0xc000 | headerSize);
    view.setUint16(at + 2, kind);
    view.setUint16(at + 4, 1);
    view.setUint32(at + 6, timeToLive);
    view.setUint16(at + 10, bytes.length);
    reply.set(bytes, at + 12);
    at += 12 + bytes.length;
  }
  return reply;
}
