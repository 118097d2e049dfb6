// What a case works with: clients of one version on one transport, all closed when the case ends.
"use strict";

const { spawn } = require("node:child_process");
const { randomBytes } = require("node:crypto");
const { join } = require("node:path");
const { Client } = require("./client.js");
const { ServerProcess } = require("./server-process.js");
const { SlowProxy } = require("./slow-proxy.js");

class Bench {
  #clients = [];
  #servers = [];
  #proxies = [];

  constructor({ version, transport, url, serverCommand }) {
    this.version = version.name;
    this.transport = transport.name;
    this.url = url;
    this.io = version.io;
    this.transports = transport.transports;
    this.serverCommand = serverCommand;
  }

  // A name that no other case uses: the server is shared.
  unique(prefix) {
    return `${prefix}-${randomBytes(6).toString("hex")}`;
  }

  // A client that has not yet been waited for.
  open({ namespace = "/", url = this.url, on = null, ...options } = {}) {
    const socket = on
      ? on.socket.io.socket(namespace, options)
      : this.io(url + namespace, {
          transports: this.transports,
          forceNew: true,
          reconnectionDelay: 50,
          reconnectionDelayMax: 200,
          ...options,
        });
    const client = new Client(socket);
    this.#clients.push(client);
    return client;
  }

  // A connected client; on the `upgrade` transport, one that has been upgraded.
  async connect(options) {
    const client = this.open(options);
    await client.connected();
    if (this.transport === "upgrade") await client.upgraded();
    return client;
  }

  connectMany(count, options) {
    return Promise.all(Array.from({ length: count }, () => this.connect(options)));
  }

  // A server of this case's own.
  async startServer(...flags) {
    const server = new ServerProcess(this.serverCommand, flags);
    this.#servers.push(server);
    await server.start();
    return server;
  }

  // A way to the server that takes `delay` milliseconds in each direction.
  async startProxy(delay) {
    const proxy = new SlowProxy(this.url, delay);
    this.#proxies.push(proxy);
    await proxy.start();
    return proxy;
  }

  // A way to the server that carries segments of `bytes` bytes at most. Resolves to its URL.
  async startSegments(bytes) {
    const command = [join(__dirname, "segment-proxy.py"), new URL(this.url).port, String(bytes)];
    const proxy = spawn("python3", command, { stdio: ["pipe", "pipe", "inherit"] });
    this.#proxies.push({ close: () => proxy.kill() });
    const port = await new Promise((resolve, reject) => {
      proxy.once("error", reject);
      proxy.once("exit", () => reject(new Error("the proxy ended at once")));
      proxy.stdout.once("data", (line) => resolve(Number(line)));
    });
    return `http://127.0.0.1:${port}`;
  }

  waitingFor() {
    const waits = this.#clients.flatMap((client) => [...client.waits]);
    const surprises = this.#clients.flatMap((client) => client.untaken("disconnect"));
    return [...waits, ...surprises.map(([reason]) => `(disconnected: ${reason})`)].join(", ");
  }

  close() {
    for (const client of this.#clients) client.close();
    for (const server of this.#servers) server.kill();
    for (const proxy of this.#proxies) proxy.close();
  }
}

module.exports = { Bench };
