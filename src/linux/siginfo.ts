// siginfo_t in guest memory (sigaction(2), asm-generic/siginfo.h), for both word sizes.

import { Code, SIGBUS, SIGCHLD, SIGFPE, SIGILL, type SignalInfo, SIGIO, SIGSEGV, SIGTRAP } from "../kernel/signal.ts";

export const siginfoSize = 128;

/** The 128 bytes of a siginfo_t. */
export function encodeSiginfo(info: SignalInfo, bits: 32 | 64): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(siginfoSize);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, info.signo, true);
  view.setInt32(8, info.code, true);
  // The union is aligned to a pointer.
  const at = bits === 64 ? 16 : 12;
  const setValue = (offset: number) => {
    if (bits === 64) view.setBigUint64(offset, BigInt.asUintN(64, info.value ?? 0n), true);
    else view.setUint32(offset, Number(BigInt.asUintN(32, info.value ?? 0n)), true);
  };
  if (info.code === Code.timer) {
    view.setInt32(at, info.timer ?? 0, true);
    view.setInt32(at + 4, info.overrun ?? 0, true);
    setValue(at + 8);
  } else if (info.address !== undefined && isFault(info.signo)) {
    if (bits === 64) view.setBigUint64(at, BigInt(info.address), true);
    else view.setUint32(at, info.address % 0x1_0000_0000, true);
  } else if (info.signo === SIGIO && info.band !== undefined) {
    if (bits === 64) view.setBigInt64(at, BigInt(info.band), true);
    else view.setInt32(at, info.band, true);
    view.setInt32(at + (bits === 64 ? 8 : 4), info.fd ?? 0, true);
  } else {
    view.setInt32(at, info.pid ?? 0, true);
    view.setUint32(at + 4, info.uid ?? 0, true);
    if (info.signo === SIGCHLD && info.code > 0) view.setInt32(at + 8, info.status ?? 0, true);
    else if (info.value !== undefined) setValue(at + 8);
  }
  return bytes;
}

function isFault(signo: number): boolean {
  return signo === SIGSEGV || signo === SIGBUS || signo === SIGILL || signo === SIGFPE || signo === SIGTRAP;
}

/** A siginfo_t given by rt_sigqueueinfo(2): sender and value as the caller says. */
export function decodeSiginfo(bytes: Uint8Array, signo: number, bits: 32 | 64): SignalInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = bits === 64 ? 16 : 12;
  return {
    signo,
    code: view.getInt32(8, true),
    pid: view.getInt32(at, true),
    uid: view.getUint32(at + 4, true),
    value: bits === 64 ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 8, true)),
  };
}
