"use strict";

const assert = require("node:assert/strict");

const numbers = (count) => Array.from({ length: count }, (_, i) => i);

module.exports = [
  {
    name: "100 events in one go are answered in order",
    async run(bench) {
      const client = await bench.connect();
      const answered = [];
      const calls = numbers(100).map((i) => client.call("message-with-ack", i).then(([n]) => answered.push(n)));
      for (const i of numbers(100)) client.emit("message", i);
      await Promise.all(calls);
      assert.deepEqual(answered, numbers(100));
      assert.deepEqual((await client.take(100, "message-back")).flat(), numbers(100));
    },
  },
  {
    name: "100 events in one go, text and binary mixed, are answered in order",
    async run(bench) {
      const client = await bench.connect();
      const sent = numbers(100).map((i) => (i % 3 === 1 ? [i, Buffer.from([i]), { deep: Buffer.from([i, i]) }] : [i]));
      for (const args of sent) client.emit("message", ...args);
      assert.deepEqual(await client.take(100, "message-back"), sent);
    },
  },
  {
    name: "20 clients at once, each in its own order",
    async run(bench) {
      const clients = await bench.connectMany(20);
      for (const i of numbers(50)) for (const client of clients) client.emit("message", client.id, i);
      for (const client of clients) {
        const answers = await client.take(50, "message-back");
        assert.deepEqual(answers, numbers(50).map((i) => [client.id, i]));
      }
    },
  },
  {
    name: "1,000 events across an upgrade arrive once and in order",
    only: ({ transport }) => transport === "upgrade",
    async run(bench) {
      const client = bench.open({ upgrade: false });
      await client.connected();
      const { engine } = client.socket.io;

      // Some of them before, some while the probe is under way, some after.
      let next = 0;
      const send = (count) => {
        for (const end = next + count; next < end; next++) {
          client.emit("message", next % 10 === 9 ? [next, Buffer.from([next % 256])] : [next]);
        }
      };
      engine.once("upgrading", () => send(300));
      engine.once("upgrade", () => send(400));
      send(300);
      client.startUpgrade();
      await client.upgraded();

      const answers = await client.take(1000, "message-back");
      assert.deepEqual(answers.map(([[i]]) => i), numbers(1000));
      assert.deepEqual(client.untaken("message-back"), []);
      assert.equal((await client.call("whoami"))[0].transport, "websocket");
    },
  },
  {
    name: "what others send across my upgrade arrives once and in order",
    only: ({ transport }) => transport === "upgrade",
    async run(bench) {
      const sender = await bench.connect();
      const client = bench.open({ upgrade: false });
      await client.connected();
      let next = 0;
      let upgraded = false;
      // Every answer from the server lets the sender go on, until well after the upgrade.
      for (let round = 0, after = 0; after < 20; round += 1, after += upgraded ? 1 : 0) {
        for (let i = 0; i < 10; i++) sender.emit("room", client.id, next++);
        await sender.call("message-with-ack");
        if (round === 5) {
          client.upgraded().then(() => (upgraded = true));
          client.startUpgrade();
        }
      }
      const got = await client.take(next, "room");
      assert.deepEqual(got.flat(), numbers(next));
      assert.deepEqual(client.untaken("room"), []);
    },
  },
];
