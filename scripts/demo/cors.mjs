// Answers: does a browser let a page of another origin talk to the server where the options say so, and only there?
//
// usage: node cors.mjs STENTOR CHROMIUM
// checks.mjs says what it prints.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { check, end, holds } from "./checks.mjs";

const [stentor, executablePath] = process.argv.slice(2);
const client = gunzipSync(readFileSync(new URL("../../shards/assets/client/socket.io.min.js.gz", import.meta.url)));
const WAIT = 60_000;

/** A site with the client and nothing else; its port makes it an origin of its own. */
async function site() {
  const server = createServer((request, response) => {
    const script = request.url === "/socket.io.min.js";
    response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html" });
    response.end(script ? client : '<!doctype html><link rel="icon" href="data:,"><script src="/socket.io.min.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
const originOf = (server) => `http://127.0.0.1:${server.address().port}`;

/** Runs the work with a server of these options. */
async function withServer(options, work) {
  const args = ["contract-server", "--port", "0", "--shards", "2", ...options];
  const server = spawn(stentor, args, { stdio: ["ignore", "pipe", "ignore"] });
  try {
    server.stdout.setEncoding("utf8");
    const [said] = await once(server.stdout, "data");
    await work(/http:\S+/.exec(said)[0]);
  } finally {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
}

/** In the page: connects and asks for an echo. What came of it. */
async function talk([url, options]) {
  const socket = globalThis.io(url, { reconnection: false, forceNew: true, ...options });
  try {
    await new Promise((resolve, reject) => {
      socket.on("connect", resolve);
      socket.on("connect_error", reject);
    });
    const upgrades = (options.transports ?? ["polling", "websocket"]).length > 1;
    if (upgrades && socket.io.engine.transport.name !== "websocket") {
      await new Promise((resolve) => socket.io.engine.on("upgrade", resolve));
    }
    const { transport } = await socket.emitWithAck("whoami");
    const said = await socket.emitWithAck("echo_ack", "héllo");
    return { said, transport };
  } catch (error) {
    return { refused: String(error.message ?? error) };
  } finally {
    socket.disconnect();
  }
}

const mine = await site();
const foreign = await site();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

/** Opens a page of the site in a browser without memory, and talks to the server from there. */
async function from(origin, url, options) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  const console = [];
  const requests = [];
  page.on("console", (message) => console.push(message.text()));
  page.on("request", (request) => { if (request.url().startsWith(url)) requests.push(request); });
  await page.goto(origin);
  const result = await page.evaluate(talk, [url, options]);
  const cookies = await context.cookies(url);
  const sent = [];
  for (const request of requests) {
    const headers = await request.allHeaders().catch(() => ({}));
    sent.push({ method: request.method(), cookie: headers.cookie });
  }
  await context.close();
  return { ...result, console, cookies, sent };
}

function works(result, transport) {
  holds(result.said === "héllo", JSON.stringify(result));
  holds(result.transport === transport, `it talks by ${result.transport}`);
}
function isKeptOut(result, word) {
  holds(result.refused, `it was let in: ${JSON.stringify(result)}`);
  const said = result.console.find((line) => line.includes(word));
  holds(said, `the browser said ${JSON.stringify(result.console)}`);
  return said.slice(0, 200);
}

const polling = { transports: ["polling"] };
const websocket = { transports: ["websocket"] };
const origin = originOf(mine);
const stranger = originOf(foreign);

await withServer([], async (url) => {
  await check("without the option the browser keeps the page out", async () =>
    isKeptOut(await from(origin, url, {}), "blocked by CORS policy"));
  await check("without the option a page opens a WebSocket", async () =>
    works(await from(origin, url, websocket), "websocket"));
});

await withServer(["--cors-origin", origin, "--cors-origin", "https://*.example.com"], async (url) => {
  await check("a page connects by polling and upgrades", async () =>
    works(await from(origin, url, {}), "websocket"));
  await check("a page talks by polling alone", async () =>
    works(await from(origin, url, polling), "polling"));
  await check("a page sets headers of its own, for which the browser asks before", async () =>
    works(await from(origin, url, { ...polling, extraHeaders: { "x-token": "1", "x-other": "2" } }), "polling"));
  await check("a page of an origin that is not listed is kept out", async () =>
    isKeptOut(await from(stranger, url, {}), "blocked by CORS policy"));
  await check("and with headers of its own", async () =>
    isKeptOut(await from(stranger, url, { extraHeaders: { "x-token": "1" } }), "blocked by CORS policy"));
  await check("a page that wants credentials is kept out where they are not allowed", async () =>
    isKeptOut(await from(origin, url, { withCredentials: true }), "Access-Control-Allow-Credentials"));
  await check("a page of an origin that is not listed opens a WebSocket all the same", async () =>
    works(await from(stranger, url, websocket), "websocket"));
});

const strict = ["--cors-origin", origin, "--cors-credentials", "--websocket-origins-as-cors", "--cookie", "io"];
await withServer(strict, async (url) => {
  await check("a page polls with credentials and a cookie", async () => {
    const result = await from(origin, url, { ...polling, withCredentials: true, extraHeaders: { "x-token": "1" } });
    works(result, "polling");
    const [cookie] = result.cookies;
    holds(cookie?.name === "io" && cookie.httpOnly && cookie.sameSite === "Lax" && cookie.path === "/", JSON.stringify(result.cookies));
    const later = result.sent.filter(({ method, cookie }) => method === "POST" && cookie === `io=${result.cookies[0].value}`);
    holds(later.length > 0, `no POST had the cookie: ${JSON.stringify(result.sent)}`);
    return `${later.length} POSTs with ${cookie.name}`;
  });
  await check("a page with credentials upgrades", async () =>
    works(await from(origin, url, { withCredentials: true }), "websocket"));
  await check("a page without credentials has no cookie", async () => {
    const result = await from(origin, url, polling);
    works(result, "polling");
    holds(result.cookies.length === 0, JSON.stringify(result.cookies));
  });
  await check("a page of an origin that is not listed opens no WebSocket", async () =>
    isKeptOut(await from(stranger, url, websocket), "403"));
});

await withServer(["--cors-origin", "*"], async (url) => {
  await check("with * every page polls and upgrades", async () => {
    works(await from(stranger, url, polling), "polling");
    works(await from(origin, url, {}), "websocket");
  });
  await check("but not with credentials", async () =>
    isKeptOut(await from(origin, url, { withCredentials: true }), "blocked by CORS policy"));
});

await browser.close();
mine.close();
foreign.close();
end();
