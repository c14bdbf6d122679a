// Tokens of a text with all that is known of them; cutting them to a length and filling them up.

/** Parallel lists, one entry a token. */
export interface Encoding {
  readonly ids: number[];
  /** Which of two texts, as the model wants to hear it. */
  readonly typeIds: number[];
  /** Where in the original text, in UTF-16 units; 0, 0 for tokens that are not from a text. */
  readonly starts: number[];
  readonly ends: number[];
  /** The word's number in its text; -1 for tokens that are not from a text. */
  readonly words: number[];
  /** 0 or 1: the first or second text; -1 neither. */
  readonly sequences: number[];
  /** 1 for tokens, 0 for padding. */
  readonly mask: number[];
}

export const emptyEncoding = (): Encoding => ({
  ids: [],
  typeIds: [],
  starts: [],
  ends: [],
  words: [],
  sequences: [],
  mask: [],
});

const fields = ["ids", "typeIds", "starts", "ends", "words", "sequences", "mask"] as const;

/** Appends all of another encoding. */
export function append(to: Encoding, from: Encoding): void {
  for (const field of fields) {
    const target = to[field];
    for (const value of from[field]) target.push(value);
  }
}

/** Appends a token that is not from a text. */
export function appendSpecial(to: Encoding, id: number, typeId: number, mask = 1): void {
  to.ids.push(id);
  to.typeIds.push(typeId);
  to.starts.push(0);
  to.ends.push(0);
  to.words.push(-1);
  to.sequences.push(-1);
  to.mask.push(mask);
}

/** Tokens [from, to). */
export function part(encoding: Encoding, from: number, to: number): Encoding {
  return {
    ids: encoding.ids.slice(from, to),
    typeIds: encoding.typeIds.slice(from, to),
    starts: encoding.starts.slice(from, to),
    ends: encoding.ends.slice(from, to),
    words: encoding.words.slice(from, to),
    sequences: encoding.sequences.slice(from, to),
    mask: encoding.mask.slice(from, to),
  };
}

export interface Truncation {
  /** Most tokens, special ones included. */
  readonly length: number;
  readonly strategy?: "longest-first" | "only-first" | "only-second";
  readonly direction?: "right" | "left";
}

export interface Padding {
  /** A number of tokens, or undefined: as long as the longest. */
  readonly length?: number;
  readonly multiple?: number;
  readonly direction?: "right" | "left";
  readonly id: number;
  readonly typeId?: number;
}

const cut = (encoding: Encoding, length: number, direction: "right" | "left" = "right") =>
  encoding.ids.length <= length
    ? encoding
    : direction === "right"
      ? part(encoding, 0, length)
      : part(encoding, encoding.ids.length - length, encoding.ids.length);

/** Cuts one or two texts so that together they have at most `room` tokens. Source: truncate_encodings of `tokenizers`. */
export function truncate(
  first: Encoding,
  second: Encoding | undefined,
  room: number,
  { strategy = "longest-first", direction = "right" }: Truncation,
): [Encoding, Encoding | undefined] {
  const total = first.ids.length + (second?.ids.length ?? 0);
  if (total <= room) return [first, second];
  if (!second || strategy === "only-first") {
    return [cut(first, Math.max(0, room - (second?.ids.length ?? 0)), direction), second];
  }
  if (strategy === "only-second") return [first, cut(second, Math.max(0, room - first.ids.length), direction)];
  const swapped = first.ids.length > second.ids.length;
  let [short, long] = [first.ids.length, second.ids.length].sort((a, b) => a - b) as [number, number];
  long = short > room ? short : Math.max(short, room - short);
  if (short + long > room) {
    short = Math.floor(room / 2);
    long = short + (room % 2);
  }
  const [one, two] = swapped ? [long, short] : [short, long];
  return [cut(first, one, direction), cut(second, two, direction)];
}

/** Fills encodings up to one length. */
export function pad(
  encodings: readonly Encoding[],
  { length, multiple, direction, id, typeId = 0 }: Padding,
): Encoding[] {
  const longest = encodings.reduce((most, { ids }) => Math.max(most, ids.length), 0);
  let wanted = Math.max(length ?? 0, length === undefined ? longest : 0);
  if (multiple !== undefined && wanted % multiple !== 0) wanted += multiple - (wanted % multiple);
  return encodings.map((encoding) => {
    const filling = emptyEncoding();
    for (let i = encoding.ids.length; i < wanted; i++) appendSpecial(filling, id, typeId, 0);
    const result = emptyEncoding();
    for (const each of direction === "left" ? [filling, encoding] : [encoding, filling]) append(result, each);
    return result;
  });
}
