// Loaded before scripts/clients/node-reference/server.js: two things the wire tests ask for and
// the reference does not offer, an upgrade timeout and an answer outside /socket.io/.
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
engine.attach = (server, options) => attach(server, { ...options, upgradeTimeout });
