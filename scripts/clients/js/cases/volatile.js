"use strict";

const assert = require("node:assert/strict");

// By hand, because every client polls all the time: a session with no GET waiting.
class BareSession {
  constructor(url) {
    this.url = `${url}/socket.io/?EIO=4&transport=polling`;
  }

  async open() {
    const open = await this.get();
    this.url += `&sid=${JSON.parse(open.slice(1)).sid}`;
    await this.post("40");
    const connected = await this.get();
    assert.match(connected, /^40\{"sid":"[^"]+"\}\x1e42\["auth",\{\}\]$/);
  }

  async get() {
    const response = await fetch(this.url);
    assert.equal(response.status, 200);
    return response.text();
  }

  async post(body) {
    const response = await fetch(this.url, { method: "POST", body });
    assert.equal(await response.text(), "ok");
  }
}

module.exports = [
  {
    name: "a volatile event reaches a client that listens",
    async run(bench) {
      const client = await bench.connect();
      // Any one of them may be lost, between two polls for instance; all of them may not.
      let sent = 0;
      while (client.untaken("volatile").length === 0) await client.call("volatile", sent++);
      const got = client.untaken("volatile").flat();
      assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b));
    },
  },
  {
    name: "volatile events never overtake or repeat",
    async run(bench) {
      const client = await bench.connect();
      const calls = Array.from({ length: 100 }, (_, i) => client.call("volatile", i));
      await Promise.all(calls);
      const got = client.untaken("volatile").flat();
      assert.deepEqual(got, [...new Set(got)].sort((a, b) => a - b));
      assert.deepEqual(await client.call("message-with-ack", "after"), ["after"]);
    },
  },
  {
    name: "a volatile event is dropped while no poll is waiting, the ack after it is not",
    only: ({ version, transport }) => version === "js4" && transport === "polling",
    async run(bench) {
      const session = new BareSession(bench.url);
      await session.open();
      await session.post('420["volatile","lost"]');
      assert.equal(await session.get(), "430[]");
      await session.post("1");
    },
  },
];
