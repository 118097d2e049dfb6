'use strict';
// The event contract on Node's Socket.IO. With FAULT=drop|duplicate|reorder it does that to one
// payload in EVERY (1000), to prove that a load generator notices.
const { createServer } = require('node:http');
const { Server } = require('socket.io');

const number = (name, usual) => Number(process.env[name] ?? usual);
const fault = process.env.FAULT;
const every = number('EVERY', 1000);

const http = createServer();
const io = new Server(http, {
  pingInterval: number('PING_MS', 25000),
  pingTimeout: number('PING_TIMEOUT_MS', 20000),
  serveClient: false,
  perMessageDeflate: false,
  httpCompression: false,
  cors: { origin: '*' },
});

let payloads = 0;
const held = new Map();

// Runs `send`, or does the wrong thing; `who` keeps reordering within one receiver.
function deliver(who, send) {
  payloads += 1;
  if (fault && payloads % every === 0) {
    if (fault === 'drop') return;
    if (fault === 'duplicate') send();
    if (fault === 'reorder' && !held.has(who)) {
      held.set(who, send);
      return;
    }
  }
  send();
  const late = held.get(who);
  if (late) {
    held.delete(who);
    late();
  }
}

function connected(socket) {
  const space = socket.nsp;
  // A healthy server fans out in one call; a broken one goes wrong for single receivers.
  const fan = (event, room, data, quiet) => {
    const target = quiet ? space.volatile : space;
    if (!fault) return (room === null ? target : target.to(room)).emit(event, data);
    const ids = room === null ? space.sockets.keys() : space.adapter.rooms.get(room) ?? [];
    for (const id of ids) {
      const receiver = space.sockets.get(id);
      if (receiver) deliver(id, () => receiver.emit(event, data));
    }
  };
  socket.on('echo', (data) => deliver(socket.id, () => socket.emit('echo', data)));
  socket.on('echo_ack', (data, answer) => deliver(socket.id, () => answer(data)));
  socket.on('broadcast', (data) => fan('broadcast', null, data));
  socket.on('volatile', (data) => fan('volatile', null, data, true));
  socket.on('join', (room, answer) => {
    socket.join(room);
    answer?.();
  });
  socket.on('room', (room, data) => fan('room', room, data));
  // What scripts/rude asks for.
  socket.on('burst', (rows, bytes) => {
    const row = 'x'.repeat(bytes);
    for (let i = 0; i < rows; i += 1) socket.emit('burst', row);
  });
  socket.on('late', (ms, answer) => setTimeout(answer, ms));
  socket.on('disconnect', () => held.delete(socket.id));
}

io.on('connection', connected);
// Any namespace will do, so that generators can use several.
io.of(/^\/.+$/).on('connection', connected);
http.listen({ port: number('PORT', 3000), host: process.env.HOST ?? '127.0.0.1', backlog: 4096 });
process.once('SIGTERM', () => process.exit(0));
