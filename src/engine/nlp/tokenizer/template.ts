// Post-processors: the special tokens around one text or two, and offsets without the spaces of byte-level tokens.

import { FormatError, UnsupportedFormat } from "../../../base/errors.ts";
import { Config } from "../../import/transformer/config.ts";
import { append, appendSpecial, emptyEncoding, type Encoding } from "./encoding.ts";

/** A place in a template: a special token's ids, or a text. */
type Place =
  | { readonly ids: readonly number[]; readonly typeId: number }
  | { readonly sequence: 0 | 1; readonly typeId: number };

export interface PostProcessor {
  readonly single: readonly Place[];
  readonly pair: readonly Place[];
  /** Offsets leave out the spaces that tokens begin or end with; `prefix`: one of them was put there by the tokenizer. */
  readonly trim: { readonly prefix: boolean } | undefined;
}

const text = (sequence: 0 | 1, typeId: number): Place => ({ sequence, typeId });

/** No special tokens. */
export const plainTemplate: PostProcessor = { single: [text(0, 0)], pair: [text(0, 0), text(1, 1)], trim: undefined };

/** ["[SEP]", 102] */
function idOf(config: Config, name: string): number {
  const pair = config.json[name];
  const id: unknown = Array.isArray(pair) ? pair[1] : undefined;
  if (typeof id !== "number") throw new FormatError(`tokenizer: post_processor: "${name}" is no token with its id`);
  return id;
}

function places(config: Config, name: string): Place[] {
  const specials = config.within("special_tokens");
  return config.objects(name).map((each) => {
    const sequence = each.within("Sequence");
    const typeId = (sequence ?? each.within("SpecialToken"))?.number("type_id", 0) ?? 0;
    if (sequence) return text(sequence.text("id") === "B" ? 1 : 0, typeId);
    const token = each.within("SpecialToken")?.text("id") ?? "";
    const ids = specials?.within(token)?.tokens("ids");
    if (!ids) throw new FormatError(`tokenizer: post_processor: the special token "${token}" is not described`);
    return { ids, typeId };
  });
}

/** Every post-processor by its name in tokenizer.json. */
export const postprocessors = {
  TemplateProcessing: (config) => ({ single: places(config, "single"), pair: places(config, "pair"), trim: undefined }),
  BertProcessing: (config) => {
    const end = (typeId: number): Place => ({ ids: [idOf(config, "sep")], typeId });
    const begin: Place = { ids: [idOf(config, "cls")], typeId: 0 };
    return {
      single: [begin, text(0, 0), end(0)],
      pair: [begin, text(0, 0), end(0), text(1, 1), end(1)],
      trim: undefined,
    };
  },
  RobertaProcessing: (config) => {
    const end: Place = { ids: [idOf(config, "sep")], typeId: 0 };
    const begin: Place = { ids: [idOf(config, "cls")], typeId: 0 };
    return {
      single: [begin, text(0, 0), end],
      pair: [begin, text(0, 0), end, end, text(1, 0), end],
      trim: trimOf(config),
    };
  },
  ByteLevel: (config) => ({ ...plainTemplate, trim: trimOf(config) }),
  Sequence: (config) =>
    config
      .objects("processors")
      .map(postprocessorOf)
      .reduce((before, { single, pair, trim }) => ({
        single: nested(single, before.single),
        pair: pair === plainTemplate.pair ? before.pair : pair,
        trim: trim ?? before.trim,
      })),
} as const satisfies Record<string, (config: Config) => PostProcessor>;

const trimOf = (config: Config) =>
  config.flag("trim_offsets", true) ? { prefix: config.flag("add_prefix_space", true) } : undefined;

/** A template around what another one gives for one text. */
function nested(outer: readonly Place[], inner: readonly Place[]): readonly Place[] {
  return outer.flatMap((place) => ("sequence" in place && place.sequence === 0 ? inner : [place]));
}

/** The post-processor that a part of tokenizer.json describes. Throws FormatError. */
export function postprocessorOf(config: Config): PostProcessor {
  const type = config.text("type");
  const make = Object.hasOwn(postprocessors, type) ? postprocessors[type as keyof typeof postprocessors] : undefined;
  if (!make) throw new UnsupportedFormat(`tokenizer: the post-processor "${type}" is not built`);
  return make(config);
}

/** How many special tokens a template adds. */
export function addedCount(template: readonly Place[]): number {
  return template.reduce((sum, place) => sum + ("ids" in place ? place.ids.length : 0), 0);
}

/** One text or two in a template. */
export function assemble(template: readonly Place[], texts: readonly Encoding[]): Encoding {
  const result = emptyEncoding();
  for (const place of template) {
    if ("ids" in place) {
      for (const id of place.ids) appendSpecial(result, id, place.typeId);
      continue;
    }
    const encoding = texts[place.sequence];
    if (!encoding) continue;
    append(result, encoding);
    for (let i = result.ids.length - encoding.ids.length; i < result.ids.length; i++) {
      result.typeIds[i] = place.typeId;
      result.sequences[i] = place.sequence;
    }
  }
  return result;
}

const spaces = /^[\p{White_Space}Ġ]*/u;
const spacesBehind = /[\p{White_Space}Ġ]+$/u;

/** Takes the spaces that byte-level tokens carry out of their offsets. Source: process_offsets of `tokenizers`. */
export function trimOffsets(encoding: Encoding, token: (id: number) => string, { prefix }: { prefix: boolean }): void {
  const { ids, starts, ends } = encoding;
  ids.forEach((id, i) => {
    const spelled = token(id);
    let before = spaces.exec(spelled)![0].length;
    if (before === 0 && !spacesBehind.test(spelled)) return;
    const own = prefix && (i === 0 || starts[i] === 0);
    if (before > 0 && before === spelled.length) {
      if (own && before === 1) ends[i] = starts[i]!;
      else starts[i] = ends[i]!;
      return;
    }
    const behind = spacesBehind.exec(spelled)?.[0].length ?? 0;
    if (before > 0) {
      if (own) before--;
      starts[i] = Math.min(starts[i]! + before, ends[i]!);
    }
    if (behind > 0 && ends[i]! >= behind) ends[i] = Math.max(ends[i]! - behind, starts[i]!);
  });
}
