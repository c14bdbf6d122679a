// The kernel's clocks: the host's, or virtual time that only guest work and idle jumps advance (deterministic runs).

import type { Clock as HostClock } from "../host/host.ts";

export interface Clock {
  /** Only the guest's work moves it: real time passes unseen. */
  readonly virtual: boolean;
  /** Nanoseconds since boot. */
  now(): number;
  /** Nanoseconds since the epoch. */
  realtime(): bigint;
  /** Work was done; only virtual time moves by it. */
  advance(nanoseconds: number): void;
  /** Nothing is to be done before `time`: true if the clock is there now. */
  skipTo(time: number): boolean;
}

/** The host's time. */
export function hostClock(host: HostClock): Clock {
  const boot = host.monotonic();
  return {
    virtual: false,
    now: () => host.monotonic() - boot,
    realtime: () => host.realtime(),
    advance: () => {},
    skipTo: () => false,
  };
}

/** Time that depends on the guest alone. `epoch` is the real time at boot, in nanoseconds. */
export function virtualClock(epoch: bigint): Clock {
  let time = 0;
  return {
    virtual: true,
    now: () => time,
    realtime: () => epoch + BigInt(Math.floor(time)),
    advance: (nanoseconds) => {
      time += nanoseconds;
    },
    skipTo: (until) => {
      time = Math.max(time, until);
      return true;
    },
  };
}

/** Reproducible random bytes (xoshiro128**, Blackman and Vigna) for deterministic runs; not secret. */
export function seededRandom(seed: number): (into: Uint8Array) => void {
  const state = new Uint32Array(4);
  // SplitMix32 spreads the seed, so that no state is all zero.
  let mix = seed >>> 0;
  for (let i = 0; i < 4; i++) {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = Math.imul(mix ^ (mix >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    state[i] = z ^ (z >>> 15);
  }
  const rotate = (value: number, count: number) => (value << count) | (value >>> (32 - count));
  const next = () => {
    const result = Math.imul(rotate(Math.imul(state[1]!, 5), 7), 9);
    const t = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= t;
    state[3] = rotate(state[3]!, 11);
    return result;
  };
  return (into) => {
    for (let i = 0; i < into.length; i += 4) {
      let word = next();
      for (let j = i; j < Math.min(i + 4, into.length); j++, word >>>= 8) into[j] = word & 0xff;
    }
  };
}
