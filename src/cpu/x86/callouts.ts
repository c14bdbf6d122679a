// Callouts of the integer instruction set.

import { offsets, Register, Vector } from "../state.ts";
import { Trap } from "../trap.ts";
import type { CpuView } from "../view.ts";
import { Segment } from "./decode.ts";
import { identify } from "./identity.ts";
import { stringCallouts } from "./strings.ts";

function cpuid(cpu: CpuView): void {
  const [eax, ebx, ecx, edx] = identify(cpu.low(Register.rax), cpu.low(Register.rcx));
  cpu.set(Register.rax, eax >>> 0);
  cpu.set(Register.rbx, ebx >>> 0);
  cpu.set(Register.rcx, ecx >>> 0);
  cpu.set(Register.rdx, edx >>> 0);
}

/** The time-stamp counter runs at 1 GHz. */
function timestamp(cpu: CpuView): void {
  const now = cpu.services.timestamp();
  cpu.view.setUint32(offsets.scratch + 24, now % 0x1_0000_0000, true);
  cpu.view.setUint32(offsets.scratch + 28, Math.floor(now / 0x1_0000_0000), true);
}

/** Loads segment register a with selector b. */
function loadSegment(cpu: CpuView): void {
  const segment = cpu.words[offsets.scratch / 4]!;
  const selector = cpu.view.getUint16(offsets.scratch + 8, true);
  const base = cpu.services.segmentBase(selector);
  // A null selector may be loaded into any data segment register but SS.
  if (base === undefined || (segment === Segment.ss && selector < 4))
    throw new Trap(Vector.generalProtection, selector);
  cpu.view.setUint16(offsets.selectors + 2 * segment, selector, true);
  if (segment < Segment.fs) return;
  const at = segment === Segment.fs ? offsets.fsBase : offsets.gsBase;
  cpu.view.setUint32(at, base % 0x1_0000_0000, true);
  cpu.view.setUint32(at + 4, Math.floor(base / 0x1_0000_0000), true);
}

export const integerCallouts = { cpuid, timestamp, loadSegment, ...stringCallouts };
