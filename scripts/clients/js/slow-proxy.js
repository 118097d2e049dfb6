// A TCP proxy that keeps what it carries for some milliseconds, each way: a network in one process.
"use strict";

const net = require("node:net");

class SlowProxy {
  #server;
  #sockets = new Set();

  constructor(url, delay) {
    const { port } = new URL(url);
    this.#server = net.createServer({ allowHalfOpen: true }, (near) => {
      const far = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      this.#carry(near, far, delay);
      this.#carry(far, near, delay);
    });
  }

  #carry(from, to, delay) {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes) => setTimeout(() => to.write(bytes), delay));
    from.on("end", () => setTimeout(() => to.end(), delay));
    from.on("error", () => to.destroy());
    from.on("close", () => this.#sockets.delete(from));
  }

  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

module.exports = { SlowProxy };
