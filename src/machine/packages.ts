// Packages into a machine: what to ask the packages layer for, and which program of a package is meant.

import { CerebroError } from "../base/errors.ts";
import { isDeb } from "../formats/ar.ts";
import type { PackageHost } from "../host/packages.ts";
import type { PreparedRoot } from "../packages/prepare.ts";
import type { LoadOptions } from "./options.ts";

export type { PreparedRoot } from "../packages/prepare.ts";

/** Whether the beginning of a file is that of a package. */
export const isPackage = (bytes: Uint8Array): boolean => isDeb(bytes);

/** "URL", "URL SUITE" or "URL SUITE COMPONENT…", as in a line of sources.list. */
function mirrorOf(text: string): { url: string; suites?: string[]; components?: string[] } {
  const [url = "", suite, ...components] = text.trim().split(/\s+/);
  return { url, ...(suite !== undefined && { suites: [suite] }), ...(components.length > 0 && { components }) };
}

/** Finds what is asked for, and what that depends on. `main` is the .deb to run: its path, or its bytes. */
export async function prepare(
  host: PackageHost | undefined,
  main: string | Uint8Array | undefined,
  options: LoadOptions,
  warn: (message: string) => void,
): Promise<PreparedRoot> {
  if (!host)
    throw new CerebroError("unsupported", "packages need a package host", {
      hint: "createMachine({ host, packages: nodePackageHost() })",
    });
  const { prepareRoot } = await import("../packages/prepare.ts");
  const { pools, mirrors, hostApt, architecture, essential, scripts, refresh, progress } = options;
  return prepareRoot(host, {
    ...(main !== undefined && { main }),
    ...(options.with && { with: options.with }),
    ...(pools && { pools }),
    ...(mirrors && { mirrors: mirrors.map(mirrorOf) }),
    ...(hostApt !== undefined && { hostApt }),
    ...(architecture && { architecture }),
    ...(essential && { essential }),
    ...(scripts !== undefined && { scripts }),
    ...(refresh !== undefined && { refresh }),
    ...(progress && { progress }),
    warn,
  });
}

/** The program of a prepared root that `exec` names, or the package's own. */
export async function programOf(prepared: PreparedRoot, exec: string | undefined): Promise<string> {
  const { chooseProgram } = await import("../packages/programs.ts");
  const [asked] = prepared.asked;
  const stored = prepared.main ?? asked;
  if (!stored) throw new CerebroError("usage", "no package is named, so there is no program to run");
  return chooseProgram(prepared.image, stored, exec);
}
