// Loaded before scripts/clients/node-reference/server.js: what the wire tests ask for and the
// reference does not offer: an upgrade timeout, more options as JSON, and an answer outside /socket.io/.
"use strict";

const http = require("node:http");
const { createServer } = http;
http.createServer = () =>
  createServer((request, response) => {
    response.writeHead(404);
    response.end();
  });

const engine = require(require.resolve("engine.io", { paths: [process.argv[1]] }));
const { attach } = engine;
const upgradeTimeout = Number(process.env.UPGRADE_TIMEOUT ?? 10_000);
// What JSON cannot say: all hosts below one.
const revive = (_, value) => (value?.below ? /^https:\/\/[\w.-]+\.b\.example$/ : value);
const more = JSON.parse(process.env.ENGINE_OPTIONS || "{}", revive);
engine.attach = (server, options) => attach(server, { ...options, upgradeTimeout, ...more });
