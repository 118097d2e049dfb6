"use strict";

const assert = require("node:assert/strict");

const TEXTS = [
  "",
  "plain",
  "quotes \" \\ / and , commas",
  "line\nfeed \u0000 \u001e \u2028 end",
  "über 東京 🚀",
  '{"_placeholder":false,"num":0}',
];
const VALUES = [null, true, false, 0, -1, 1.5, 1e21, [], {}, [[[]]], { a: { b: [1, { c: null }] } }];

module.exports = [
  {
    name: "text of every kind comes back unchanged",
    async run(bench) {
      const client = await bench.connect();
      client.emit("message", ...TEXTS, ...VALUES);
      assert.deepEqual(await client.next("message-back"), [...TEXTS, ...VALUES]);
    },
  },
  {
    name: "an event without arguments",
    async run(bench) {
      const client = await bench.connect();
      client.emit("message");
      assert.deepEqual(await client.next("message-back"), []);
    },
  },
  {
    name: "several binary arguments between text",
    async run(bench) {
      const client = await bench.connect();
      const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      client.emit("message", "a", every, 1, Buffer.alloc(0), Buffer.from([255]));
      assert.deepEqual(await client.next("message-back"), ["a", every, 1, Buffer.alloc(0), Buffer.from([255])]);
    },
  },
  {
    name: "binary nested in arrays and objects",
    async run(bench) {
      const client = await bench.connect();
      const nested = { a: [Buffer.from([1]), { b: Buffer.from([2, 3]) }], c: "text", d: Buffer.from([4]) };
      client.emit("message", [Buffer.from([0]), [nested]], nested);
      assert.deepEqual(await client.next("message-back"), [[Buffer.from([0]), [nested]], nested]);
    },
  },
  {
    name: "ten attachments, the most a packet may have",
    async run(bench) {
      const client = await bench.connect();
      const ten = Array.from({ length: 10 }, (_, i) => Buffer.alloc(i, i));
      client.emit("message", ...ten);
      assert.deepEqual(await client.next("message-back"), ten);
    },
  },
  {
    name: "large text and large binary",
    async run(bench) {
      const client = await bench.connect();
      const text = "0123456789é🚀".repeat(20_000);
      client.emit("message", text);
      assert.ok((await client.next("message-back"))[0] === text);
      const binary = Buffer.alloc(400_000, "stentor");
      client.emit("message", binary);
      assert.ok(binary.equals((await client.next("message-back"))[0]));
    },
  },
  {
    name: "the probe's echo and echo_ack, text and binary",
    async run(bench) {
      const client = await bench.connect();
      for (const d of ["text", Buffer.from([1, 2, 3])]) {
        client.emit("echo", d);
        assert.deepEqual(await client.next("echo"), [d]);
        assert.deepEqual(await client.call("echo_ack", d), [d]);
      }
    },
  },
  {
    name: "1,000 events from one handler call, text",
    async run(bench) {
      const client = await bench.connect();
      await client.call("flood", 1000, "d");
      const expected = Array.from({ length: 1000 }, (_, i) => [i, "d"]);
      assert.deepEqual(client.untaken("flood"), expected);
    },
  },
  {
    name: "300 events from one handler call, binary",
    async run(bench) {
      const client = await bench.connect();
      const d = { deep: [Buffer.from([7, 8]), "x", Buffer.from([9])] };
      await client.call("flood", 300, d);
      const expected = Array.from({ length: 300 }, (_, i) => [i, d]);
      assert.deepEqual(client.untaken("flood"), expected);
    },
  },
];
