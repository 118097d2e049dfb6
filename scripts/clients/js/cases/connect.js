"use strict";

const assert = require("node:assert/strict");

module.exports = [
  {
    name: "the server sees the auth that was sent",
    async run(bench) {
      const auth = { token: "123", nested: { list: [1, "two", null] } };
      const client = await bench.connect({ auth });
      assert.deepEqual(await client.next("auth"), [auth]);
    },
  },
  {
    name: "no auth arrives as an empty object",
    async run(bench) {
      const client = await bench.connect();
      assert.deepEqual(await client.next("auth"), [{}]);
    },
  },
  {
    name: "id, transport and query agree on both sides",
    async run(bench) {
      const tag = bench.unique("tag é&=");
      const client = await bench.connect({ query: { tag } });
      const [seen] = await client.call("whoami");
      const transport = bench.transport === "polling" ? "polling" : "websocket";
      assert.deepEqual(seen, { id: client.id, transport, tag });
      assert.equal(client.transportName(), transport);
    },
  },
  {
    name: "the handshake is whole, with the official names",
    async run(bench) {
      const auth = { token: "123" };
      const client = await bench.connect({ auth, query: { tag: "a b&=é" } });
      const [seen] = await client.call("handshake");
      const names = ["headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"];
      assert.deepEqual(Object.keys(seen).sort(), names.sort());
      assert.match(seen.address, /127\.0\.0\.1$/);
      assert.deepEqual([seen.xdomain, seen.secure, seen.auth], [false, false, auth]);
      assert.ok(Math.abs(Date.now() - seen.issued) < 600_000);
      assert.ok(Math.abs(seen.issued - Date.parse(seen.time)) <= 2_000);
      assert.ok(seen.url.startsWith("/socket.io/?"));
      const transport = bench.transport === "websocket" ? "websocket" : "polling";
      assert.equal(seen.query.EIO, "4");
      assert.deepEqual([seen.query.tag, seen.query.transport], ["a b&=é", transport]);
      assert.equal(typeof seen.headers.host, "string");
    },
  },
  {
    name: "a refused auth is a connect_error with message and data",
    async run(bench) {
      const client = bench.open({ namespace: "/guarded", auth: { token: "wrong" } });
      const [error] = await client.next("connect_error");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { code: "E_AUTH", token: "wrong" });
      assert.equal(client.socket.connected, false);
    },
  },
  {
    name: "after a refusal the same connection is accepted with the right auth",
    async run(bench) {
      const main = await bench.connect();
      const engine = main.socket.io.engine.id;
      const client = bench.open({ on: main, namespace: "/guarded" });
      const [error] = await client.next("connect_error");
      assert.deepEqual(error.data, { code: "E_AUTH", token: null });

      client.socket.auth = { token: "letmein" };
      client.socket.connect();
      await client.connected();
      assert.deepEqual(await client.next("auth"), [{ token: "letmein" }]);
      assert.deepEqual(await client.call("message-with-ack", 1), [1]);
      assert.equal(main.socket.io.engine.id, engine);
    },
  },
  {
    name: "an unknown namespace is refused and the connection stays",
    async run(bench) {
      const main = await bench.connect();
      const engine = main.socket.io.engine.id;
      const unknown = bench.open({ on: main, namespace: "/no-such-namespace" });
      const [error] = await unknown.next("connect_error");
      assert.equal(error.message, "Invalid namespace");
      assert.equal(error.data, undefined);
      assert.deepEqual(await main.call("message-with-ack", "still here"), ["still here"]);
      assert.equal(main.socket.io.engine.id, engine);
    },
  },
  {
    name: "two namespaces share a connection and nothing else",
    async run(bench) {
      const main = await bench.connect({ auth: { at: "main" } });
      const custom = bench.open({ on: main, namespace: "/custom", auth: { at: "custom" } });
      await custom.connected();
      assert.deepEqual(await main.next("auth"), [{ at: "main" }]);
      assert.deepEqual(await custom.next("auth"), [{ at: "custom" }]);
      assert.notEqual(main.id, custom.id);

      main.emit("message", "to main");
      custom.emit("message", "to custom", Buffer.from([1, 2]));
      assert.deepEqual(await main.next("message-back"), ["to main"]);
      const [text, binary] = await custom.next("message-back");
      assert.equal(text, "to custom");
      assert.deepEqual(Buffer.from(binary), Buffer.from([1, 2]));
      assert.deepEqual(main.untaken("message-back"), []);
      assert.deepEqual(custom.untaken("message-back"), []);
    },
  },
];
