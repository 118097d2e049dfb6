// usage: node examples.js NAME URL
//
// Drives one example of shards/examples with the official client and checks what its README
// promises. Silent and status 0 if all is as it should be; else the reason is stderr's first line.
"use strict";

const assert = require("node:assert/strict");
const { io } = require("socket.io-client");
const { Client } = require("./client.js");

const [name, url] = process.argv.slice(2);
const clients = [];

function open(namespace = "/", options = {}) {
  const client = new Client(io(url + namespace, { forceNew: true, reconnection: false, ...options }));
  clients.push(client);
  return client;
}

async function joined(namespace, options) {
  const client = open(namespace, options);
  await client.connected();
  return client;
}

const examples = {
  async hello() {
    const client = await joined();
    assert.deepEqual(await client.call("hello", "Ada"), ["hi Ada"]);
    client.emit("echo", 1, 2);
    assert.deepEqual(await client.next("echo"), [1, 2]);
  },

  async chat() {
    const nobody = open("/chat", { auth: { name: "" } });
    const [error] = await nobody.next("connect_error");
    assert.equal(error.message, "tell us your name");
    const ada = await joined("/chat", { auth: { name: "Ada" } });
    assert.deepEqual(await ada.next("online"), [1]);
    const bob = await joined("/chat", { auth: { name: "Bob" } });
    assert.deepEqual(await ada.next("online"), [2]);
    assert.deepEqual(await bob.call("say", "hello"), [1]);
    assert.deepEqual(await ada.next("said"), [{ from: "Bob", text: "hello" }]);
    assert.deepEqual(bob.untaken("said"), []);
    bob.socket.disconnect();
    assert.deepEqual(await ada.next("left"), ["Bob", "client namespace disconnect"]);
  },

  async rooms() {
    const [a, b, c, d] = await Promise.all([joined(), joined(), joined(), joined()]);
    assert.deepEqual(await a.call("join", "tea"), [["tea"]]);
    assert.deepEqual(await b.call("join", "tea"), [["tea"]]);
    await a.call("say", "tea", "milk?");
    assert.deepEqual(await b.next("said"), ["milk?"]);
    await c.call("join", "quiet");
    await a.call("shout", "cake!");
    assert.deepEqual(await b.next("said"), ["cake!"]);
    assert.deepEqual(await d.next("said"), ["cake!"]);
    b.answerWith((ack) => ack("two"));
    assert.deepEqual(await a.call("ask", "tea", "sugar?"), [
      { answered: { [b.id]: "two" }, timedOut: [], left: [] },
    ]);
    // c is asked and leaves, d is asked and says nothing.
    await c.call("join", "tea");
    await d.call("join", "tea");
    c.answerWith(() => c.socket.disconnect());
    const [left, silent] = [c.id, d.id];
    assert.deepEqual(await a.call("ask", "tea", "sugar?"), [
      { answered: { [b.id]: "two" }, timedOut: [silent], left: [left] },
    ]);
    assert.deepEqual(await b.call("leave", "tea"), [[]]);
    assert.deepEqual(c.untaken("said"), []);
    assert.deepEqual(a.untaken("said"), []);
  },

  async engine_only() {
    const { Socket } = require("engine.io-client");
    for (const transports of [["polling"], ["websocket"]]) {
      const socket = new Socket(url, { transports });
      socket.binaryType = "arraybuffer";
      const messages = [];
      let wake = () => {};
      socket.on("message", (message) => (messages.push(message), wake()));
      const next = async () => {
        while (messages.length === 0) await new Promise((resolve) => (wake = resolve));
        return messages.shift();
      };
      assert.equal(await next(), "welcome");
      socket.send("hello");
      assert.equal(await next(), "HELLO");
      socket.send(new Uint8Array([1, 2, 3]));
      assert.deepEqual([...new Uint8Array(await next())], [3, 2, 1]);
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.close();
      await closed;
    }
  },

  async engine_broadcast() {
    const { Socket } = require("engine.io-client");
    // Enough that every shard has some.
    const all = await Promise.all(
      Array.from({ length: 16 }, async (_, nth) => {
        const socket = new Socket(url, { transports: [nth % 2 ? "websocket" : "polling"] });
        socket.binaryType = "arraybuffer";
        const messages = [];
        let wake = () => {};
        socket.on("message", (message) => (messages.push(message), wake()));
        await new Promise((resolve) => socket.on("open", resolve));
        const next = async () => {
          while (messages.length === 0) await new Promise((resolve) => (wake = resolve));
          return messages.shift();
        };
        return { socket, next };
      }),
    );
    all[0].socket.send("hello");
    for (const { next } of all) assert.equal(await next(), "hello");
    all[1].socket.send(new Uint8Array([1, 2, 3]));
    for (const { next } of all) assert.deepEqual([...new Uint8Array(await next())], [1, 2, 3]);
    const [gone, ...rest] = all;
    const closed = new Promise((resolve) => gone.socket.on("close", resolve));
    gone.socket.close();
    await closed;
    rest[0].socket.send("still here");
    for (const { next } of rest) assert.equal(await next(), "still here");
    for (const { socket } of rest) socket.close();
  },

  async axum() {
    const page = await fetch(`${url}/`);
    assert.deepEqual([page.status, await page.text()], [200, "axum and Socket.IO on one port\n"]);
    const [a, b] = await Promise.all([joined(), joined("/", { transports: ["websocket"] })]);
    assert.deepEqual(await a.call("hello", "Ada"), ["hi Ada"]);
    const sent = await fetch(`${url}/publish`, { method: "POST", body: "it rains" });
    assert.deepEqual([sent.status, await sent.text()], [200, "sent; 2 sessions\n"]);
    assert.deepEqual(await a.next("news"), ["it rains"]);
    assert.deepEqual(await b.next("news"), ["it rains"]);
    a.answerWith((answer) => answer(true));
    b.answerWith((answer) => answer(false));
    const asked = await fetch(`${url}/ask`);
    assert.equal(await asked.text(), "1 of 2 say yes\n");
    assert.equal((await fetch(`${url}/nowhere`)).status, 404);
  },

  async pool() {
    const [a, b] = await Promise.all([joined(), joined("/", { transports: ["websocket"] })]);
    assert.deepEqual(await a.call("visit", "home"), [1]);
    assert.deepEqual(await b.next("visited"), ["home", 1]);
    assert.deepEqual(await b.call("visit", "home"), [2]);
    assert.deepEqual(await a.next("visited"), ["home", 2]);
    const pages = Array.from({ length: 50 }, (_, n) => `page ${n % 10}`);
    const visits = await Promise.all(pages.map((page) => a.call("visit", page)));
    const last = Math.max(...visits.map(([count]) => count));
    assert.equal(last, 5);
  },
};

async function main() {
  const waits = () => clients.flatMap((client) => [...client.waits]).join(", ");
  const late = setTimeout(() => {
    console.error(`no answer in 30 s; waiting for: ${waits() || "the engine"}`);
    process.exit(1);
  }, 30_000);
  try {
    await examples[name]();
  } catch (error) {
    console.error(String(error.message).split("\n").filter(Boolean).join(" | "));
    process.exitCode = 1;
  }
  clearTimeout(late);
  for (const client of clients) client.close();
}

main();
