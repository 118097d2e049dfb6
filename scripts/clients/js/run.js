// usage: node run.js URL -- SERVER-COMMAND...
//
// Runs every case with each client version over each transport against the contract server at URL
// (see ../CONTRACT.md), and prints one line a case: `ok NAME` or `FAIL NAME: why`.
// SERVER-COMMAND starts further servers, for the cases that kill or starve theirs.
"use strict";

const { Bench } = require("./bench.js");

const VERSIONS = [
  { name: "js4", io: require("socket.io-client").io },
  { name: "js3", io: require("socket.io-client-3").io },
];
const TRANSPORTS = [
  { name: "polling", transports: ["polling"] },
  { name: "websocket", transports: ["websocket"] },
  { name: "upgrade", transports: ["polling", "websocket"] },
];
const TOPICS = [
  "connect", "events", "base64", "acks", "rooms", "disconnect", "dismissed", "order", "bursts", "volatile", "restart",
];
const CASES = TOPICS
  .flatMap((topic) => require(`./cases/${topic}.js`).map((test) => ({ topic, ...test })));

// Far above what any case needs; it only turns a hang into a failure.
const CASE_DEADLINE_MS = 60_000;

async function runCase(test, bench) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited too long for: ${bench.waitingFor() || "nothing in particular"}`));
    }, CASE_DEADLINE_MS);
  });
  try {
    await Promise.race([test.run(bench), deadline]);
  } finally {
    clearTimeout(timer);
    bench.close();
  }
}

async function runAll(version, transport, url, serverCommand) {
  let failures = 0;
  for (const test of CASES) {
    const name = `${version.name} ${transport.name} ${test.topic}: ${test.name}`;
    if (test.only && !test.only({ version: version.name, transport: transport.name })) continue;
    try {
      await runCase(test, new Bench({ version, transport, url, serverCommand }));
      console.log(`ok ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAIL ${name}: ${error.message.replaceAll("\n", " ")}`);
      if (process.env.VERBOSE) console.error(error);
    }
  }
  return failures;
}

async function main() {
  const [url, separator, ...serverCommand] = process.argv.slice(2);
  if (separator !== "--" || serverCommand.length === 0) {
    console.error("usage: node run.js URL -- SERVER-COMMAND...");
    process.exit(2);
  }
  // The combinations share one server, on purpose: their events must not leak into each other.
  const counts = await Promise.all(
    VERSIONS.flatMap((version) =>
      TRANSPORTS.map((transport) => runAll(version, transport, url, serverCommand))
    )
  );
  process.exit(counts.some((failures) => failures > 0) ? 1 : 0);
}

main();
