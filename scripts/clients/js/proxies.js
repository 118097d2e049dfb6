// usage: node proxies.js SECONDS NAME=URL,EXPECTED...
//
// What scripts/test-proxies asks through its proxies, which listen at these URLs. EXPECTED is `client`, `proxy` or `none`: whose
// address the server must see. Prints one line a case: `ok NAME` or `FAIL NAME: why`.
//
// 1. Clients from addresses of their own (127.0.0.2 and on), over each transport, with forged headers: the
//    right address arrives, and never the forged one.
// 2. Clients over each transport and proxy, for SECONDS: each sends numbered events and waits for their acks, and
//    one a proxy sends broadcasts. Every ack comes, in order; every broadcast comes once to everybody; nobody is
//    disconnected.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { io } = require("socket.io-client");

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };
const FORGED = "6.6.6.6";
const FORGERIES = {
  "X-Forwarded-For": `${FORGED}, 127.0.0.1`,
  Forwarded: `for=${FORGED};proto=https`,
  "X-Real-IP": FORGED,
};
// Far above what anything needs; it only turns a hang into a failure.
const DEADLINE_MS = 30_000;
const CLIENTS_PER_TRANSPORT = 4;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function open(url, transports, localAddress, extraHeaders) {
  // One connection at least for the poll that waits, and one for what is posted meanwhile.
  const agent = new http.Agent({ localAddress, keepAlive: true });
  const socket = io(url, { transports, agent, extraHeaders, forceNew: true, reconnection: false });
  const connected = new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return { socket, connected, close: () => { socket.close(); agent.destroy(); } };
}

function ask(socket, event, ...args) {
  return within(`the ack of ${event}`, new Promise((resolve) => socket.emit(event, ...args, resolve)));
}

async function checkAddress({ url, expected }, transports, nth) {
  const own = `127.0.0.${2 + nth}`;
  const client = open(url, transports, own, FORGERIES);
  try {
    await within("a connection", client.connected);
    const seen = await ask(client.socket, "handshake");
    const wanted = { client: own, proxy: "127.0.0.1", none: null }[expected];
    assert.equal(seen.address, wanted);
  } finally {
    client.close();
  }
}

// One client that sends numbered events, one after the other, till `isOver`.
async function chat(client, isOver, counts) {
  for (let n = 0; !isOver(); n += 1) {
    const text = `${n}:${"x".repeat(n % 700)}`;
    assert.equal(await ask(client.socket, "echo_ack", text), text);
    counts.acks += 1;
    await sleep(20 + (n * 37) % 80);
  }
}

async function checkTraffic({ name, url }, seconds) {
  const clients = Object.values(TRANSPORTS).flatMap((transports) =>
    Array.from({ length: CLIENTS_PER_TRANSPORT }, () => open(url, transports))
  );
  const counts = { acks: 0, broadcasts: 0 };
  const marked = `${name}:`;
  const heard = clients.map(() => []);
  let over = false;
  try {
    await within("all connections", Promise.all(clients.map((client) => client.connected)));
    const lost = new Promise((_, reject) => {
      clients.forEach(({ socket }, nth) => {
        // Other proxies' clients are in the same namespace.
        socket.on("broadcast", (text) => text.startsWith(marked) && heard[nth].push(text));
        socket.on("disconnect", (reason) => over || reject(new Error(`a client was lost: ${reason}`)));
      });
    });
    const end = Date.now() + seconds * 1_000;
    const isOver = () => Date.now() >= end;
    const broadcast = async () => {
      while (!isOver()) {
        clients[0].socket.emit("broadcast", `${marked}${counts.broadcasts}`);
        counts.broadcasts += 1;
        await sleep(100);
      }
    };
    const chats = clients.map((client) => chat(client, isOver, counts));
    await Promise.race([Promise.all([...chats, broadcast()]), lost]);
    const all = Array.from({ length: counts.broadcasts }, (_, n) => `${marked}${n}`);
    const whole = async () => {
      while (heard.some((list) => list.length < all.length)) await sleep(10);
    };
    await within("the last broadcasts", Promise.race([whole(), lost]));
    heard.forEach((list) => assert.deepEqual(list, all));
  } finally {
    over = true;
    clients.forEach((client) => client.close());
  }
  return `${clients.length} clients, ${counts.acks} acks, ${counts.broadcasts} broadcasts to each`;
}

async function run(name, test) {
  try {
    const told = await test();
    console.log(`ok ${name}${told ? `: ${told}` : ""}`);
    return true;
  } catch (error) {
    console.log(`FAIL ${name}: ${String(error.message).replaceAll("\n", " ")}`);
    if (process.env.VERBOSE) console.error(error);
    return false;
  }
}

async function main() {
  const [seconds, ...given] = process.argv.slice(2);
  const proxies = given.map((text) => {
    const [, name, url, expected] = text.match(/^(.+?)=(.+),(client|proxy|none)$/);
    return { name, url, expected };
  });
  const results = [];
  for (const proxy of proxies) {
    for (const [nth, [transport, transports]] of Object.entries(TRANSPORTS).entries()) {
      const name = `${proxy.name} ${transport}: the address`;
      results.push(await run(name, () => checkAddress(proxy, transports, nth)));
    }
  }
  const traffic = proxies.map((proxy) =>
    run(`${proxy.name}: ${seconds} s of traffic, nothing lost`, () => checkTraffic(proxy, Number(seconds)))
  );
  results.push(...(await Promise.all(traffic)));
  process.exit(results.every(Boolean) ? 0 : 1);
}

main();
