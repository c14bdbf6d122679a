// Connections to outside: only with a network, by the host's sockets and resolver.

import { describe, expect, it } from "vitest";
import { call, callOrWait, put, scratch, take, text, world } from "../../../test/support/world.ts";
import { HostError, type HostNetwork, type HostSocketEvents } from "../../host/host.ts";
import * as errno from "../errno.ts";
import { isWait } from "../wait.ts";
import * as io from "../../linux/syscalls/io.ts";
import * as sockets from "../../linux/syscalls/sockets.ts";
import { addressBytes, answer, parseQuery } from "./dns.ts";

const address = (ip: number[], port: number) =>
  Uint8Array.of(2, 0, port >> 8, port & 255, ...ip, 0, 0, 0, 0, 0, 0, 0, 0);
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

function booted(network?: HostNetwork) {
  const made = world();
  if (network) Object.assign(made.kernel.host, { network });
  const task = made.process();
  // Sockets ask the scheduler who calls.
  made.kernel.scheduler.current = task;
  return task;
}

describe("connections to outside", () => {
  it("are refused without a network", () => {
    const task = booted();
    const fd = call(sockets.socket, task, 2, 1, 0);
    put(task, address([1, 1, 1, 1], 80));
    expect(call(sockets.connect, task, fd, scratch, 16)).toBe(-errno.ENETUNREACH.number);
  });

  it("go through the host's sockets", async () => {
    let events: HostSocketEvents | undefined;
    const written: string[] = [];
    const task = booted({
      connect(to, port, told) {
        expect([to, port]).toEqual(["93.184.216.34", 80]);
        events = told;
        return { write: (bytes) => (written.push(text(bytes)), true), end() {}, destroy() {}, pause() {} };
      },
      resolve: () => Promise.resolve(["93.184.216.34", "2001:db8::1"]),
    });
    const fd = call(sockets.socket, task, 2, 1, 0);
    put(task, address([93, 184, 216, 34], 80));
    const waiting = callOrWait(sockets.connect, task, fd, scratch, 16);
    expect(isWait(waiting)).toBe(true);
    events!.connected({ address: "10.0.0.1", port: 1 });
    expect(isWait(waiting) && waiting.attempt()).toBe(0);
    const file = task.process.files.get(fd);
    put(task, "GET /");
    expect(call(io.write, task, file, scratch, 5)).toBe(5);
    expect(written).toEqual(["GET /"]);
    events!.data(new TextEncoder().encode("200 OK"));
    expect(call(io.read, task, file, scratch, 100)).toBe(6);
    expect(text(take(task, 6))).toBe("200 OK");
    events!.ended();
    expect(call(io.read, task, file, scratch, 100)).toBe(0);
  });

  it("fail as the host says", () => {
    const task = booted({
      connect() {
        throw new HostError("EACCES", "not granted");
      },
      resolve: () => Promise.reject(new HostError("ENOENT", "none")),
    });
    const fd = call(sockets.socket, task, 2, 1, 0);
    put(task, address([93, 184, 216, 34], 80));
    expect(call(sockets.connect, task, fd, scratch, 16)).toBe(-errno.EACCES.number);
  });

  it("find names by the host's resolver", async () => {
    const task = booted({
      connect() {
        throw new HostError("EACCES", "not granted");
      },
      resolve: (name) =>
        name === "example.org" ? Promise.resolve(["93.184.216.34"]) : Promise.reject(new HostError("ENOENT", "none")),
    });
    const fd = call(sockets.socket, task, 2, 2, 0);
    put(task, address([127, 0, 0, 1], 53));
    expect(call(sockets.connect, task, fd, scratch, 16)).toBe(0);
    const ask = async (name: string) => {
      const labels = name.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
      const query = Uint8Array.of(7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1);
      put(task, query);
      expect(call(io.write, task, task.process.files.get(fd), scratch, query.length)).toBe(query.length);
      await settled();
      const count = call(io.read, task, task.process.files.get(fd), scratch, 512);
      return take(task, count);
    };
    const found = await ask("example.org");
    expect([found[3]! & 15, found[7], ...found.slice(-4)]).toEqual([0, 1, 93, 184, 216, 34]);
    expect((await ask("nowhere.example"))[3]! & 15).toBe(3);
  });
});

describe("DNS messages", () => {
  it("survive nonsense", () => {
    expect(parseQuery(new Uint8Array(5))).toBeUndefined();
    expect(parseQuery(Uint8Array.from({ length: 40 }, () => 255))).toBeUndefined();
    expect(addressBytes("::1")?.at(-1)).toBe(1);
    expect(addressBytes("2001:db8::ff")?.length).toBe(16);
    expect(addressBytes("x")).toBeUndefined();
    const message = Uint8Array.of(1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 28, 0, 1);
    expect(answer(message, parseQuery(message)!, ["1.2.3.4", "::1"]).length).toBe(message.length + 28);
  });
});
