// Answers: does the demo's page work in a browser, on a desktop and a phone, in light and dark?
//
// usage: node check.mjs STENTOR CHROMIUM SCREENSHOTS
// checks.mjs says what it prints.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { check, end, holds } from "./checks.mjs";

const [stentor, executablePath, shots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT = 60_000;

let server;
let port = 0;
async function start() {
  server = spawn(stentor, ["demo", "--port", String(port), "--shards", "2"], { stdio: ["ignore", "pipe", "inherit"] });
  server.stdout.setEncoding("utf8");
  const [said] = await once(server.stdout, "data");
  port = Number(/localhost:(\d+)/.exec(said)[1]);
}
async function kill() {
  server.kill("SIGKILL");
  await once(server, "exit");
}

await start();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const foreign = [];
const errors = [];
let away = false;

async function open(context, name) {
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  watch(page);
  await page.goto(`http://localhost:${port}/`);
  await connected(page);
  if (name) await rename(page, name);
  return page;
}
function watch(page) {
  page.on("request", (request) => {
    if (!new URL(request.url()).host.startsWith("localhost:")) foreign.push(request.url());
  });
  page.on("console", (message) => { if (message.type() === "error" && !away) errors.push(message.text()); });
  page.on("pageerror", (error) => errors.push(String(error)));
}
const connected = (page) => page.waitForSelector('#state[data-state="on"]');
async function rename(page, name) {
  await page.fill("#name", name);
  await page.press("#name", "Enter");
}
async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}
const has = (page, text) => page.locator("#log .words", { hasText: text }).first().waitFor();
const times = (page, text) => page.locator("#log .words", { hasText: text }).count();
const shot = async (page, name) => { await page.screenshot({ path: `${shots}/${name}.png` }); };
const until = (page, selector, pattern) =>
  page.waitForFunction(([s, p]) => new RegExp(p).test(document.querySelector(s).textContent), [selector, pattern], { timeout: WAIT });
async function faults(page) {
  // Not into the page: its own policy lets no script in but the page's.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 4).join(", ")} ${v.nodes[0].failureSummary.split("\n").at(1)}`);
}
async function accessible(page) {
  const found = await faults(page);
  holds(found.length === 0, found.join("\n"));
}
// The text of each in the list, against what is written.
const texts = (page) => page.locator("#log .words").allTextContents();

const desktop = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", bypassCSP: true });
const ann = await open(desktop, "Ann");
await check("an empty chat", () => shot(ann, "01-empty"));
const bob = await open(desktop, "Bob");

await check("two tabs talk, and see each other", async () => {
  await say(ann, "Hello from the first tab");
  await has(bob, "Hello from the first tab");
  await say(bob, "And hello back. A longer line, so that it is seen how text wraps where there is more of it than one line of the page can hold, whatever its width.");
  await has(ann, "And hello back");
  await until(ann, "#people", "Ann.\\(you\\)Bob");
  await until(bob, "#people", "Bob.\\(you\\)Ann");
  holds((await ann.locator("#log .mark").first().textContent()).includes("sent"), "the first message is not marked as sent");
});
await check("each of the client's files runs, and the page's own is compressed", async () => {
  for (const file of ["socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js"]) {
    // Apart from the two tabs, which are to stay in front; without their watch, since a picture's page asks for an icon.
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://localhost:${port}/favicon.svg`);
    const [response, transport] = await Promise.all([
      page.waitForResponse((response) => response.url().endsWith(file)),
      page.evaluate(async (path) => {
        const { io } = path.includes("esm") ? await import(path) : await new Promise((loaded) => {
          const script = document.createElementNS("http://www.w3.org/1999/xhtml", "script");
          script.src = path;
          script.onload = () => loaded({ io: globalThis.io });
          document.documentElement.append(script);
        });
        if (path.includes("msgpack")) return typeof io; // the server does not speak it
        const socket = io(location.origin, { transports: ["polling"] });
        return new Promise((done) => socket.on("connect", () => { done(socket.io.engine.transport.name); socket.close(); }));
      }, `/socket.io/${file}`),
    ]);
    holds(["polling", "function"].includes(transport), `${file}: ${transport}`);
    holds(response.headers()["content-encoding"], `${file} came as it is`);
    await context.close();
  }
});
await check("who is typing", async () => {
  await bob.locator("#text").pressSequentially("I am ty");
  await until(ann, "#typing", "Bob is typing");
});
await check("a duplicated tab is another visitor", async () => {
  const [copy] = await Promise.all([desktop.waitForEvent("page"), ann.evaluate(() => { window.open(location.href); })]);
  watch(copy);
  await connected(copy);
  await until(ann, "#people", "Guest");
  await copy.close();
  await ann.waitForFunction(() => document.querySelectorAll("#people li").length === 2);
});
await check("names cannot turn the page around", async () => {
  await rename(bob, "\u202eb\u2066o\u200bb \u05d0\u05d1");
  await until(ann, "#people", "Ann.\\(you\\)bob \u05d0\u05d1");
  await say(bob, "\u202eturned around");
  await has(ann, "turned around");
  await rename(bob, "Bob");
  await until(ann, "#people", "Bob");
});
await check("round trips are measured", async () => {
  await until(ann, "#p50", "s$");
  await ann.waitForTimeout(2500);
  return `p50 ${await ann.textContent("#p50")}, p99 ${await ann.textContent("#p99")}`;
});
await check("desktop, light", () => shot(ann, "02-desktop-light"));
await check("axe, desktop, light", () => accessible(ann));

await check("a reader who has scrolled up stays there", async () => {
  for (let n = 1; n <= 60; n += 1) await say(ann, `line ${n}`);
  await has(bob, "line 60");
  await bob.evaluate(() => { document.querySelector("#log").scrollTop = 100; });
  await bob.waitForTimeout(100);
  const before = await bob.evaluate(() => document.querySelector("#log").scrollTop);
  await say(ann, "something new");
  await has(bob, "something new");
  const after = await bob.evaluate(() => document.querySelector("#log").scrollTop);
  holds(Math.abs(after - before) < 2, `scrolled from ${before} to ${after}`);
  await until(bob, "#newer", "1 new message");
  await shot(bob, "03-scrolled-up");
  await bob.click("#newer");
  const left = await bob.evaluate(() => { const l = document.querySelector("#log"); return l.scrollHeight - l.scrollTop - l.clientHeight; });
  holds(left < 2, `${left} px from the end`);
});
await check("a newcomer has the last fifty", async () => {
  const page = await open(desktop, "Eve");
  await has(page, "something new");
  const all = await texts(page);
  holds(all.length === 50 && all[48] === "line 60" && all[0] === "line 12", `${all.length}: ${all[0]} … ${all.at(-1)}`);
  await page.close();
});

await check("1,000 idle clients", async () => {
  await ann.click('[data-idle="1000"]');
  await until(ann, "#idle", "1,000 idle clients added");
  return ann.textContent("#idle");
});
await check("10,000 more", async () => {
  await ann.click('[data-idle="10000"]');
  await ann.waitForTimeout(700);
  await shot(ann, "04-adding");
  await until(ann, "#idle", "10,000 idle clients added");
  await until(ann, "#bytes", "bytes a client");
  await ann.waitForTimeout(1000);
  return `${await ann.textContent("#idle")} ${await ann.textContent("#memory")}; ${await ann.textContent("#bytes")}`;
});
await check("one message to all", async () => {
  await ann.click("#broadcast");
  await until(ann, "#reached", "11,000 idle clients: the last");
  await until(ann, "#reached", "tabs: acknowledged");
  await shot(ann, "05-broadcast");
  return ann.textContent("#reached");
});
await check("a shard is cut off, and all come back", async () => {
  await ann.click('[data-shard="0"]');
  await until(ann, "#cut", "of shard 0 cut off…");
  await ann.waitForTimeout(150);
  await shot(ann, "06-cut");
  await until(ann, "#cut", "all are back after");
  await connected(ann);
  await connected(bob);
  await ann.waitForFunction(() => {
    const sum = [...document.querySelectorAll("#shards .count")].reduce((n, c) => n + Number(c.textContent.replaceAll(",", "")), 0);
    return sum === 11_002;
  });
  await shot(ann, "07-back");
  return ann.textContent("#cut");
});
await check("the other shard too", async () => {
  await bob.click('[data-shard="1"]');
  await until(bob, "#cut", "of shard 1 cut off…");
  await until(bob, "#cut", "all are back after");
  await connected(ann);
  await connected(bob);
  await say(ann, "still here");
  await has(bob, "still here");
});
await check("twenty thousand at most", async () => {
  await ann.waitForTimeout(400);
  await ann.click('[data-idle="10000"]');
  await until(ann, "#idle", "no room");
});
await check("all idle clients go", async () => {
  await ann.waitForTimeout(400);
  await ann.click('[data-idle="0"]');
  await until(ann, "#idle", "All have gone");
  await ann.waitForFunction(() => [...document.querySelectorAll("#shards .count")].every((c) => Number(c.textContent) <= 2));
});

await check("a message typed while the server is killed is not lost", async () => {
  await ann.locator("#text").pressSequentially("typed whi");
  away = true;
  await kill();
  await ann.locator("#text").pressSequentially("le away");
  await ann.press("#text", "Enter");
  await say(ann, "and another");
  await say(bob, "from Bob, too");
  await ann.waitForSelector('#state[data-state="off"]');
  await until(ann, "#hint", "2 messages are kept");
  await shot(ann, "08-away");
  await start();
  await connected(ann);
  await connected(bob);
  away = false;
  for (const page of [ann, bob]) {
    for (const text of ["typed while away", "and another", "from Bob, too"]) await has(page, text);
  }
  await until(ann, "#hint", "^$");
  await ann.waitForTimeout(1500);
  for (const page of [ann, bob]) {
    for (const text of ["typed while away", "and another", "from Bob, too"]) {
      const n = await times(page, text);
      holds(n === 1, `${text}: ${n} times`);
    }
    holds(await page.locator("#log li", { hasText: "waiting to be sent" }).count() === 0, "something still waits");
    await until(page, "#log", "Back after");
  }
  const order = (await texts(bob)).filter((t) => ["typed while away", "and another"].includes(t));
  holds(order[0] === "typed while away", `in the wrong order: ${order}`);
  await shot(ann, "09-back-again");
});
await check("nor is one that waits while its tab is loaded anew", async () => {
  away = true;
  await kill();
  await ann.waitForSelector('#state[data-state="off"]');
  await say(ann, "kept over a reload");
  await start();
  await ann.reload();
  await connected(ann);
  await has(bob, "kept over a reload");
  await ann.waitForTimeout(1000);
  away = false;
  holds(await times(ann, "kept over a reload") === 1, "not once in Ann's tab");
  holds(await times(bob, "kept over a reload") === 1, "not once in Bob's tab");
});
await check("too long a message is refused and said so", async () => {
  await ann.evaluate(() => document.querySelector("#text").removeAttribute("maxlength"));
  await say(ann, "x".repeat(600));
  await ann.locator("#log .failed .mark", { hasText: "at most 500" }).waitFor();
  holds(await times(bob, "xxxxxxxxxx") === 0, "Bob got it");
});
await check("the keyboard reaches everything", async () => {
  await ann.evaluate(() => { document.activeElement?.blur(); });
  const seen = new Set();
  for (let n = 0; n < 25; n += 1) {
    await ann.keyboard.press("Tab");
    seen.add(await ann.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()));
  }
  for (const id of ["name", "log", "text", "send", "Add 1,000", "broadcast", "Cut shard 1"]) holds(seen.has(id), `${id} is not reached: ${[...seen]}`);
  await ann.focus("#broadcast");
  await ann.keyboard.press("Enter");
  await until(ann, "#reached", "acknowledged after");
});

async function variant(name, options) {
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await open(context, "Zoë of the long name, X");
  await say(bob, `for the ${name}`);
  await has(page, `for the ${name}`);
  await say(page, "Good evening. 👋 This one is long enough to go over more than one line on a phone.");
  await has(bob, "Good evening");
  await page.waitForTimeout(1500);
  const phone = options.viewport.width < 700;
  await check(`${name}: nothing is wider than the page`, async () => {
    const [inner, width, header] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth, document.querySelector("header").offsetHeight]);
    holds(width <= inner, `${width} > ${inner}`);
    holds(header < 70, `the header is ${header} px high`);
  });
  await check(`${name}: screenshot`, () => shot(page, `10-${name}`));
  await check(`${name}: axe`, () => accessible(page));
  if (phone) {
    await page.click("#view");
    await page.click('[data-idle="1000"]');
    await until(page, "#idle", "1,000 idle clients added");
    await page.waitForTimeout(1200);
    await check(`${name}, live: screenshot`, () => shot(page, `11-${name}-live`));
    await check(`${name}, live: axe`, () => accessible(page));
    await page.click('[data-idle="0"]');
    await until(page, "#idle", "All have gone");
  }
  await context.close();
}
await variant("desktop-dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
await variant("phone-light", { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, colorScheme: "light", hasTouch: true, isMobile: true });
await variant("phone-dark", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark", hasTouch: true, isMobile: true });

await check("nothing is loaded from elsewhere", () => holds(foreign.length === 0, foreign.join(" ")));
await check("no error in the console", () => holds(errors.length === 0, errors.join(" | ")));
// With the page's own policy in force.
await check("the page's policy lets it work", async () => {
  const context = await browser.newContext();
  const page = await open(context, "Policy");
  await say(page, "under the policy");
  await has(bob, "under the policy");
  holds(await page.evaluate(() => crossOriginIsolated), "not isolated: the clock is coarse");
  await context.close();
  holds(errors.length === 0, errors.join(" | "));
});

await browser.close();
server.kill("SIGTERM");
const [code] = await once(server, "exit");
await check("the server stops in good order", () => holds(code === 0, `status ${code}`));
end();
