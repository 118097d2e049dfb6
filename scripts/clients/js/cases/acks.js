"use strict";

const assert = require("node:assert/strict");

module.exports = [
  {
    name: "the server answers, with text, nothing, and several arguments",
    async run(bench) {
      const client = await bench.connect();
      assert.deepEqual(await client.call("message-with-ack", "x"), ["x"]);
      assert.deepEqual(await client.call("message-with-ack"), []);
      assert.deepEqual(await client.call("message-with-ack", 1, "2", { 3: [false] }), [1, "2", { 3: [false] }]);
    },
  },
  {
    name: "the server answers with binary, nested",
    async run(bench) {
      const client = await bench.connect();
      const args = [Buffer.from([1, 2]), { a: [Buffer.from([3])] }, "text"];
      assert.deepEqual(await client.call("message-with-ack", ...args), args);
    },
  },
  {
    name: "the client answers, with text and several arguments",
    async run(bench) {
      const client = await bench.connect();
      client.answerWith((ack, ...args) => ack("answer", ...args, [1]));
      client.emit("ask", 20_000, "q", { deep: true });
      assert.deepEqual(await client.next("question"), ["q", { deep: true }]);
      assert.deepEqual(await client.next("asked"), [null, "answer", "q", { deep: true }, [1]]);
    },
  },
  {
    name: "the client answers with binary, nested",
    async run(bench) {
      const client = await bench.connect();
      const binary = { deep: [Buffer.from([1, 2, 3])] };
      client.answerWith((ack, ...args) => ack(Buffer.from([9]), ...args));
      client.emit("ask", 20_000, binary);
      assert.deepEqual(await client.next("asked"), [null, Buffer.from([9]), binary]);
    },
  },
  {
    name: "the client answers with nothing",
    async run(bench) {
      const client = await bench.connect();
      client.answerWith((ack) => ack());
      client.emit("ask", 20_000);
      assert.deepEqual(await client.next("asked"), [null]);
    },
  },
  {
    name: "each of many questions in flight gets its own answer",
    async run(bench) {
      const client = await bench.connect();
      const held = [];
      const all = new Promise((resolve) => {
        client.answerWith((ack, i) => {
          held.push(() => ack(`answer ${i}`));
          if (held.length === 20) resolve();
        });
      });
      for (let i = 0; i < 20; i++) client.emit("ask", 20_000, i);
      await all;
      for (const release of held.reverse()) release();
      const answers = await client.take(20, "asked");
      const expected = Array.from({ length: 20 }, (_, i) => [null, `answer ${19 - i}`]);
      assert.deepEqual(answers, expected);
    },
  },
  {
    name: "the server's own timeout, and an answer after it is ignored",
    async run(bench) {
      const client = await bench.connect();
      let late;
      client.answerWith((ack) => (late = ack));
      client.emit("ask", 50, "q");
      assert.deepEqual(await client.next("asked"), ["operation has timed out"]);
      late("too late");
      assert.deepEqual(await client.call("message-with-ack", "after"), ["after"]);
      assert.deepEqual(client.untaken("asked"), []);
    },
  },
  {
    name: "the client's own timeout, and an answer after it is ignored",
    only: ({ version }) => version === "js4", // 3.x has no timeout()
    async run(bench) {
      const client = await bench.connect();
      const answers = [];
      const timedOut = new Promise((resolve) => {
        client.socket.timeout(50).emit("late-ack", 400, "late", (...answer) => {
          answers.push(answer);
          resolve();
        });
      });
      const unlimited = client.call("late-ack", 400, "awaited"); // comes after the late one
      await timedOut;
      assert.deepEqual(await unlimited, ["awaited"]);
      assert.equal(answers.length, 1);
      assert.equal(answers[0][0].message, "operation has timed out");
    },
  },
  {
    name: "an event that is never acked times out at the client only",
    only: ({ version }) => version === "js4",
    async run(bench) {
      const client = await bench.connect();
      await assert.rejects(client.socket.timeout(100).emitWithAck("never-ack", 1), /operation has timed out/);
      assert.deepEqual(await client.call("message-with-ack", 2), [2]);
    },
  },
  {
    name: "a slow answer does not hold up the next ones",
    async run(bench) {
      const client = await bench.connect();
      const order = [];
      const slow = client.call("late-ack", 500, "slow", Buffer.from([1])).then((answer) => order.push(answer));
      const fast = client.call("message-with-ack", "fast").then((answer) => order.push(answer));
      await Promise.all([slow, fast]);
      assert.deepEqual(order, [["fast"], ["slow", Buffer.from([1])]]);
    },
  },
  {
    name: "a handler that throws harms only its own event",
    async run(bench) {
      const client = await bench.connect();
      const other = await bench.connect();
      const { id } = client;
      const answers = [];
      client.socket.emit("throw", "a", (answer) => answers.push(answer));
      client.emit("throw");
      client.emit("throw", Buffer.from([1]));
      assert.deepEqual(await client.call("message-with-ack", "after"), ["after"]);
      assert.deepEqual(await other.call("message-with-ack", "other"), ["other"]);
      // Node says nothing, Stentor that something went wrong.
      if (answers.length) assert.deepEqual(answers, [{ error: { message: "Internal server error" } }]);
      assert.equal(client.id, id);
      assert.deepEqual(client.untaken("disconnect"), []);
    },
  },
];
