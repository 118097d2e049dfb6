// Answers: what is shown of the server, and what do the buttons ask for.

const $ = (id) => document.getElementById(id);
const SAMPLES = 300;
const EVERY_MS = 100;
const LEAVING = "They are leaving…";

const number = new Intl.NumberFormat("en");
const count = (n, what) => `${number.format(n)} ${what}${n === 1 ? "" : "s"}`;
const ms = (micros) => micros < 1000 ? `${Math.round(micros)} µs` : micros < 100000 ? `${(micros / 1000).toFixed(1)} ms` : micros < 1e6 ? `${Math.round(micros / 1000)} ms` : `${(micros / 1e6).toFixed(1)} s`;
const bytes = (n) => n < 10000 ? `${number.format(n)} B` : n < 1e6 ? `${(n / 1000).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
const shard = (n) => `shard ${n}`;

export function startLive({ socket, me }) {
  let samples = [];
  let asked = false;
  let reading = null;
  let welcome = null;

  function set(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }
  function say(id, text) { $(id).classList.add("news"); set(id, text); }

  // ---- round trips ----

  async function measure() {
    if (asked || !socket.connected || document.hidden) return;
    asked = true;
    const sent = performance.now();
    try {
      await socket.timeout(5000).emitWithAck("round trip");
      samples.push((performance.now() - sent) * 1000);
      if (samples.length > SAMPLES) samples.shift();
    } catch { /* lost with the connection */ }
    asked = false;
  }
  setInterval(measure, EVERY_MS);
  function showTrips() {
    if (samples.length < 5) { set("p50", "–"); set("p99", "–"); set("samples", "measuring…"); return; }
    const sorted = [...samples].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
    set("p50", ms(at(.5)));
    set("p99", ms(at(.99)));
    set("samples", `last ${samples.length}, ten a second`);
    const shown = samples.slice(-100);
    const top = Math.max(...shown, 1);
    const points = shown.map((v, i) => `${(i * 100 / (shown.length - 1)).toFixed(1)},${(23 - 22 * v / top).toFixed(1)}`);
    $("curve").firstElementChild.setAttribute("points", points.join(" "));
  }
  setInterval(showTrips, 1000);

  // ---- what the server tells ----

  function showShards(shards) {
    const list = $("shards");
    if (list.children.length !== shards.length) {
      list.replaceChildren(...shards.map((_, i) => {
        const li = document.createElement("li");
        const bar = Object.assign(document.createElement("span"), { className: "bar", ariaHidden: "true" });
        bar.append(document.createElement("i"));
        const clients = Object.assign(document.createElement("span"), { className: "count" });
        li.append(`shard ${i}`, bar, clients);
        return li;
      }));
    }
    const most = Math.max(...shards, 1);
    shards.forEach((n, i) => {
      const [bar, clients] = list.children[i].children;
      bar.firstElementChild.style.width = `${100 * n / most}%`;
      const text = number.format(n);
      if (clients.textContent !== text) clients.textContent = text;
    });
  }
  let rates = [];
  socket.on("gauge", (now) => {
    reading = now;
    showShards(now.shards);
    rates.push(now);
    if (rates.length > 4) rates.shift();
    const mean = (key) => Math.round(rates.reduce((sum, r) => sum + r[key], 0) / rates.length);
    set("rate", number.format(mean("received") + mean("sent")));
    set("rates", `${number.format(mean("received"))} in, ${number.format(mean("sent"))} out`);
    if (now.memory !== null) set("memory", bytes(now.memory));
    set("bytes", now.bytes !== null ? `${number.format(now.bytes)} bytes a client` :
      now.idle > 0 ? "settling…" : "add clients to see what each costs");
    const up = now.up < 120 ? `${now.up} s` : now.up < 7200 ? `${Math.floor(now.up / 60)} min` : `${Math.floor(now.up / 3600)} h`;
    set("up", `up ${up}`);
    const some = now.idle === now.wanted ? number.format(now.idle) : now.wanted === 0 ? `${number.format(now.idle)} still leaving` : `${number.format(now.idle)} of ${number.format(now.wanted)}`;
    set("idle-count", now.idle + now.wanted === 0 ? "" : some);
    if (now.idle + now.wanted === 0 && $("idle").textContent === LEAVING) say("idle", "All have gone. Memory follows within seconds.");
  });

  // ---- the buttons ----

  async function ask(where, event, ...args) {
    try {
      const answer = await socket.timeout(15000).emitWithAck(event, ...args);
      if (answer?.error) { say(where, `${answer.error.message}.`); return null; }
      return answer;
    } catch {
      return null;
    }
  }
  for (const button of document.querySelectorAll("[data-idle]")) {
    button.addEventListener("click", async () => {
      const n = Number(button.dataset.idle);
      const wanted = await ask("idle", "idle", n);
      if (wanted !== null) say("idle", wanted === 0 ? LEAVING : "They are coming…");
    });
  }
  const sentence = { tabs: "", clients: "" };
  const showReached = () => say("reached", [sentence.clients, sentence.tabs].filter(Boolean).join(" "));
  $("broadcast").addEventListener("click", async () => {
    Object.assign(sentence, { tabs: "", clients: "" });
    const answer = await ask("reached", "broadcast");
    if (!answer) return;
    sentence.tabs = `${count(answer.tabs, "tab")}: acknowledged after ${ms(answer.micros)}.`;
    showReached();
  });
  socket.on("all", (clients, acknowledge) => {
    acknowledge();
    sentence.tabs = "";
    if (clients === 0) { sentence.clients = ""; showReached(); }
  });
  socket.on("cut", ({ shard: n, clients, tabs }) => {
    const cut = clients + tabs;
    say("cut", cut === 0 ? `Nobody was on ${shard(n)}.` : `${count(cut, "connection")} of ${shard(n)} cut off…`);
  });
  socket.on("news", (news) => {
    const clients = (n) => count(n, "idle client");
    if (news.kind === "added") say("idle", `${clients(news.clients)} added in ${ms(news.ms * 1000)}.`);
    if (news.kind === "back") say("cut", `${clients(news.clients)} cut off; all are back after ${ms(news.ms * 1000)}.`);
    if (news.kind === "failed") say("idle", `The idle clients are gone: ${news.why}.`);
    if (news.kind === "reached") {
      sentence.clients = `${clients(news.clients)}: the last had it after ${ms(news.last)} (the first after ${ms(news.first)}, half of them after ${ms(news.median)}).`;
      showReached();
    }
  });
  $("cuts").addEventListener("click", (event) => {
    const n = event.target.dataset?.shard;
    if (n !== undefined) ask("cut", "cut", Number(n));
  });

  function allow() {
    const allowed = socket.connected && Boolean(welcome?.powers.allowed);
    for (const button of document.querySelectorAll(".power")) button.disabled = !allowed;
    if (welcome && !welcome.powers.allowed) {
      set("powers", "The buttons are off, because this server listens to other machines too.");
    }
  }
  allow();
  return {
    welcome(got) {
      welcome = got;
      set("own", `You are on ${shard(me.shard)}.`);
      const shards = got.shards;
      if ($("cuts").children.length !== shards) {
        $("cuts").replaceChildren(...Array.from({ length: shards }, (_, i) => {
          const button = Object.assign(document.createElement("button"), { type: "button", className: "power", textContent: `Cut shard ${i}` });
          button.dataset.shard = i;
          return button;
        }));
      }
      allow();
    },
    lost() {
      allow();
      set("up", "as of the last contact");
    },
  };
}
