// The two 16-bit float formats, by their bits: IEEE 754 binary16 and bfloat16, rounding to nearest even.

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The f32 whose upper half these bits are. */
export function bf16Value(bits: number): number {
  u32[0] = bits << 16;
  return f32[0]!;
}

/** The bf16 nearest to a number. Rounds the double once: through f32 with a sticky last bit. */
export function bf16Bits(value: number): number {
  const bits = oddBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) | 0x40) & 0xffff;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Bits of the f32 near a double that was rounded to odd, so that a second rounding is right. */
function oddBits(value: number): number {
  f32[0] = value;
  const rounded = f32[0]!;
  let bits = u32[0]!;
  if (rounded === value || Number.isNaN(value) || !Number.isFinite(rounded)) return bits;
  // Towards zero, then the last bit is set: something was cut off.
  if (Math.abs(rounded) > Math.abs(value)) bits -= 1;
  return (bits | 1) >>> 0;
}

const values = new Float32Array(65536);
let filled = false;

function fillValues(): void {
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Infinity
            : NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    values[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  filled = true;
}

/** The value of an f16. */
export function f16Value(bits: number): number {
  if (!filled) fillValues();
  return values[bits]!;
}

/** The f16 nearest to a number. */
export function f16Bits(value: number): number {
  const bits = oddBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: counts of 2^-24;.
    const shift = 126 - (magnitude >>> 23);
    if (shift > 24) return sign;
    const fraction = (magnitude & 0x7fffff) | 0x800000;
    const kept = fraction >>> shift;
    const rest = fraction & ((1 << shift) - 1);
    const half = 1 << (shift - 1);
    return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}
