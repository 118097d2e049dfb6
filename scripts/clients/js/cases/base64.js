"use strict";

const assert = require("node:assert/strict");

// A client that sends and takes no binary messages: `b` and base64 stands for them, on every transport.
const BASE64 = { forceBase64: true };
const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

// The transport's messages that are not text, as they come.
function binaryMessages(client) {
  const seen = [];
  const { engine } = client.socket.io;
  const ws = engine.transport.ws;
  if (ws) {
    const take = ws.onmessage;
    ws.onmessage = (message) => {
      if (typeof message.data !== "string") seen.push(message.data);
      take(message);
    };
  }
  return seen;
}

module.exports = [
  {
    name: "binary arguments go both ways as text",
    async run(bench) {
      const client = await bench.connect(BASE64);
      const binary = binaryMessages(client);
      const nested = { a: [every, { b: Buffer.alloc(0) }], c: "text" };
      client.emit("message", nested, Buffer.from([1, 2, 3]));
      assert.deepEqual(await client.next("message-back"), [nested, Buffer.from([1, 2, 3])]);
      assert.deepEqual(binary, []);
    },
  },
  {
    name: "acknowledgements and text keep their order with it",
    async run(bench) {
      const client = await bench.connect(BASE64);
      const answers = await Promise.all([
        client.call("message-with-ack", every),
        client.call("message-with-ack", "text"),
        client.call("message-with-ack", Buffer.alloc(100_000, 7), "and more"),
      ]);
      assert.deepEqual(answers, [[every], ["text"], [Buffer.alloc(100_000, 7), "and more"]]);
    },
  },
  {
    name: "one broadcast reaches clients of both kinds",
    async run(bench) {
      const [text, plain] = [await bench.connect(BASE64), await bench.connect()];
      const room = bench.unique("room");
      await Promise.all([text, plain].map((client) => client.call("join", room)));
      const [textual, binary] = [binaryMessages(text), binaryMessages(plain)];
      plain.emit("room", room, [every, "x"]);
      for (const client of [text, plain]) assert.deepEqual(await client.next("room"), [[every, "x"]]);
      assert.deepEqual(textual, []);
      assert.equal(binary.length, plain.transportName() === "websocket" ? 1 : 0);
    },
  },
];
