import { expect, test } from "vitest";
import type { HostNetwork } from "../host/host.ts";
import { grantedNetwork } from "./network.ts";

const connected: string[] = [];
const network: HostNetwork = {
  connect(address, port) {
    connected.push(`${address}:${port}`);
    return { write: () => true, end() {}, destroy() {}, pause() {} };
  },
  resolve: async (name) => (name === "example.org" ? ["192.0.2.7"] : ["192.0.2.99"]),
};
const events = { connected() {}, data() {}, drained() {}, ended() {}, closed() {} };

test("nothing is granted unless it is said", () => {
  expect(grantedNetwork(network, undefined)).toBeUndefined();
  expect(grantedNetwork(network, false)).toBeUndefined();
  expect(grantedNetwork(network, true)).toBe(network);
});

test("patterns grant a host, a port, or both", async () => {
  const some = grantedNetwork(network, ["192.0.2.1:80", ":53", "example.org:443"])!;
  some.connect("192.0.2.1", 80, events);
  some.connect("192.0.2.2", 53, events);
  expect(() => some.connect("192.0.2.1", 81, events)).toThrow(/not granted/);
  expect(() => some.connect("192.0.2.7", 443, events)).toThrow(/not granted/);
  expect(await some.resolve("example.org")).toEqual(["192.0.2.7"]);
  some.connect("192.0.2.7", 443, events);
  expect(() => some.connect("192.0.2.7", 80, events)).toThrow(/not granted/);
  expect(connected).toEqual(["192.0.2.1:80", "192.0.2.2:53", "192.0.2.7:443"]);
  expect(() => grantedNetwork(network, [""])).toThrow(/HOST:PORT/);
});

test("a name that was not granted is not resolved, unless any host is", async () => {
  await expect(grantedNetwork(network, ["example.org"])!.resolve("other.org")).rejects.toThrow(/not granted/);
  expect(await grantedNetwork(network, [":443"])!.resolve("other.org")).toEqual(["192.0.2.99"]);
});
