// The package host on Node: XDG cache directory, downloads with fetch, and child processes for the host's own APT.

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { HostError } from "../../host/host.ts";
import type { HostCommandResult, PackageHost } from "../../host/packages.ts";
import { files } from "./files.ts";

/** No index or package is larger; a server that sends more is cut off. */
const downloadLimit = 2 ** 31;
const commandOutputLimit = 64 << 20;

/** The base directory specification: relative values are ignored. */
function userCache(): string {
  const configured = process.env["XDG_CACHE_HOME"];
  return configured && isAbsolute(configured) ? configured : join(homedir(), ".cache");
}

async function fetchUrl(
  url: string,
  received?: (bytes: number, total: number | undefined) => void,
): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, { redirect: "follow", headers: { "user-agent": "cerebro" } });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new HostError("EHOSTUNREACH", `cannot get ${url}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new HostError(
      response.status === 404 ? "ENOENT" : "EIO",
      `cannot get ${url}: ${response.status} ${response.statusText}`,
    );
  }
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  const total = Number.isSafeInteger(length) ? length : undefined;
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > downloadLimit) throw new HostError("EFBIG", `${url} is larger than ${downloadLimit} bytes`);
      parts.push(part);
      received?.(size, total);
    }
  } catch (error) {
    if (error instanceof HostError) throw error;
    throw new HostError(
      "EIO",
      `download of ${url} broke off: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return Buffer.concat(parts);
}

function run(command: string, args: readonly string[], directory: string): Promise<HostCommandResult | undefined> {
  return new Promise((resolve, reject) => {
    const options = {
      cwd: directory,
      encoding: "buffer" as const,
      maxBuffer: commandOutputLimit,
      env: { ...process.env, LC_ALL: "C" },
    };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const code = error?.code;
      if (code === "ENOENT" || code === "EACCES") resolve(undefined);
      else if (error && typeof code !== "number")
        reject(new HostError(String(code ?? "EIO"), `${command}: ${error.message}`));
      else resolve({ status: typeof code === "number" ? code : 0, stdout, stderr: stderr.toString() });
    });
  });
}

/** Packages on this machine; `cacheDirectory` is for tests and for `--cache`. */
export function nodePackageHost(options: { cacheDirectory?: string } = {}): PackageHost {
  return {
    files,
    cacheDirectory: options.cacheDirectory ?? join(userCache(), "cerebro"),
    sha256: (bytes) => createHash("sha256").update(bytes).digest("hex"),
    uniqueName: () => randomBytes(9).toString("hex"),
    now: () => BigInt(Date.now()) * 1_000_000n,
    fetch: fetchUrl,
    run,
  };
}
