// The topics of --trace.

import { CerebroError } from "../base/errors.ts";
import type { Topic } from "../machine/index.ts";

const topics: readonly Topic[] = ["syscall", "signal", "fault", "exec", "process", "grant", "refusal"];

/** "syscall,signal" or "all". */
export function parseTopics(text: string): Topic[] {
  if (text === "all" || text === "") return [...topics];
  return text.split(",").map((word) => {
    const topic = topics.find((known) => known === word);
    if (!topic) throw new CerebroError("usage", `--trace ${word}: topics are ${topics.join(", ")} and all`);
    return topic;
  });
}
