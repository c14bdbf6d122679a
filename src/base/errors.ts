// The errors that Cerebro itself raises: they say what is wrong, with the numbers, and what the user can do.

/** What kind of failure it is. The command line turns `not-runnable` into 126, `not-found` into 127, the rest into 125. */
export type ErrorCode =
  | "usage"
  | "format"
  | "unsupported"
  | "not-found"
  | "not-runnable"
  | "denied"
  | "limit"
  | "dependency"
  | "network"
  | "signature"
  | "host"
  | "internal";

/** Every error that leaves the API. */
export class CerebroError extends Error {
  readonly code: ErrorCode;
  /** One sentence: what to try. */
  readonly hint: string | undefined;
  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CerebroError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** Input that breaks its format's rules. Says what, where and both numbers: "ELF: section 3 ends at 0x9000, file has 0x8a10". */
export class FormatError extends CerebroError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super("format", message, options);
    this.name = "FormatError";
  }
}

/** Input that is valid but uses something that is not built. */
export class UnsupportedFormat extends FormatError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options);
    this.name = "UnsupportedFormat";
  }
}

/** Holds an invariant: what can only fail through a mistake of ours. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CerebroError("internal", `internal error: ${message}`);
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
