// Connections to outside through Node's sockets, for machines that were granted them.

import { lookup } from "node:dns/promises";
import { Socket } from "node:net";
import { HostError, type HostNetwork } from "../../host/host.ts";

function hostError(error: Error): HostError {
  return new HostError("code" in error && typeof error.code === "string" ? error.code : "EIO", error.message);
}

export const network: HostNetwork = {
  connect(address, port, events) {
    const socket = new Socket({ allowHalfOpen: true });
    let failure: HostError | undefined;
    socket.on("connect", () =>
      events.connected({ address: socket.localAddress ?? "0.0.0.0", port: socket.localPort ?? 0 }),
    );
    socket.on("data", (bytes) => events.data(bytes));
    socket.on("drain", () => events.drained());
    socket.on("end", () => events.ended());
    socket.on("error", (error) => (failure = hostError(error)));
    socket.on("close", () => events.closed(failure));
    socket.connect({ host: address, port });
    return {
      write: (bytes) => socket.write(bytes.slice()),
      end: () => void socket.end(),
      destroy: () => void socket.destroy(),
      pause: (paused) => void (paused ? socket.pause() : socket.resume()),
    };
  },
  async resolve(name) {
    try {
      return (await lookup(name, { all: true, family: 4 })).map(({ address }) => address);
    } catch (error) {
      throw error instanceof Error ? hostError(error) : error;
    }
  },
};
