// ../CONTRACT.md on the official server. What this does is right by definition.
"use strict";

const { createServer } = require("node:http");
const { parseArgs } = require("node:util");
const { Server } = require("socket.io");

const milliseconds = (value) => ({ type: "string", default: String(value) });
const { values: options } = parseArgs({
  options: {
    port: { type: "string" },
    shards: { type: "string" }, // accepted and ignored: this is one thread
    "ping-interval": milliseconds(25_000),
    "ping-timeout": milliseconds(20_000),
    "connect-timeout": milliseconds(45_000),
    "max-http-buffer-size": { type: "string", default: "1000000" },
  },
});

// The `throw` event must not end the process, and nothing else may throw.
process.on("uncaughtException", (error) => {
  if (error.message !== "thrown by contract") {
    console.error(error);
    process.exit(1);
  }
});

// By default Node closes a connection that was idle for 5 s, and a request that a busy machine's
// client sends just then is lost: a polling client is disconnected. No case is about that.
const http = createServer({ keepAliveTimeout: 600_000 });
const io = new Server(http, {
  pingInterval: Number(options["ping-interval"]),
  pingTimeout: Number(options["ping-timeout"]),
  connectTimeout: Number(options["connect-timeout"]),
  maxHttpBufferSize: Number(options["max-http-buffer-size"]),
});

// Splits the ack function, if the client asked for one, from the arguments.
function withAck(handler) {
  return (...received) => {
    const asked = typeof received.at(-1) === "function";
    const ack = asked ? received.pop() : () => {};
    handler(ack, ...received);
  };
}

function serve(namespace) {
  namespace.on("connection", (socket) => {
    const on = (event, handler) => socket.on(event, withAck(handler));

    socket.emit("auth", socket.handshake.auth);

    on("message", (_, ...args) => socket.emit("message-back", ...args));
    on("message-with-ack", (ack, ...args) => ack(...args));
    on("echo", (_, d) => socket.emit("echo", d));
    on("echo_ack", (ack, d) => ack(d));
    on("whoami", (ack) =>
      ack({
        id: socket.id,
        transport: socket.conn.transport.name,
        tag: socket.handshake.query.tag ?? null,
      })
    );

    on("handshake", (ack) => ack(socket.handshake));

    on("late-ack", (ack, ms, ...args) => setTimeout(() => ack(...args), ms));
    on("never-ack", () => {});
    on("throw", () => {
      throw new Error("thrown by contract");
    });
    on("ask", (_, ms, ...args) =>
      socket.timeout(ms).emit("question", ...args, (error, ...answer) => {
        if (error) socket.emit("asked", error.message);
        else socket.emit("asked", null, ...answer);
      })
    );

    on("join", (ack, room) => {
      socket.join(room);
      ack();
    });
    on("leave", (ack, room) => {
      socket.leave(room);
      ack();
    });
    on("room", (_, room, d) => namespace.to(room).emit("room", d));
    on("room-others", (_, room, d) => socket.to(room).emit("room", d));
    on("room-except", (_, room, except, d) => namespace.to(room).except(except).emit("room", d));
    on("broadcast", (_, d) => namespace.emit("broadcast", d));
    on("broadcast-others", (_, d) => socket.broadcast.emit("broadcast", d));
    on("survey", (ack, ms, room, d) =>
      namespace
        .to(room)
        .timeout(ms)
        .emit("question", d, (error, answers) => ack(error !== null, answers))
    );

    on("volatile", (ack, d) => {
      socket.volatile.emit("volatile", d);
      ack();
    });
    on("flood", (ack, n, d) => {
      for (let i = 0; i < n; i++) socket.emit("flood", i, d);
      ack();
    });

    on("watch", (ack, tag) => {
      socket.on("disconnect", (reason) => io.of("/").to(`gone:${tag}`).emit("gone", tag, reason));
      ack();
    });
    on("kick", (_, close) => socket.disconnect(close));
    on("dismiss", (_, ms, n) =>
      setTimeout(() => {
        for (let i = 0; i < n; i++) socket.emit("flood", i);
        socket.disconnect(true);
      }, ms)
    );
  });
}

for (const name of ["/", "/custom", "/guarded"]) serve(io.of(name));

io.of("/guarded").use((socket, next) => {
  const token = socket.handshake.auth.token ?? null;
  if (token === "letmein") return next();
  const refusal = new Error("not authorized");
  refusal.data = { code: "E_AUTH", token };
  next(refusal);
});

process.once("SIGTERM", () => {
  io.close(() => process.exit(0));
  http.closeIdleConnections(); // Node 18 would wait for them
});

http.listen(Number(options.port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
