// Classes of characters as the `tokenizers` library has them: Unicode 8 in places, so what is newer is taken out.

/** Insides of character classes, for patterns with the flag u. */
export const classes = {
  white: String.raw`\p{White_Space}`,
  /** BERT's punctuation: all ASCII signs, and general category P. */
  punctuation: String.raw`!-\/:-@[-\x60{-~\p{P}\u166d\u{111c9}`,
  /** Punctuation that Unicode 8 did not have. */
  laterPunctuation: String.raw`\u061d\u09fd\u0a76\u0c77\u0c84\u1b4e\u1b4f\u1b7d-\u1b7f\u2e43-\u2e4f\u2e52-\u2e5d`,
  /** Ideographs that BERT puts spaces around. */
  ideographs: String.raw`\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}`,
  /** Pictures that Unicode 8 did not have: no script. */
  laterPictures: String.raw`\u20bf\u{1f6d3}-\u{1f6d7}\u{1f6dd}-\u{1f6df}\u{1f6f7}-\u{1f6fc}\u{1f7d5}-\u{1f7f0}\u{1f900}-\u{1f90f}\u{1f91f}\u{1f928}-\u{1f92f}\u{1f931}\u{1f932}\u{1f93f}\u{1f94c}-\u{1f94f}\u{1f95f}-\u{1f97f}\u{1f992}-\u{1f9bf}\u{1f9c1}-\u{1fbf9}`,
} as const;

/** One sign of BERT's punctuation. */
export const punctuationSign = `(?![${classes.laterPunctuation}])[${classes.punctuation}]`;

/** What BERT's cleaning removes: controls, formats and private characters but for the usual white space. */
export const controls = () => /(?![\t\n\r\u0890\u0891\u08e2\u{110cd}\u{13430}-\u{1343f}])[\p{Cc}\p{Cf}\p{Co}\ufffd]/gu;

/** Marks that Unicode 8 did not have. */
const laterAccents = String.raw`\u07fd\u0897-\u089f\u08ca-\u08e1\u09fe\u0afa-\u0aff\u0b55\u0c04\u0c3c\u0d00\u0d3b\u0d3c\u0d81\u0eba\u0ece\u180f\u1885\u1886\u1abf-\u1aeb\u1df6-\u1dfb\ua82c\ua8c5\ua8ff\ua9bd`;

/** Marks that take no space, as BERT strips them. */
export const accents = () => new RegExp(`(?![${laterAccents}])[\\p{Mn}\\u1734\\u{1171e}]`, "gu");

/** Text as UTF-8 can hold it: halves of pairs that stand alone become U+FFFD. */
export function wellFormed(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text;
}

/** Bytes that UTF-8 has for a code point. */
export const utf8Length = (point: number) => (point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);
