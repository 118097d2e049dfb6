"use strict";

const assert = require("node:assert/strict");

// Much at once to a client that reads is not slowness: it arrives whole and in order, over loopback and
// in segments of 1,400 bytes.
const BURSTS = [
  { name: "10 MB from one handler call", count: 10_000, bytes: 1_000 },
  { name: "1,100 events of 1 kB from one handler call", count: 1_100, bytes: 1_000 },
];

async function urls(bench) {
  return { loopback: bench.url, "segments of 1,400": await bench.startSegments(1400) };
}

function burst({ name, count, bytes }) {
  return {
    name,
    async run(bench) {
      for (const [way, url] of Object.entries(await urls(bench))) {
        const client = await bench.connect({ url });
        const d = "r".repeat(bytes);
        await client.call("flood", count, d);
        const rows = client.untaken("flood");
        assert.equal(rows.length, count, way);
        rows.forEach(([i, row], at) => assert.ok(i === at && row === d, `${way}: row ${at}`));
        assert.deepEqual(client.untaken("disconnect"), [], way);
        client.close();
      }
    },
  };
}

module.exports = [
  ...BURSTS.map(burst),
  {
    name: "100 echoes of 990 kB, asked for at once",
    // Version 3 makes one POST of them, which is over the limit of every server.
    only: ({ version, transport }) => version !== "js3" || transport !== "polling",
    async run(bench) {
      for (const [way, url] of Object.entries(await urls(bench))) {
        const client = await bench.connect({ url });
        for (let i = 0; i < 100; i++) client.emit("echo", String(i).padEnd(990_000, "e"));
        const answers = await client.take(100, "echo");
        answers.forEach(([text], i) => assert.ok(text === String(i).padEnd(990_000, "e"), `${way}: echo ${i}`));
        assert.deepEqual(client.untaken("disconnect"), [], way);
        client.close();
      }
    },
  },
];
