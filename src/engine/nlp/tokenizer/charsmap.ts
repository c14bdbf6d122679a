// sentencepiece's compiled character map: a double-array trie from UTF-8 sequences to what they are replaced by.
// Source: sentencepiece's builder.cc (EncodePrecompiledCharsMap), darts-clone's unit layout.

import { FormatError } from "../../../base/errors.ts";
import { utf8 } from "../../../base/text.ts";
import { type Aligned, Edit } from "./aligned.ts";

const encoder = new TextEncoder();

export class Charsmap {
  private readonly units: Uint32Array;
  private readonly replacements: Uint8Array;
  private readonly known = new Map<string, string | undefined>();

  /** Throws FormatError when the sizes do not fit. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : -1;
    if (size < 0 || size % 4 !== 0 || 4 + size > bytes.length) {
      throw new FormatError(`tokenizer: the character map's trie of ${size} bytes does not fit ${bytes.length} bytes`);
    }
    this.units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.replacements = bytes.subarray(4 + size);
  }

  /** Prefixes of UTF-8 text that have a replacement, the shortest first: their lengths and values. */
  private *prefixes(text: Uint8Array, from: number): Generator<readonly [length: number, value: number]> {
    const { units } = this;
    if (units.length === 0) return;
    const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
    let at = offsetOf(units[0]!);
    for (let i = from; i < text.length; i++) {
      const byte = text[i]!;
      if (byte === 0) return;
      at = (at ^ byte) >>> 0;
      const unit = units[at];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return;
      at = (at ^ offsetOf(unit)) >>> 0;
      if (((unit >>> 8) & 1) === 1) {
        const leaf = units[at];
        if (leaf === undefined) return;
        yield [i + 1 - from, leaf & 0x7fffffff];
      }
    }
  }

  private replacement(at: number): string {
    const end = this.replacements.indexOf(0, at);
    return utf8(this.replacements.subarray(at, end < 0 ? undefined : end));
  }

  /** What a cluster or character becomes by its shortest prefix; undefined when it stays. */
  private change(part: string): string | undefined {
    if (this.known.has(part)) return this.known.get(part);
    const first = this.prefixes(encoder.encode(part), 0).next();
    const found = first.done ? undefined : this.replacement(first.value[1]);
    if (this.known.size < 20_000) this.known.set(part, found);
    return found;
  }

  /** As `tokenizers` applies it: to short clusters as a whole, else to each character. */
  byClusters(text: Aligned): Aligned {
    const edit = new Edit(text);
    let at = 0;
    /** From here on nothing was changed. */
    let kept = 0;
    const put = (part: string, wanted: string | undefined) => {
      if (wanted !== undefined && wanted !== part) {
        edit.keep(kept, at);
        edit.put(wanted, at, at + part.length);
        kept = at + part.length;
      }
      at += part.length;
    };
    for (const cluster of clusters(text.text)) {
      const whole =
        cluster.length === 1 || (cluster.length < 6 && encoder.encode(cluster).length < 6)
          ? this.change(cluster)
          : undefined;
      if (whole !== undefined || cluster.length === 1) put(cluster, whole);
      else for (const character of cluster) put(character, this.change(character));
    }
    if (kept === 0) return text;
    edit.keep(kept, at);
    return edit.finish();
  }

  /** As sentencepiece applies it: always the longest prefix. */
  byLongest(text: Aligned): Aligned {
    const bytes = encoder.encode(text.text);
    const edit = new Edit(text);
    let unit = 0;
    for (let at = 0; at < bytes.length;) {
      let length = 0;
      let value = 0;
      for (const [found, where] of this.prefixes(bytes, at)) [length, value] = [found, where];
      const taken = length === 0 ? characterLength(bytes[at]!) : length;
      const units = unitCount(bytes, at, at + taken);
      if (length === 0) edit.keep(unit, unit + units);
      else edit.put(this.replacement(value), unit, unit + units);
      unit += units;
      at += taken;
    }
    return edit.finish();
  }
}

const characterLength = (first: number) => (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4);

function unitCount(bytes: Uint8Array, from: number, to: number): number {
  let units = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    if (byte < 0x80 || byte >= 0xc0) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

/** Grapheme clusters; plain ASCII, where they are single characters, goes without the segmenter. */
function* clusters(text: string): Generator<string> {
  let segmenter: Intl.Segmenter | undefined;
  for (const [run] of text.matchAll(
    /[\0-\x09\x0b\x0c\x0e-\x7f](?![^\0-\x7f])|(?:[^\0-\x09\x0b\x0c\x0e-\x7f]|[\0-\x7f](?=[^\0-\x7f]))+/g,
  )) {
    if (run.length === 1) yield run;
    else {
      segmenter ??= new Intl.Segmenter("und", { granularity: "grapheme" });
      for (const { segment } of segmenter.segment(run)) yield segment;
    }
  }
}
