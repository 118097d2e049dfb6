"use strict";

const assert = require("node:assert/strict");

const EVENTS = 5;
// Both ways of a network, in milliseconds.
const DELAYS = [10, 30, 60];
// From the connect event to the server's last words.
const MOMENTS = [0, 5, 10, 20, 30, 45, 60, 80, 100, 130, 170, 220, 300, 500];

async function dismissed(bench, proxy, after) {
  const client = bench.open({ url: proxy.url });
  await client.connected();
  client.emit("dismiss", after, EVENTS);
  const [reason] = await client.next("disconnect");
  const said = client.untaken("flood").map(([n]) => n);
  return { reason, said, connects: client.untaken("connect").length };
}

module.exports = [
  {
    // An upgrade takes some round trips. Whichever of them the end falls into, the client has heard
    // everything, knows who ended it, and does not come back.
    name: "at every moment of an upgrade",
    only: ({ transport }) => transport === "upgrade",
    async run(bench) {
      const proxies = await Promise.all(DELAYS.map((delay) => bench.startProxy(delay)));
      const all = proxies.flatMap((proxy) => MOMENTS.map((after) => dismissed(bench, proxy, after)));
      const said = Array.from({ length: EVENTS }, (_, n) => n);
      for (const seen of await Promise.all(all)) {
        assert.deepEqual(seen, { reason: "io server disconnect", said, connects: 0 });
      }
    },
  },
];
