"use strict";

const assert = require("node:assert/strict");

module.exports = [
  {
    name: "clients come back after the server was killed",
    async run(bench) {
      const server = await bench.startServer();
      const auth = { token: "kept" };
      const clients = await bench.connectMany(4, { url: server.url, auth });
      const ids = clients.map((client) => client.id);
      for (const client of clients) assert.deepEqual(await client.next("auth"), [auth]);

      server.signal("SIGKILL");
      assert.equal((await server.exited).signal, "SIGKILL");
      const expected = bench.transport === "polling" ? "transport error" : "transport close";
      for (const client of clients) assert.equal((await client.next("disconnect"))[0], expected);
      for (const client of clients) client.emit("message", "sent while nobody listens");

      await server.start();
      for (const [i, client] of clients.entries()) {
        await client.connected();
        assert.notEqual(client.id, ids[i]);
        assert.deepEqual(await client.next("auth"), [auth]);
        assert.deepEqual(await client.next("message-back"), ["sent while nobody listens"]);
        assert.deepEqual(await client.call("message-with-ack", Buffer.from([i])), [Buffer.from([i])]);
      }
    },
  },
  {
    name: "clients come back after the server was told to stop",
    async run(bench) {
      const server = await bench.startServer();
      const clients = await bench.connectMany(4, { url: server.url });
      server.signal("SIGTERM");
      // A polling client sees an error instead if it had no poll waiting to be told by.
      const expected = bench.transport === "polling" ? ["transport close", "transport error"] : ["transport close"];
      for (const client of clients) assert.ok(expected.includes((await client.next("disconnect"))[0]));
      assert.deepEqual(await server.exited, { code: 0, signal: null });

      await server.start();
      for (const client of clients) {
        await client.connected();
        assert.deepEqual(await client.call("message-with-ack", "back"), ["back"]);
      }
    },
  },
];
