// The words by which the user grants things: volumes, variables, contracts.

import { CerebroError } from "../base/errors.ts";
import type { HostMount, Limits } from "../machine/index.ts";

/** HOST:GUEST[:ro]. */
export function parseVolume(text: string): HostMount {
  const [, host, guest, mode] = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (host === undefined || guest === undefined)
    throw new CerebroError("usage", `-v ${text}: not HOST:GUEST or HOST:GUEST:ro`, {
      hint: 'for example -v "$PWD:/work"',
    });
  return { host, guest, readOnly: mode === "ro" };
}

/** NAME=VALUE, or NAME for the user's own value; undefined when the user has none. */
export function parseVariable(
  text: string,
  own: Readonly<Record<string, string | undefined>>,
): [name: string, value: string | undefined] {
  const equals = text.indexOf("=");
  if (equals === 0 || text === "") throw new CerebroError("usage", `-e ${text}: has no name`);
  return equals < 0 ? [text, own[text]] : [text.slice(0, equals), text.slice(equals + 1)];
}

const bytes: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const seconds: Readonly<Record<string, number>> = { "": 1, s: 1, ms: 1e-3, m: 60, h: 3600 };

function quantity(name: string, text: string, units: Readonly<Record<string, number>>): number {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text.replace(/i?b$/i, "")) ?? [];
  const factor = units[unit.toLowerCase()];
  if (digits === undefined || factor === undefined)
    throw new CerebroError("usage", `--contract ${name}=${text}: no amount`, {
      hint: `a number with one of ${Object.keys(units).filter(Boolean).join(", ")}`,
    });
  return Number(digits) * factor;
}

const count = (name: string, text: string) => Math.floor(quantity(name, text, { "": 1 }));

/** Each limit's word, and what it means. */
const limits: Readonly<Record<string, (text: string) => Partial<Limits>>> = {
  memory: (text) => ({ memory: quantity("memory", text, bytes) }),
  mapped: (text) => ({ mapped: quantity("mapped", text, bytes) }),
  disk: (text) => ({ disk: quantity("disk", text, bytes) }),
  tasks: (text) => ({ tasks: count("tasks", text) }),
  files: (text) => ({ files: count("files", text) }),
  cputime: (text) => ({ cpuTime: quantity("cputime", text, seconds) * 1e9 }),
  deadline: (text) => ({ deadline: quantity("deadline", text, seconds) * 1e9 }),
  cpu: (text) => ({ cpuShare: Math.min(1, quantity("cpu", text.replace(/%$/, ""), { "": 1 }) / 100) }),
};

/** "memory=512M,tasks=64": the limits of a contract. */
export function parseContract(text: string): Partial<Limits> {
  let all: Partial<Limits> = {};
  for (const part of text.split(",")) {
    const [name = "", value] = part.split("=");
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
    if (!limit || value === undefined)
      throw new CerebroError("usage", `--contract ${part}: not NAME=AMOUNT`, {
        hint: `limits are ${Object.keys(limits).join(", ")}`,
      });
    all = { ...all, ...limit(value) };
  }
  return all;
}
