// Answers: what is shown of the chat, and how does nothing get lost that is written here.
//
// A message has an id that this page chose. It is sent until an acknowledgement comes, one after the other;
// the server takes an id once. What is not sent yet is kept in the tab's storage.

const $ = (id) => document.getElementById(id);
const SHOWN = 500; // lines; older ones are dropped
const UNSENT = 100;
const TYPING_MS = 2000;
const TOGETHER_MS = 120_000;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function hue(id) {
  let sum = 0;
  for (const c of id) sum = (sum * 31 + c.charCodeAt(0)) % 360;
  return sum;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function startChat({ socket, me, store, random }) {
  const log = $("log"); // scrolls
  const list = $("list");
  const lines = new Map(); // by who/id: the line of a message
  const people = new Map();
  const typists = new Map();
  let unsent = JSON.parse(store.get("unsent") ?? "[]");
  let sending = false;
  let unseen = 0;
  let announced = false;

  // ---- the list, and where it is scrolled to ----

  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };

  // Changes the list. A reader who is at its end stays there; one who has scrolled up is left alone.
  function change(work, news = 0) {
    const follow = isAtEnd();
    work();
    group();
    while (list.children.length > SHOWN) {
      const first = list.firstElementChild;
      if (first.key) lines.delete(first.key);
      first.remove();
    }
    $("empty").hidden = lines.size > 0;
    if (follow) { toEnd(); unseen = 0; } else unseen += news;
    showNewer();
  }
  function showNewer() {
    $("newer").hidden = unseen === 0;
    $("newer").textContent = unseen === 1 ? "1 new message ↓" : `${unseen} new messages ↓`;
  }
  log.addEventListener("scroll", () => { if (unseen > 0 && isAtEnd()) { unseen = 0; showNewer(); } });
  $("newer").addEventListener("click", () => { toEnd(); unseen = 0; showNewer(); $("text").focus(); });
  new ResizeObserver(() => { if (unseen === 0 && following) toEnd(); }).observe(log);
  let following = true;
  log.addEventListener("scroll", () => { following = isAtEnd(); });

  function note(text, kind = "") {
    change(() => {
      const li = element("li", `note ${kind}`);
      for (const part of [text].flat()) li.append(part);
      list.append(li);
    });
  }
  const isolated = (name) => element("bdi", "", name);

  function line(message) {
    const li = element("li");
    li.key = `${message.who}/${message.id}`;
    li.at = message.at;
    li.by = message.who === "me" ? me.id : message.who;
    const by = element("div", "by");
    const name = element("b");
    name.append(isolated(message.name));
    name.style.setProperty("--hue", hue(message.who));
    const time = element("time", "", clock.format(message.at));
    time.dateTime = new Date(message.at).toISOString();
    time.title = whole.format(message.at);
    by.append(name, time);
    const row = element("div", "line");
    const words = element("span", "words", message.text);
    words.dir = "auto";
    row.append(words);
    li.append(by, row);
    lines.set(li.key, li);
    return li;
  }

  const MARKS = { wait: ["◷", "waiting to be sent"], sent: ["✓", "sent"] };
  function mark(li, kind, why) {
    const row = li.querySelector(".line");
    li.querySelector(".mark")?.remove();
    const made = element("span", "mark");
    if (kind === "failed") {
      li.classList.add("failed");
      made.textContent = `not sent: ${why}`;
    } else {
      const [sign, meaning] = MARKS[kind];
      const shown = element("span", "", sign);
      shown.ariaHidden = "true";
      made.title = meaning;
      made.append(shown, element("span", "unseen", meaning));
    }
    row.append(made);
  }

  // Puts a message at its place: by the server's number, those without one last.
  function place(li, seq) {
    li.seq = seq;
    li.epoch = me.epoch;
    let after = list.lastElementChild;
    if (after === li) after = li.previousElementSibling;
    while (after && (after.pending || (after.epoch === me.epoch && after.seq > seq))) {
      after = after.previousElementSibling;
      if (after === li) after = li.previousElementSibling;
    }
    const next = after ? after.nextElementSibling : list.firstElementChild;
    if (next !== li) list.insertBefore(li, next);
  }

  // What one visitor says in a row stands under one name.
  function group() {
    let before = null;
    for (const li of list.children) {
      const same = Boolean(before?.at && li.at) && before.by === li.by && li.at - before.at < TOGETHER_MS;
      if (li.classList.contains("same") !== same) li.classList.toggle("same", same);
      before = li;
    }
  }

  function shownMessage(message) {
    me.last = Math.max(me.last, message.seq);
    const known = lines.get(`${message.who}/${message.id}`);
    if (known) {
      if (known.pending) settle(known, message);
      return;
    }
    const news = message.who === me.id ? 0 : 1;
    change(() => {
      const li = line(message);
      if (message.who === me.id) mark(li, "sent");
      place(li, message.seq);
    }, news);
    typists.delete(message.who);
    showTypists();
  }
  function settle(li, { seq, at }) {
    me.last = Math.max(me.last, seq);
    if (!li.pending) return;
    change(() => {
      li.pending = false;
      li.at = at;
      mark(li, "sent");
      const time = li.querySelector("time");
      time.textContent = clock.format(at);
      time.dateTime = new Date(at).toISOString();
      time.title = whole.format(at);
      place(li, seq);
    });
  }

  // ---- what is written here ----

  const keep = () => store.set("unsent", JSON.stringify(unsent));
  function showPending(message) {
    change(() => {
      const li = line({ ...message, who: me.id ?? "me", name: me.name });
      lines.delete(li.key);
      lines.set(`own/${message.id}`, li);
      li.pending = true;
      mark(li, "wait");
      list.append(li);
    });
  }
  // The tab's own line that has this id, or the id that others see once that is known.
  function adopt(id) {
    const li = lines.get(`own/${id}`);
    if (!li || !me.id) return li;
    lines.delete(`own/${id}`);
    li.key = `${me.id}/${id}`;
    li.by = me.id;
    li.querySelector("b").style.setProperty("--hue", hue(me.id));
    const twin = lines.get(li.key);
    if (twin && twin !== li) { li.remove(); return twin; }
    lines.set(li.key, li);
    return li;
  }

  async function send() {
    if (sending) return;
    sending = true;
    while (unsent.length > 0 && socket.connected && me.id && announced) {
      const { id, text } = unsent[0];
      const li = adopt(id);
      let answer;
      try {
        answer = await socket.timeout(4000).emitWithAck("say", { id, text });
      } catch {
        continue; // lost, or slow: the same again. The server takes an id once.
      }
      unsent.shift();
      keep();
      if (answer?.error) {
        if (li) change(() => { li.pending = false; mark(li, "failed", answer.error.message); });
      } else if (li) {
        settle(li, answer);
      }
      hint();
    }
    sending = false;
  }
  function hint() {
    const left = unsent.length;
    const text = socket.connected && announced || left === 0 ? "" :
      left === 1 ? "1 message is kept and goes out when the server is back." : `${left} messages are kept and go out when the server is back.`;
    if ($("hint").textContent !== text) $("hint").textContent = text;
  }
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    if (unsent.length >= UNSENT) { $("hint").textContent = `${UNSENT} messages wait already.`; return; }
    const message = { id: random(), text, at: Date.now() };
    unsent.push(message);
    keep();
    $("text").value = "";
    told = -TYPING_MS;
    showPending(message);
    toEnd();
    unseen = 0;
    showNewer();
    hint();
    send();
  });

  // ---- who writes, who is here ----

  let told = -TYPING_MS;
  $("text").addEventListener("input", () => {
    if (!socket.connected || performance.now() - told < TYPING_MS) return;
    told = performance.now();
    socket.volatile.emit("typing");
  });
  function showTypists() {
    const now = performance.now();
    for (const [id, until] of typists) if (until < now || !people.has(id)) typists.delete(id);
    const names = [...typists.keys()].slice(0, 3).map((id) => people.get(id));
    const line = [];
    names.forEach((name, i) => { if (i > 0) line.push(", "); line.push(isolated(name)); });
    if (names.length > 0) line.push(names.length === 1 ? " is typing…" : " are typing…");
    $("typing").replaceChildren(...line);
  }
  setInterval(() => { if (typists.size > 0) showTypists(); }, 500);

  function showPeople() {
    const others = [...people].filter(([id]) => id !== me.id).sort((a, b) => a[1].localeCompare(b[1]));
    const own = people.has(me.id) ? [[me.id, people.get(me.id)]] : [];
    $("people").replaceChildren(...[...own, ...others].map(([id, name]) => {
      const li = element("li");
      li.title = name;
      li.append(isolated(name));
      if (id === me.id) li.append(element("span", "", "\u00a0(you)"));
      return li;
    }));
    $("people").setAttribute("aria-label", `Who is here: ${people.size}`);
  }

  socket.on("said", shownMessage);
  socket.on("typing", (id) => { typists.set(id, performance.now() + TYPING_MS + 1500); showTypists(); });
  socket.on("joined", ({ id, name }) => { people.set(id, name); showPeople(); note([isolated(name), " is here"]); });
  socket.on("renamed", ({ id, name }) => {
    const before = people.get(id);
    people.set(id, name);
    showPeople();
    if (before && before !== name) note([isolated(before), " is now ", isolated(name)]);
  });
  socket.on("left", ({ id, name }) => { people.delete(id); typists.delete(id); showPeople(); showTypists(); note([isolated(name), " has left"]); });

  for (const message of unsent) showPending(message);
  hint();

  return {
    welcome(welcome, { away, restarted }) {
      people.clear();
      for (const { id, name } of welcome.people) people.set(id, name);
      showPeople();
      announced = true;
      // Read out are messages as they come, not the history.
      log.setAttribute("aria-live", "off");
      if (welcome.missed > 0) note(`${welcome.missed} older messages are not kept any more`, "bad");
      for (const message of welcome.history) { adopt(message.id); shownMessage(message); }
      setTimeout(() => log.setAttribute("aria-live", "polite"), 500);
      if (away !== null) {
        const again = restarted ? "The server was started again. " : "";
        const kept = unsent.length > 0 ? ` Sending ${unsent.length} kept message${unsent.length > 1 ? "s" : ""}.` : "";
        note(`${again}Back after ${away.toFixed(1)} s.${kept}`, "good");
      }
      hint();
      send();
    },
    lost() {
      if (announced) note("The connection is lost. Write on: nothing is lost.", "bad");
      announced = false;
      typists.clear();
      showTypists();
      hint();
    },
    shown: toEnd,
  };
}
