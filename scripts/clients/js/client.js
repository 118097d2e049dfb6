// A socket whose every event is kept, so that a case may ask for it after it came.
"use strict";

class Client {
  #events = [];
  #askers = new Set();
  #answer = null;

  constructor(socket) {
    this.socket = socket;
    this.waits = new Set();
    const keep = (event, args) => {
      this.#events.push({ event, args });
      for (const ask of [...this.#askers]) ask();
    };
    socket.onAny((event, ...args) => {
      // `question` is the one event that the server wants answered.
      if (event === "question" && typeof args.at(-1) === "function") {
        const ack = args.pop();
        if (this.#answer) this.#answer(ack, ...args);
      }
      keep(event, args);
    });
    for (const event of ["connect", "disconnect", "connect_error"]) {
      socket.on(event, (...args) => keep(event, args));
    }
  }

  get id() {
    return this.socket.id;
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  // Emits with an ack; resolves to the list of the ack's arguments.
  call(event, ...args) {
    return this.#wait(`the ack of ${event}`, (resolve) => {
      this.socket.emit(event, ...args, (...answer) => resolve(answer));
    });
  }

  // How to answer the server's `question`: a function of (ack, ...args). Unanswered by default.
  answerWith(answer) {
    this.#answer = answer;
  }

  // The arguments of the first `event` not yet taken for which `matches(...args)`, come or to come.
  next(event, matches = () => true) {
    return this.#wait(event, (resolve) => {
      const ask = () => {
        const index = this.#events.findIndex((kept) => kept.event === event && matches(...kept.args));
        if (index < 0) return;
        this.#askers.delete(ask);
        resolve(this.#events.splice(index, 1)[0].args);
      };
      this.#askers.add(ask);
      ask();
    });
  }

  async take(count, event, matches) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next(event, matches));
    return taken;
  }

  // The arguments of what has come so far and was not taken.
  untaken(event, matches = () => true) {
    return this.#events
      .filter((kept) => kept.event === event && matches(...kept.args))
      .map((kept) => kept.args);
  }

  async connected() {
    await this.next("connect");
  }

  transportName() {
    return this.socket.io.engine.transport.name;
  }

  // Starts the upgrade of a client that was opened with `upgrade: false`, and so chooses the moment.
  startUpgrade() {
    const { engine } = this.socket.io;
    if (engine._probe) engine._probe("websocket");
    else engine.probe("websocket"); // its name in 3.x
  }

  async upgraded() {
    if (this.transportName() === "websocket") return;
    await this.#wait("the upgrade", (resolve) => this.socket.io.engine.once("upgrade", resolve));
  }

  close() {
    this.socket.disconnect();
    this.socket.io.reconnection(false);
    this.socket.io._close ? this.socket.io._close() : this.socket.io.close();
  }

  async #wait(label, start) {
    this.waits.add(label);
    const value = await new Promise(start);
    this.waits.delete(label);
    return value;
  }
}

module.exports = { Client };
