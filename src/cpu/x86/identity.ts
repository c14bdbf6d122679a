// What CPUID says: exactly what the instruction table has (Intel SDM volume 2, CPUID).

/** Bits of a feature word. */
const bits = (...positions: number[]): number => positions.reduce((word, position) => word | (1 << position), 0);

/** Twelve or sixteen characters as little-endian words. */
function words(text: string): number[] {
  const result: number[] = [];
  for (let i = 0; i < text.length; i += 4)
    result.push([0, 1, 2, 3].reduce((word, j) => word | (text.charCodeAt(i + j) << (8 * j)), 0));
  return result;
}

/**
 * The vendor is the one whose documented behaviour we follow where vendors differ, the model the last one of it without
 * AVX (Westmere): C libraries pick their string functions by these.
 */
const vendor = words("GenuineIntel");
const signature = 0x000206c2;
const brand = words("Cerebro".padEnd(48, "\0"));

const features = {
  /** Leaf 1 EDX: FPU TSC CX8 CMOV CLFSH MMX FXSR SSE SSE2. */
  edx: bits(0, 4, 8, 15, 19, 23, 24, 25, 26),
  /** Leaf 1 ECX: SSE3 PCLMULQDQ SSSE3 CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES. */
  ecx: bits(0, 1, 9, 13, 19, 20, 22, 23, 25),
  /** Leaf 7 EBX: FSGSBASE. */
  structured: bits(0),
  /** Leaf 0x80000001 ECX: LAHF LZCNT PREFETCHW; EDX: SYSCALL NX RDTSCP LM. */
  extendedEcx: bits(0, 5, 8),
  extendedEdx: bits(11, 20, 27, 29),
};

/** Leaf 4: type, level, ways, sets of 64-byte lines. */
const caches = [
  [1, 1, 8, 64],
  [2, 1, 4, 128],
  [3, 2, 8, 512],
  [3, 3, 16, 8192],
] as const;

const lastBasicLeaf = 7;
const lastExtendedLeaf = 0x80000008;

/** EAX, EBX, ECX, EDX of a leaf and subleaf. */
export function identify(leaf: number, subleaf: number): readonly [number, number, number, number] {
  switch (leaf >>> 0) {
    case 0:
      return [lastBasicLeaf, vendor[0]!, vendor[2]!, vendor[1]!];
    case 1:
      return [signature, (8 << 8) | (1 << 16), features.ecx, features.edx];
    case 2:
      // Caches are described by leaf 4.
      return [0x0000ff01, 0, 0, 0];
    case 4: {
      const cache = caches[subleaf >>> 0];
      if (!cache) return [0, 0, 0, 0];
      const [type, level, ways, sets] = cache;
      return [type | (level << 5) | (1 << 8), ((ways - 1) << 22) | 63, sets - 1, 0];
    }
    case 7:
      return subleaf === 0 ? [0, features.structured, 0, 0] : [0, 0, 0, 0];
    case 0x80000000:
      return [lastExtendedLeaf | 0, 0, 0, 0];
    case 0x80000001:
      return [0, 0, features.extendedEcx, features.extendedEdx];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = ((leaf & 7) - 2) * 4;
      return [brand[at]!, brand[at + 1]!, brand[at + 2]!, brand[at + 3]!];
    }
    case 0x80000006:
      return [0, 0, (256 << 16) | (6 << 12) | 64, 0];
    case 0x80000007:
      return [0, 0, 0, bits(8)];
    case 0x80000008:
      return [0x3030, 0, 0, 0];
    default:
      return [0, 0, 0, 0];
  }
}
