// A contract server that a case owns, and so may kill, stop and start again on the same port.
"use strict";

const { spawn } = require("node:child_process");

class ServerProcess {
  #command;
  #flags;
  #port = 0;
  #process = null;

  constructor(command, flags) {
    this.#command = command;
    this.#flags = flags;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start() {
    const [program, ...args] = this.#command;
    const child = spawn(program, [...args, "--port", String(this.#port), ...this.#flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => resolve({ error }));
      child.once("exit", (code, signal) => resolve({ code, signal }));
    });
    const ready = new Promise((resolve) => {
      let printed = "";
      child.stdout.on("data", (chunk) => {
        printed += chunk;
        const line = /^listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(printed);
        if (line) resolve(Number(line[1]));
      });
    });
    const early = this.exited.then((how) => {
      throw new Error(`the server ended before it listened: ${JSON.stringify(how)}`);
    });
    this.#port = await Promise.race([ready, early]);
    early.catch(() => {}); // it ends some day, which is no error then
  }

  signal(name) {
    this.#process.kill(name);
  }

  kill() {
    if (this.#process) this.#process.kill("SIGKILL"); // also ends a stopped process
  }
}

module.exports = { ServerProcess };
