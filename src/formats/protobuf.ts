// Protocol buffers: messages described by tables of fields, read from the wire format (protobuf.dev, "Encoding").

import { FormatError } from "../base/errors.ts";
import { hex, utf8 } from "../base/text.ts";

/** Deepest nesting of messages, the limit of protobuf's own readers. */
export const maximumDepth = 100;

const wires = { varint: 0, fixed64: 1, bytes: 2, group: 3, groupEnd: 4, fixed32: 5 } as const;
type Wire = (typeof wires)[keyof typeof wires];

/** Reads one message's bytes: every length is checked against the end of what encloses it. */
class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly what: string;
  position: number;
  end: number;
  depth = 0;
  /** The upper half of the last varint. */
  high = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.what = what;
    this.position = 0;
    this.end = bytes.length;
  }

  fail(problem: string, at = this.position): never {
    throw new FormatError(`${this.what}: ${problem} at ${hex(at)}, message ends at ${hex(this.end)}`);
  }

  /** A varint's lower 32 bits, unsigned; `high` has the upper ones. */
  varint(): number {
    const start = this.position;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= this.end) this.fail("a number is cut off", start);
      const byte = this.bytes[this.position++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) {
        this.high = high;
        return low >>> 0;
      }
    }
    return this.fail("a number has more than 10 bytes", start);
  }

  /** Skips `count` bytes; gives where they began. */
  take(count: number): number {
    const at = this.position;
    if (count > this.end - at) this.fail(`${hex(count)} bytes do not fit`);
    this.position = at + count;
    return at;
  }

  length(): number {
    const at = this.position;
    const length = this.varint();
    if (this.high !== 0 || length > this.end - this.position) this.fail(`a length of ${hex(length)} does not fit`, at);
    return length;
  }

  skip(wire: number, field: number): void {
    if (wire === wires.varint) this.varint();
    else if (wire === wires.fixed64) this.take(8);
    else if (wire === wires.fixed32) this.take(4);
    else if (wire === wires.bytes) this.take(this.length());
    else if (wire === wires.group) this.skipGroup(field);
    else this.fail(`field ${field} has wire type ${wire}`);
  }

  private skipGroup(field: number): void {
    const open = [field];
    while (open.length > 0) {
      const tag = this.varint();
      const [inner, wire] = [tag >>> 3, tag & 7];
      if (wire === wires.group) {
        if (open.push(inner) > maximumDepth) this.fail(`more than ${maximumDepth} nested groups`);
      } else if (wire === wires.groupEnd) {
        if (open.pop() !== inner) this.fail(`the end of group ${inner} stands in another group`);
      } else this.skip(wire, inner);
    }
  }
}

/** What a field's value is and how it is read. */
export interface Type<T> {
  readonly name: string;
  readonly wire: Wire;
  /** The value of a field that is not there. */
  readonly initial: T;
  read(reader: Reader, before: T | undefined): T;
}

const scalar = <T>(name: string, wire: Wire, initial: T, read: (reader: Reader) => T): Type<T> => ({
  name,
  wire,
  initial,
  read,
});
const wide = (low: number, high: number) => (BigInt(high >>> 0) << 32n) | BigInt(low);

export const int32 = scalar("int32", wires.varint, 0, (reader) => reader.varint() | 0);
export const uint32 = scalar("uint32", wires.varint, 0, (reader) => reader.varint());
export const sint32 = scalar("sint32", wires.varint, 0, (reader) => {
  const bits = reader.varint();
  return (bits >>> 1) ^ -(bits & 1);
});
export const bool = scalar("bool", wires.varint, false, (reader) => reader.varint() !== 0 || reader.high !== 0);
export const int64 = scalar("int64", wires.varint, 0n, (reader) =>
  BigInt.asIntN(64, wide(reader.varint(), reader.high)),
);
export const uint64 = scalar("uint64", wires.varint, 0n, (reader) => wide(reader.varint(), reader.high));
export const sint64 = scalar("sint64", wires.varint, 0n, (reader) => {
  const bits = wide(reader.varint(), reader.high);
  return (bits >> 1n) ^ -(bits & 1n);
});
/** An int64 that stands for a size, an index or an id: a number, and an error when it is not exact as one. */
export const integer = scalar("integer", wires.varint, 0, (reader) => {
  const at = reader.position;
  const value = reader.varint() + (reader.high | 0) * 2 ** 32;
  return Number.isSafeInteger(value) ? value : reader.fail(`${value} is no sensible size`, at);
});
export const fixed32 = scalar("fixed32", wires.fixed32, 0, (reader) => reader.view.getUint32(reader.take(4), true));
export const sfixed32 = scalar("sfixed32", wires.fixed32, 0, (reader) => reader.view.getInt32(reader.take(4), true));
export const float = scalar("float", wires.fixed32, 0, (reader) => reader.view.getFloat32(reader.take(4), true));
export const fixed64 = scalar("fixed64", wires.fixed64, 0n, (reader) => reader.view.getBigUint64(reader.take(8), true));
export const sfixed64 = scalar("sfixed64", wires.fixed64, 0n, (reader) =>
  reader.view.getBigInt64(reader.take(8), true),
);
export const double = scalar("double", wires.fixed64, 0, (reader) => reader.view.getFloat64(reader.take(8), true));

/** A view of the message's bytes, not a copy. */
export const bytes = scalar("bytes", wires.bytes, new Uint8Array(0), (reader) => {
  const length = reader.length();
  const at = reader.take(length);
  return reader.bytes.subarray(at, at + length);
});

/** UTF-8; what is not becomes U+FFFD. */
export const string = scalar("string", wires.bytes, "", (reader) => {
  const length = reader.length();
  const at = reader.take(length);
  return utf8(reader.bytes.subarray(at, at + length));
});

export interface Enumeration extends Type<number> {
  readonly values: Readonly<Record<string, number>>;
}
/** An enumeration's number; its names are for the text format. */
export const enumeration = (values: Readonly<Record<string, number>>): Enumeration => ({ ...int32, values });

// Fields of a message.

export interface RepeatedField<T> {
  readonly rule: "repeated";
  readonly type: Type<T>;
}
export interface OptionalField<T> {
  readonly rule: "optional";
  readonly type: Type<T>;
}
export interface MapField<K, V> {
  readonly rule: "map";
  readonly entry: MessageType<{ key: K; value: V }>;
  /** The value of an entry that has none. */
  missing(): V;
}
export type Field = Type<unknown> | RepeatedField<unknown> | OptionalField<unknown> | MapField<unknown, unknown>;
export type Row = readonly [number: number, field: Field];
export type Rows = Readonly<Record<string, Row>>;
export interface OneOf<M extends Rows> {
  readonly rule: "oneof";
  readonly members: M;
}
export type Description = Readonly<Record<string, Row | OneOf<Rows>>>;

type FieldValue<F> =
  F extends RepeatedField<infer T>
    ? T[]
    : F extends OptionalField<infer T>
      ? T | undefined
      : F extends MapField<infer K, infer V>
        ? Map<K, V>
        : F extends Type<infer T>
          ? T
          : never;
type ChoiceOf<M extends Rows> = {
  [K in keyof M]: { readonly which: K; readonly value: Exclude<FieldValue<M[K][1]>, undefined> };
}[keyof M];
type Values<D extends Description> = {
  [K in keyof D]: D[K] extends OneOf<infer M>
    ? ChoiceOf<M> | undefined
    : D[K] extends readonly [number, infer F]
      ? FieldValue<F>
      : never;
};

/** Every value of a repeated field; numbers may be packed or not. */
export const repeated = <T>(type: Type<T>): RepeatedField<Exclude<T, undefined>> => ({
  rule: "repeated",
  type: type as Type<Exclude<T, undefined>>,
});
/** undefined where the field is not there. Messages are so without it. */
export const optional = <T>(type: Type<T>): OptionalField<T> => ({ rule: "optional", type });
/** Later entries replace earlier ones of the same key. */
export const map = <K, V>(key: Type<K>, value: Type<V>): MapField<K, Exclude<V, undefined>> => ({
  rule: "map",
  entry: message({ key: [1, key], value: [2, value] }) as unknown as MessageType<{
    key: K;
    value: Exclude<V, undefined>;
  }>,
  missing: () => ("empty" in value ? (value as unknown as MessageType<V>).empty() : value.initial) as never,
});
/** Of these fields the last one in the message counts: { which: its name, value }. */
export const oneof = <M extends Rows>(members: M): OneOf<M> => ({ rule: "oneof", members });

/** A kind of message. As a field's type it gives undefined where the field is not there. */
export interface MessageType<T> extends Type<T | undefined> {
  readonly description: Description;
  /** What an empty message is. */
  empty(): T;
  /** Reads fields up to the reader's end, into `before` where there is one. */
  readFields(reader: Reader, before: T | undefined): T;
}
/** The values of a message type: `type Shape = MessageOf<typeof Shape>`. */
export type MessageOf<M> = M extends MessageType<infer T> ? T : never;

type Slot = (target: Record<string, unknown>, reader: Reader, wire: number) => boolean;

function slotOf(name: string, field: Field, choose: (value: unknown) => unknown): Slot {
  if (!("rule" in field) || field.rule === "optional") {
    const type = "rule" in field ? field.type : field;
    return (target, reader, wire) => {
      if (wire !== type.wire) return false;
      target[name] = choose(type.read(reader, target[name]));
      return true;
    };
  }
  if (field.rule === "map") {
    return (target, reader, wire) => {
      if (wire !== wires.bytes) return false;
      const entry = field.entry.read(reader, undefined)!;
      (target[name] as Map<unknown, unknown>).set(entry.key, entry.value ?? field.missing());
      return true;
    };
  }
  const { type } = field;
  return (target, reader, wire) => {
    const list = target[name] as unknown[];
    if (wire === type.wire) list.push(type.read(reader, undefined));
    else if (wire === wires.bytes) {
      within(reader, () => {
        while (reader.position < reader.end) list.push(type.read(reader, undefined));
      });
    } else return false;
    return true;
  };
}

/** Describes a kind of message: { name: [1, string], shape: [2, Shape], dims: [3, repeated(int64)] }. */
export function message<D extends Description>(description: D): MessageType<Values<D>> {
  const slots = new Map<number, Slot>();
  const empties: [name: string, empty: () => unknown][] = [];
  const same = (value: unknown) => value;
  for (const [name, row] of Object.entries(description) as [string, Row | OneOf<Rows>][]) {
    if ("rule" in row) {
      empties.push([name, () => undefined]);
      for (const [which, [number, field]] of Object.entries(row.members)) {
        const slot = slotOf(name, field, (value) => ({ which, value }));
        slots.set(number, (target, reader, wire) => {
          target[name] = undefined;
          return slot(target, reader, wire);
        });
      }
      continue;
    }
    const [number, field] = row;
    slots.set(number, slotOf(name, field, same));
    if (!("rule" in field)) empties.push([name, () => field.initial]);
    else if (field.rule === "optional") empties.push([name, () => undefined]);
    else empties.push([name, field.rule === "map" ? () => new Map() : () => []]);
  }
  const empty = () => {
    const target: Record<string, unknown> = {};
    for (const [name, value] of empties) target[name] = value();
    return target;
  };
  // A second occurrence of one message adds to the first, as the format wants.
  const readFields = (reader: Reader, before: unknown) => {
    if (++reader.depth > maximumDepth) reader.fail(`more than ${maximumDepth} nested messages`);
    const target = (before as Record<string, unknown> | undefined) ?? empty();
    while (reader.position < reader.end) {
      const tag = reader.varint();
      const [number, wire] = [(reader.high & 0x1f) * 2 ** 29 + (tag >>> 3), tag & 7];
      if (number === 0) reader.fail("a field has number 0");
      if (!slots.get(number)?.(target, reader, wire)) reader.skip(wire, number);
    }
    reader.depth--;
    return target as Values<D>;
  };
  return {
    name: "message",
    wire: wires.bytes,
    description,
    initial: undefined,
    empty: empty as () => Values<D>,
    readFields,
    read: (reader, before) => within(reader, () => readFields(reader, before)),
  };
}

/** Reads what has a length in front of it; it ends there for whatever is inside. */
function within<T>(reader: Reader, read: () => T): T {
  const { end } = reader;
  const length = reader.length();
  reader.end = reader.position + length;
  const value = read();
  reader.end = end;
  return value;
}

/** A message type that is not defined yet, for messages that contain themselves. */
export function recursive<T>(type: () => MessageType<T>): MessageType<T> {
  return {
    name: "message",
    wire: wires.bytes,
    initial: undefined,
    get description() {
      return type().description;
    },
    empty: () => type().empty(),
    readFields: (reader, before) => type().readFields(reader, before),
    read: (reader, before) => type().read(reader, before),
  };
}

/** A message that is read when it is asked for, and once: large parts that may not be needed. */
export function lazy<T>(type: MessageType<T>): Type<(() => T) | undefined> {
  return {
    name: "lazy",
    wire: wires.bytes,
    initial: undefined,
    read(reader, before) {
      const content = bytes.read(reader, undefined);
      const { what, depth } = reader;
      let value: T | undefined;
      return () => {
        if (value === undefined) {
          const previous = before?.();
          const inner = new Reader(content, what);
          inner.depth = depth;
          value = type.readFields(inner, previous);
        }
        return value;
      };
    },
  };
}

/** Reads a whole message. `what` opens the error messages. Throws FormatError. */
export function decode<T>(type: MessageType<T>, content: Uint8Array, what: string): T {
  return type.readFields(new Reader(content, what), undefined);
}

/** The fields at the top of what may be a message, in order; undefined when it is none. For telling formats apart. */
export function outline(content: Uint8Array, limit = Infinity): { field: number; wire: number }[] | undefined {
  const reader = new Reader(content, "message");
  const fields: { field: number; wire: number }[] = [];
  try {
    while (reader.position < reader.end && fields.length < limit) {
      const tag = reader.varint();
      const [field, wire] = [tag >>> 3, tag & 7];
      if (field === 0 || reader.high !== 0) return undefined;
      reader.skip(wire, field);
      fields.push({ field, wire });
    }
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  return fields;
}
