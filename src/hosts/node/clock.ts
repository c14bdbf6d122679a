// Time on Node: the wall clock to the microsecond, the monotonic clock, and timers.

import type { Clock, Timers } from "../../host/host.ts";

const microsecond = 1000n;

export const clock: Clock = {
  realtime: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * microsecond,
  monotonic: () => performance.now() * 1e6,
};

export const timers: Timers = {
  after(milliseconds, call) {
    const timer = setTimeout(call, Math.min(milliseconds, 0x7fffffff));
    return () => clearTimeout(timer);
  },
  soon(call) {
    setImmediate(call);
  },
};
