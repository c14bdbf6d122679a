// Random numbers from a seed, and values that find mistakes sooner than uniform ones.

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** A random 32-bit number, signed (splitmix32). */
  next(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  }
  /** 0 to limit - 1. */
  below(limit: number): number {
    return (this.next() >>> 0) % limit;
  }
  chance(probability: number): boolean {
    return this.next() >>> 0 < probability * 0x1_0000_0000;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** 64 bits: edges of the operand sizes, small numbers, or anything. */
  word(): bigint {
    switch (this.below(8)) {
      case 0:
        return BigInt(this.below(4));
      case 1:
        return BigInt.asUintN(64, -BigInt(this.below(4)));
      case 2: {
        const bits = this.pick([7, 8, 15, 16, 31, 32, 63]);
        return BigInt.asUintN(64, (1n << BigInt(bits)) + BigInt(this.below(3) - 1));
      }
      case 3:
        return BigInt(this.below(256));
      case 4:
        return BigInt.asUintN(64, BigInt(this.next()));
      default:
        return BigInt.asUintN(64, (BigInt(this.next()) << 32n) | BigInt(this.next() >>> 0));
    }
  }

  byte(): number {
    return this.chance(0.3)
      ? this.pick([0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xff])
      : this.below(256);
  }

  /** A single-precision number's bits: ordinary, special, or anything. */
  single(): number {
    switch (this.below(4)) {
      case 0:
        return this.pick([
          0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 1,
          0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x5f000000,
        ]);
      case 1:
        return singleBits(this.below(2001) - 1000);
      case 2:
        return singleBits((this.next() / 0x8000_0000) * 2 ** (this.below(41) - 20));
      default:
        return this.next() >>> 0;
    }
  }

  /** A double-precision number's bits. */
  double(): bigint {
    switch (this.below(4)) {
      case 0:
        return this.pick([
          0n,
          1n << 63n,
          0x3ff0000000000000n,
          0xbff0000000000000n,
          0x7ff0000000000000n,
          0xfff0000000000000n,
          0x7ff8000000000000n,
          0xfff8000000000001n,
          0x7ff0000000000001n,
          1n,
          0x8000000000000001n,
          0x000fffffffffffffn,
          0x0010000000000000n,
          0x7fefffffffffffffn,
          0x41e0000000000000n,
          0xc1e0000000000000n,
          0x43e0000000000000n,
          0xc3e0000000000000n,
          0x3fe0000000000000n,
          0x4330000000000001n,
        ]);
      case 1:
        return doubleBits((this.below(20001) - 10000) / this.pick([1, 2, 4, 8]));
      case 2:
        return doubleBits((this.next() / 0x8000_0000 + this.next() / 2 ** 61) * 2 ** (this.below(81) - 40));
      default:
        return BigInt.asUintN(64, (BigInt(this.next()) << 32n) | BigInt(this.next() >>> 0));
    }
  }

  /** An 80-bit number: sign and exponent, significand. Unsupported encodings now and then. */
  extended(): { exponent: number; significand: bigint } {
    const sign = this.chance(0.5) ? 0x8000 : 0;
    const top = 1n << 63n;
    const any = BigInt.asUintN(63, (BigInt(this.next()) << 32n) | BigInt(this.next() >>> 0));
    switch (this.below(10)) {
      case 0:
        return { exponent: sign, significand: 0n };
      case 1:
        return this.pick([
          { exponent: sign | 0x7fff, significand: top },
          { exponent: sign | 0x7fff, significand: top | (1n << 62n) | any },
          { exponent: sign | 0x7fff, significand: top | (any >> 2n) | 1n },
          { exponent: sign, significand: any },
          { exponent: sign, significand: top | any },
          { exponent: sign | 0x3fff, significand: any },
          { exponent: sign | 0x7ffe, significand: top | any },
          { exponent: sign | 1, significand: top | any },
        ]);
      case 2:
      case 3:
      case 4: {
        const magnitude = BigInt(this.below(1000) + 1);
        const length = magnitude.toString(2).length;
        return { exponent: sign | (0x3fff + length - 1), significand: magnitude << BigInt(64 - length) };
      }
      case 5:
        return { exponent: sign | this.below(0x7fff), significand: top | any };
      default:
        return { exponent: sign | (0x3fff + this.below(129) - 64), significand: top | any };
    }
  }
}

const scratch = new DataView(new ArrayBuffer(8));
function singleBits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}
function doubleBits(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}
