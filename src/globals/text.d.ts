// Text coding (WHATWG Encoding), present in every host; TypeScript keeps it in its DOM and Node libraries.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: Uint8Array | ArrayBuffer | DataView, options?: { stream?: boolean }): string;
}
