// Grants of the network: what of the host's connections a machine may use.

import { CerebroError } from "../base/errors.ts";
import { HostError, type HostNetwork } from "../host/host.ts";

interface Pattern {
  /** A name or an address; undefined is any. */
  readonly host: string | undefined;
  readonly port: number | undefined;
}

/** "HOST:PORT", "HOST" or ":PORT"; "*" is any. */
function parsePattern(text: string): Pattern {
  const [, host = "", port = ""] = /^([^:]*|\[[^\]]*\])(?::(\d+|\*))?$/.exec(text) ?? [];
  if (host === "" && port === "")
    throw new CerebroError("usage", `network grant ${JSON.stringify(text)} is not HOST:PORT`, {
      hint: "for example example.org:443",
    });
  const isAny = (part: string) => part === "" || part === "*";
  return { host: isAny(host) ? undefined : host.replace(/^\[|\]$/g, ""), port: isAny(port) ? undefined : Number(port) };
}

/** The part of a network that is granted: true is all of it, nothing is none. */
export function grantedNetwork(
  network: HostNetwork | undefined,
  grant: boolean | readonly string[] | undefined,
): HostNetwork | undefined {
  if (!network || grant === undefined || grant === false) return undefined;
  if (grant === true) return network;
  const patterns = grant.map(parsePattern);
  /** Addresses that granted names have resolved to, with the ports granted for the name. */
  const known: { address: string; port: number | undefined }[] = [];
  const allows = (address: string, port: number) =>
    patterns.some(
      (one) => (one.host === undefined || one.host === address) && (one.port === undefined || one.port === port),
    ) || known.some((one) => one.address === address && (one.port === undefined || one.port === port));
  return {
    connect(address, port, events) {
      if (!allows(address, port)) throw new HostError("EACCES", `${address}:${port} was not granted`);
      return network.connect(address, port, events);
    },
    async resolve(name) {
      const matching = patterns.filter(({ host }) => host === undefined || host === name);
      if (matching.length === 0) throw new HostError("EACCES", `${name} was not granted`);
      const addresses = await network.resolve(name);
      for (const address of addresses) for (const { port } of matching) known.push({ address, port });
      return addresses;
    },
  };
}
