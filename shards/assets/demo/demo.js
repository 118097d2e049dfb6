// Answers: who is this tab, how does it connect, and what does it say about its connection.

import { startChat } from "/chat.js";
import { startLive } from "/live.js";

const $ = (id) => document.getElementById(id);
const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");
const store = {
  get: (key) => { try { return sessionStorage.getItem(key); } catch { return null; } },
  set: (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* the tab forgets when it is closed anyway */ } },
};

// A duplicated tab begins with a copy of the other's storage, and must not be taken for it.
async function isTaken(tab) {
  if (!("BroadcastChannel" in window)) return false;
  const channel = new BroadcastChannel("stentor tabs");
  const taken = await new Promise((decide) => {
    channel.onmessage = ({ data }) => { if (data.mine === tab) decide(true); };
    channel.postMessage({ whose: tab });
    setTimeout(decide, 120, false);
  });
  channel.onmessage = ({ data }) => { if (data.whose === me.tab) channel.postMessage({ mine: me.tab }); };
  return taken;
}

const me = { id: null, tab: store.get("tab"), name: store.get("name"), last: 0, epoch: 0 };
const known = me.tab !== null;
me.tab ??= random();
if (await isTaken(me.tab) && known) {
  me.tab = random();
  me.name = null;
  store.set("unsent", "[]");
}
me.name ??= `Guest ${100 + Math.floor(Math.random() * 900)}`;
store.set("tab", me.tab);
store.set("name", me.name);

const socket = io({
  // A name in `auth` is there before any message, also when the tab comes back.
  auth: (tell) => tell({ name: me.name, tab: me.tab, last: me.last, epoch: me.epoch }),
  reconnectionDelay: 300,
  reconnectionDelayMax: 2000,
});
const chat = startChat({ socket, me, store, random });
const live = startLive({ socket, me });

let lostAt = null;
function say(state, text, more = "") {
  $("state").dataset.state = state;
  if ($("state-text").textContent !== text) $("state-text").textContent = text;
  if ($("state-more").textContent !== more) $("state-more").textContent = more;
}
function connected() {
  const transport = socket.io.engine?.transport?.name === "websocket" ? "WebSocket" : "long-polling";
  say("on", "connected", ` · ${transport} · shard ${me.shard}`);
}

socket.on("welcome", (welcome) => {
  const restarted = me.epoch !== 0 && me.epoch !== welcome.epoch;
  Object.assign(me, { id: welcome.you, shard: welcome.shard, epoch: welcome.epoch });
  if (restarted) me.last = 0;
  me.name = welcome.name;
  store.set("name", me.name);
  if (document.activeElement !== $("name")) $("name").value = me.name;
  const away = lostAt === null ? null : (performance.now() - lostAt) / 1000;
  lostAt = null;
  chat.welcome(welcome, { away, restarted });
  live.welcome(welcome);
  connected();
});
socket.on("connect", () => socket.io.engine.once("upgrade", connected));
socket.on("disconnect", (reason) => {
  lostAt ??= performance.now();
  say("off", "offline", " · connection lost, coming back…");
  chat.lost();
  live.lost();
  // The official client does not come back by itself from this one: the server meant it.
  if (reason === "io server disconnect") setTimeout(() => socket.connect(), 300);
});
socket.on("connect_error", (error) => {
  lostAt ??= performance.now();
  if (socket.active) {
    say("off", "offline", " · no server, trying again…");
  } else {
    say("off", error.message);
    setTimeout(() => socket.connect(), 3000);
  }
  chat.lost();
});

$("name").value = me.name;
async function rename() {
  const name = $("name").value.trim();
  if (!name || name === me.name) { $("name").value = me.name; return; }
  me.name = name;
  store.set("name", name);
  if (!socket.connected) return; // told when the tab comes back
  try {
    const shown = await socket.timeout(5000).emitWithAck("rename", name);
    if (typeof shown === "string") { me.name = shown; store.set("name", shown); $("name").value = shown; }
  } catch { /* told when the tab comes back */ }
}
$("name").addEventListener("change", rename);
$("naming").addEventListener("submit", (event) => { event.preventDefault(); rename(); $("text").focus(); });

$("view").addEventListener("click", () => {
  const showLive = document.body.dataset.view === "chat";
  document.body.dataset.view = showLive ? "live" : "chat";
  $("view").setAttribute("aria-pressed", String(showLive));
  if (!showLive) chat.shown();
});
