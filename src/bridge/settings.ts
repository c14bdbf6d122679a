// Settings of a model device: what each is, how its text is checked, and what happens when it changes.

import { CerebroError } from "../base/errors.ts";
import { after } from "../engine/steps/after.ts";
import { before } from "../engine/steps/before.ts";
import { parseSteps } from "../engine/steps/step.ts";

interface Setting {
  readonly help: string;
  readonly initial: string;
  /** Throws CerebroError "usage" for text that is no value. */
  check(text: string): void;
}

function number(least: number, most: number): Setting["check"] {
  return (text) => {
    if (!/^\d{1,6}$/.test(text) || Number(text) < least || Number(text) > most) {
      throw new CerebroError("usage", `"${text}" is no number from ${least} to ${most}`);
    }
  };
}

/** Every setting, by its name in /sys/class/cerebro/cerebro0. */
export const settings = {
  model_path: {
    help: "the model of sessions that load none",
    initial: "",
    check(text) {
      if (text.includes("\0")) throw new CerebroError("usage", "a path has no NUL");
    },
  },
  preprocessing: {
    help: "steps from a picture, sound or text to an input; empty: what the model's input suggests",
    initial: "",
    check: (text) => void parseSteps(text, before),
  },
  postprocessing: {
    help: "steps from outputs to an answer",
    initial: "",
    check: (text) => void parseSteps(text, after),
  },
  threads: { help: "threads of a run", initial: "1", check: number(1, 256) },
  backend: {
    help: "wasm or interpreter",
    initial: "wasm",
    check(text) {
      if (text !== "wasm" && text !== "interpreter") throw new CerebroError("usage", `"${text}" is no backend`);
    },
  },
  timeout: { help: "seconds that the loops of a run may take; 0: no limit", initial: "60", check: number(0, 86400) },
  cache_size: { help: "models that stay loaded after their last session", initial: "1", check: number(0, 64) },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

/** The current values. */
export class Settings {
  private readonly values = new Map<SettingName, string>();
  /** Told after each change. */
  changed: ((name: SettingName) => void) | undefined;

  get(name: SettingName): string {
    return this.values.get(name) ?? settings[name].initial;
  }
  number(name: "threads" | "cache_size" | "timeout"): number {
    return Number(this.get(name));
  }
  /** Checks and sets. Throws CerebroError "usage", and then nothing has changed. */
  set(name: SettingName, text: string): void {
    const value = text.trim();
    settings[name].check(value);
    this.values.set(name, value);
    this.changed?.(name);
  }
}
