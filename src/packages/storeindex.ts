// The index of an unpacked package, as it is kept in the cache beside the uncompressed data.tar.

/** Changed whenever the index's layout changes: an index of another version is made anew. */
export const indexVersion = 1;

/** path, type's first letter, mode, uid, gid, mtime, size, offset, link target, extended attributes as Latin-1. */
export type Row = [
  string,
  string,
  number,
  number,
  number,
  number,
  number,
  number,
  (string | null)?,
  [string, string][]?,
];

export interface Index {
  version: number;
  control: string;
  controlFiles: [name: string, mode: number, latin1: string][];
  warnings: string[];
  tarSize: number;
  tarSha256: string;
  rows: Row[];
}
