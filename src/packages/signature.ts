// Signatures over repository indexes, by OpenPGP keys that the host trusts. The library is loaded only when something is verified.

import { CerebroError, messageOf } from "../base/errors.ts";
import { latin1, utf8 } from "../base/text.ts";
import type { HostFiles } from "../host/host.ts";
import { listDirectory, readFile } from "./hostfiles.ts";

/** Public keys: armored text or a binary keyring. */
export type Keyring = { name: string; bytes: Uint8Array } | { name: string; armored: string };

/** Keyrings in files, by path; those that are missing are left out. */
export function keyringFiles(files: HostFiles, paths: readonly string[]): Keyring[] {
  return paths.flatMap((name) => {
    const bytes = readFile(files, name);
    if (!bytes) return [];
    return [latin1(bytes.subarray(0, 10)) === "-----BEGIN" ? { name, armored: utf8(bytes) } : { name, bytes }];
  });
}

/** The keyrings that APT trusts for sources without Signed-By, and with `archives` those that distributions install. */
export function trustedKeyrings(files: HostFiles, options: { archives?: boolean } = {}): Keyring[] {
  const within = (directory: string, pattern: RegExp) =>
    listDirectory(files, directory)
      .filter((name) => pattern.test(name))
      .map((name) => `${directory}/${name}`);
  const paths = ["/etc/apt/trusted.gpg", ...within("/etc/apt/trusted.gpg.d", /\.(gpg|asc)$/)];
  if (options.archives)
    paths.push(
      ...within("/usr/share/keyrings", /-archive-(?!removed).*keyring\.(gpg|pgp)$|-archive-keyring\.(gpg|pgp)$/),
    );
  return keyringFiles(files, paths);
}

async function readKeys(
  openpgp: typeof import("openpgp"),
  keyrings: readonly Keyring[],
): Promise<import("openpgp").Key[]> {
  const keys: import("openpgp").Key[] = [];
  for (const keyring of keyrings) {
    try {
      keys.push(
        ...("armored" in keyring
          ? await openpgp.readKeys({ armoredKeys: keyring.armored })
          : await openpgp.readKeys({ binaryKeys: keyring.bytes })),
      );
    } catch {
      // An empty trusted.gpg or a key of an unknown kind: others may still fit.
    }
  }
  return keys;
}

interface CheckedSignature {
  keyID: { toHex(): string };
  verified: Promise<unknown>;
}

/** Requires one good signature; tells which keys were missing or why they did not hold. */
async function requireOne(
  signatures: readonly CheckedSignature[],
  what: string,
  keyrings: readonly Keyring[],
): Promise<void> {
  const reasons: string[] = [];
  for (const { keyID, verified } of signatures) {
    try {
      await verified;
      return;
    } catch (error) {
      reasons.push(`key ${keyID.toHex().toUpperCase()}: ${messageOf(error)}`);
    }
  }
  const from = keyrings.map(({ name }) => name).join(", ") || "no keyring";
  throw new CerebroError(
    "signature",
    `${what} has no valid signature (${reasons.join("; ") || "it is not signed"}; keys from ${from})`,
    {
      hint: "install the repository's keyring, or name it in the source",
    },
  );
}

/** The text of an inline-signed file (InRelease): only what the signature covers. */
export async function verifyInline(bytes: Uint8Array, keyrings: readonly Keyring[], what: string): Promise<string> {
  const openpgp = await import("openpgp");
  try {
    const message = await openpgp.readCleartextMessage({ cleartextMessage: utf8(bytes) });
    const result = await openpgp.verify({ message, verificationKeys: await readKeys(openpgp, keyrings) });
    await requireOne(result.signatures, what, keyrings);
    return result.data;
  } catch (error) {
    if (error instanceof CerebroError) throw error;
    throw new CerebroError("signature", `${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** Verifies a detached signature (Release.gpg), armored or binary. */
export async function verifyDetached(
  bytes: Uint8Array,
  signature: Uint8Array,
  keyrings: readonly Keyring[],
  what: string,
): Promise<void> {
  const openpgp = await import("openpgp");
  try {
    const armored = latin1(signature.subarray(0, 10)) === "-----BEGIN";
    const result = await openpgp.verify({
      message: await openpgp.createMessage({ binary: bytes }),
      signature: armored
        ? await openpgp.readSignature({ armoredSignature: utf8(signature) })
        : await openpgp.readSignature({ binarySignature: signature }),
      verificationKeys: await readKeys(openpgp, keyrings),
    });
    await requireOne(result.signatures, what, keyrings);
  } catch (error) {
    if (error instanceof CerebroError) throw error;
    throw new CerebroError("signature", `${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** The signed part of an inline-signed text without looking at the signature, for sources marked as trusted. */
export function unverifiedText(bytes: Uint8Array): string {
  const text = utf8(bytes).replaceAll("\r\n", "\n");
  const [, signed] =
    /^-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n(.*?)\n-----BEGIN PGP SIGNATURE-----/s.exec(text) ?? [];
  return (signed ?? text).replace(/^- /gm, "");
}
