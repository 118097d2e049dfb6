"use strict";

const assert = require("node:assert/strict");

// Nobody broadcasts in this namespace. A broadcast that meets a WebSocket which is just closing is
// a write error, and the official server then says `transport error` instead of `transport close`.
const QUIET = { namespace: "/guarded", auth: { token: "letmein" } };

// A client whose end is reported to a second one, which returns the reason the server saw.
async function watched(bench, options = {}) {
  const witness = await bench.connect({ url: options.url });
  const client = await bench.connect(options);
  return { client, witness, gone: await watch(bench, client, witness) };
}

async function watch(bench, client, witness) {
  const tag = bench.unique("watched");
  await witness.call("join", `gone:${tag}`);
  await client.call("watch", tag);
  return async () => {
    const [seen, reason] = await witness.next("gone", (got) => got === tag);
    assert.equal(seen, tag);
    return reason;
  };
}

const observed = async (client) => (await client.next("disconnect"))[0];

module.exports = [
  {
    name: "by the client",
    async run(bench) {
      const { client, gone } = await watched(bench, QUIET);
      client.socket.disconnect();
      assert.equal(await gone(), "client namespace disconnect");
      assert.equal(await observed(client), "io client disconnect");
    },
  },
  {
    name: "by the client from one of two namespaces",
    async run(bench) {
      const { client: main, witness } = await watched(bench);
      const custom = bench.open({ on: main, namespace: "/custom" });
      await custom.connected();
      const gone = await watch(bench, custom, witness);
      custom.socket.disconnect();
      assert.equal(await gone(), "client namespace disconnect");
      assert.deepEqual(await main.call("message-with-ack", "still here"), ["still here"]);

      custom.socket.connect(); // and it may come back on the same connection
      await custom.next("disconnect");
      await custom.connected();
      assert.deepEqual(await custom.call("message-with-ack", "back"), ["back"]);
    },
  },
  {
    name: "by the client closing its engine",
    async run(bench) {
      const { client, gone } = await watched(bench, { ...QUIET, reconnection: false });
      client.socket.io.engine.close();
      assert.equal(await gone(), "transport close");
      assert.equal(await observed(client), "forced close");
    },
  },
  {
    name: "by the server, one namespace",
    async run(bench) {
      const { client: main, witness } = await watched(bench);
      const custom = bench.open({ on: main, namespace: "/custom" });
      await custom.connected();
      const gone = await watch(bench, custom, witness);
      custom.emit("kick", false);
      assert.equal(await gone(), "server namespace disconnect");
      assert.equal(await observed(custom), "io server disconnect");
      assert.deepEqual(await main.call("message-with-ack", "still here"), ["still here"]);
      assert.equal(custom.socket.connected, false); // no reconnection by itself

      custom.socket.connect();
      await custom.connected();
      assert.deepEqual(await custom.call("message-with-ack", "back"), ["back"]);
    },
  },
  {
    name: "by the server, the whole connection",
    async run(bench) {
      const { client: main, witness, gone } = await watched(bench);
      const custom = bench.open({ on: main, namespace: "/custom" });
      await custom.connected();
      const customGone = await watch(bench, custom, witness);
      const closed = new Promise((resolve) => main.socket.io.engine.once("close", resolve));
      main.emit("kick", true);
      assert.equal(await gone(), "server namespace disconnect");
      assert.equal(await customGone(), "server namespace disconnect");
      assert.equal(await observed(main), "io server disconnect");
      assert.equal(await observed(custom), "io server disconnect");
      await closed;
    },
  },
  {
    name: "by the server for an undecodable packet",
    async run(bench) {
      const { client, gone } = await watched(bench, { ...QUIET, reconnection: false });
      client.socket.io.engine.write("9[]");
      assert.equal(await gone(), "forced close");
      assert.equal(await observed(client), "transport close");
    },
  },
  {
    name: "by the server for a second CONNECT",
    async run(bench) {
      const { client, gone } = await watched(bench, { ...QUIET, reconnection: false });
      client.socket.io.engine.write("0/guarded,");
      // Node says the first when nothing was left to write, else the second.
      assert.ok(["forced close", "forced server close"].includes(await gone()));
      assert.equal(await observed(client), "transport close");
    },
  },
  {
    name: "by the server for a message above the limit",
    async run(bench) {
      const { client, gone } = await watched(bench, { ...QUIET, reconnection: false });
      const polling = bench.transport === "polling";
      client.emit("message", "x".repeat(1_200_000));
      // Node keeps a polling session after 413, and the client closes it; Stentor closes it, because
      // the body that will not come is an event lost (docs/PROTOCOL.md, deliberate differences).
      const reasons = polling ? ["transport close", "transport error"] : ["transport error"];
      const reason = await gone();
      assert.ok(reasons.includes(reason), reason);
      // Then the client learns of it by the 413 or by its poll, whichever comes first.
      const seen = polling ? ["transport error", "transport close"] : ["transport close"];
      const learnt = await observed(client);
      assert.ok(seen.includes(learnt), learnt);
    },
  },
  {
    name: "by the server when pings are not answered",
    async run(bench) {
      const server = await bench.startServer("--ping-interval", "3000", "--ping-timeout", "3000");
      const { client, gone } = await watched(bench, { url: server.url, reconnection: false });
      const { engine } = client.socket.io;
      const send = engine.sendPacket ?? engine._sendPacket;
      const muted = (type, ...rest) => type === "pong" || send.call(engine, type, ...rest);
      engine.sendPacket = muted; // 3.x and early 4.x
      engine._sendPacket = muted; // later 4.x
      assert.equal(await gone(), "ping timeout");
      assert.equal(await observed(client), "transport close");
    },
  },
  {
    name: "by the client when the server has stopped pinging",
    async run(bench) {
      const server = await bench.startServer("--ping-interval", "1000", "--ping-timeout", "2000");
      const client = await bench.connect({ url: server.url, reconnection: false });
      server.signal("SIGSTOP");
      assert.equal(await observed(client), "ping timeout");
    },
  },
  {
    name: "pings on both sides keep a quiet connection",
    async run(bench) {
      const server = await bench.startServer("--ping-interval", "500", "--ping-timeout", "2000");
      const client = await bench.connect({ url: server.url, reconnection: false });
      let pings = 0;
      await new Promise((resolve) => {
        client.socket.io.engine.on("packet", ({ type }) => {
          if (type === "ping") pings += 1;
          if (pings === 4) resolve();
        });
        client.socket.on("disconnect", resolve);
      });
      assert.equal(pings, 4);
      assert.deepEqual(await client.call("message-with-ack", "still here"), ["still here"]);
    },
  },
];
