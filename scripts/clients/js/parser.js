// Decodes the same random packets with socket.io-parser and with Stentor's decoder, and compares.
//
// usage: node parser.js DECODER [COUNT] [SEED]
//
// DECODER is the program of fuzz/src/bin/decode.rs. Differences that docs/PROTOCOL.md lists are counted;
// any other is printed, with its packet, and the exit status is 1.
'use strict';

const { spawnSync } = require('node:child_process');
const { Decoder } = require('socket.io-parser');

const [decoder, count = '100000', seed = '1'] = process.argv.slice(2);
if (!decoder) {
  console.error('usage: node parser.js DECODER [COUNT] [SEED]');
  process.exit(2);
}

// ---- packets ----

let state = Number(seed) >>> 0;
function random() {
  // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const maybe = (chance, make) => (random() < chance ? make() : '');

const NAMES = ['"a"', '"message"', '""', '"é\\n"', '"\\u0063onnect"', '"connect"', '"disconnect"', '1', '-0.5', '1e3', 'null', 'true', '[]', '{}'];
const SCALARS = ['null', 'true', 'false', '0', '-1', '1.5', '1e400', '1E-3', '01', '+1', '.5', '1.', '""', '"x"', '"\\ud83e\\udd80"', '"\\ud83e"', '"\\x"', '"🦀"', '"\t"', 'NaN', 'nul', "'a'"];
const KEYS = ['"a"', '"num"', '"_placeholder"', '"__proto__"', '"\\u005fplaceholder"'];

function space() {
  return maybe(0.05, () => pick([' ', '\n', '\t', '\r', '\u00a0', '  ']));
}
function placeholder() {
  const num = pick(['0', '0', '1', '2', '-1', '1.0', '0.5', '"0"', '9', '1e0']);
  const pairs = [`"_placeholder":${pick(['true', 'true', 'true', 'false', '1'])}`, `"num":${num}`];
  if (random() < 0.3) pairs.reverse();
  if (random() < 0.1) pairs.push(pick(['"num":0', '"x":1', '"_placeholder":true']));
  return `{${pairs.join(',')}}`;
}
function value(depth) {
  const kind = below(10);
  if (depth > 3 || kind < 5) return space() + pick(SCALARS.slice(0, random() < 0.9 ? 8 : SCALARS.length)) + space();
  if (kind < 7) return placeholder();
  const items = Array.from({ length: below(3) }, () => value(depth + 1));
  if (kind < 9) return `[${items.join(',')}${maybe(0.02, () => ',')}]`;
  return `{${items.map((item) => `${pick(KEYS)}:${item}`).join(',')}}`;
}
function list(named) {
  const items = Array.from({ length: below(3) }, () => value(0));
  if (named) items.unshift(random() < 0.8 ? pick(NAMES.slice(0, 4)) : pick(NAMES));
  return `[${items.join(',')}]`;
}
function packet() {
  const type = pick(['0', '1', '2', '2', '2', '3', '3', '4', '5', '5', '6', pick(['7', '9', '-1', 'x', '', ' ', '02', 'é'])]);
  const binary = type === '5' || type === '6';
  const number = pick(['1', '1', '2', '3', pick(['0', '10', '11', '01', '1e1', '+1', ' 1', '', '-1', '1.5', '0x1', '99'])]);
  const head = maybe(binary ? 0.97 : 0.02, () => `${number}${random() < 0.97 ? '-' : ''}`);
  const namespace = maybe(0.3, () => pick(['/,', '/a,', '/a-b/c,', '/é,', '/a?x=1,', '/a']));
  const id = maybe(0.3, () => pick(['0', '7', '42', '007', '9007199254740993', '18446744073709551616', '1'.repeat(25), ' ', '-1', '1.5', 'x']));
  let body;
  if (type === '0' || type === '4') body = pick(['', '{}', '{"token":"x"}', '"text"', '[]', '{"a":', 'null', value(0)]);
  else if (type === '1') body = maybe(0.1, () => pick(['{}', ' ', '[]', '0']));
  else body = random() < 0.93 ? list(type === '2' || type === '5') : pick(['', '{}', '"a"', '[', '["a"', '["a"]x', '[]']);
  let text = type + head + namespace + id + space() + body + space();
  if (random() < 0.15 && text.length > 0) {
    const at = below(text.length);
    text = text.slice(0, at) + pick(['', '"', ',', '0', '-', '/', '[', '}', ' ', '\\']) + text.slice(at + below(2));
  }
  return text.toWellFormed ? text.toWellFormed() : text;
}

// ---- what each says ----

const KINDS = ['connect', 'disconnect', 'event', 'ack', 'connect_error', 'event', 'ack'];

function official(text) {
  const reader = new Decoder();
  let whole;
  reader.on('decoded', (packet) => (whole = packet));
  try {
    reader.add(text);
    for (let n = 0; whole === undefined && n < 11; n++) reader.add(Buffer.from([n]));
    return whole === undefined ? { error: 'never whole' } : whole;
  } catch (error) {
    return { error: error.message };
  }
}

// What JSON.parse makes of the arguments, for packets without attachments.
function same(ours, theirs) {
  if (ours.kind !== KINDS[theirs.type]) return 'kind';
  if (ours.nsp !== theirs.nsp) return 'namespace';
  if ((ours.id === null) !== (theirs.id === undefined)) return 'id';
  if (ours.id !== null && Number(ours.id) !== theirs.id) return 'id';
  const args = () => JSON.parse(`[${ours.payload}]`);
  const text = (value) => JSON.stringify(value);
  switch (ours.kind) {
    case 'event': {
      const [name, ...rest] = theirs.data;
      if (String(name) !== ours.name && !(typeof name === 'number' && name === Number(ours.name))) return 'name';
      if (ours.parts > 0) return args().length === rest.length ? null : 'number of arguments';
      return text(args()) === text(rest) ? null : 'arguments';
    }
    case 'ack':
      if (ours.parts > 0) return args().length === theirs.data.length ? null : 'number of arguments';
      return text(args()) === text(theirs.data) ? null : 'arguments';
    case 'connect':
      return text(ours.payload === '' ? undefined : JSON.parse(ours.payload)) === text(theirs.data) ? null : 'credentials';
    default:
      return null;
  }
}

// ---- the differences that are listed ----

function placeholders(text) {
  return (text.match(/"(_|\\u005f)placeholder"\s*:\s*true/g) || []).length;
}
const LISTED = [
  ['CONNECT_ERROR, which only servers send: closed whatever is in it', (t) => /^4/.test(t)],
  ['a packet type that only JavaScript takes for a number', (t, o, p) => o.error && !p.error && !/^[0-6]/.test(t)],
  ['an attachment count that only JavaScript takes for one', (t, o, p) => o.error && !p.error && /^[56]/.test(t) && !/^[56]\d+-/.test(t)],
  ['a space as an acknowledgement id', (t, o, p) => !p.error && /^[0-6](\d+-)?(\/[^,]*,)?\d*\s/.test(t)],
  ['an acknowledgement id above 2^53: rounded there, exact or refused here', (t) => /\d{16,}/.test(t)],
  ['an event or an acknowledgement without an array', (t, o, p) => o.error && !p.error && p.data === undefined && /^[2356]/.test(t)],
  ['more placeholders than attachments', (t, o, p) => o.error && !p.error && p.attachments === undefined && placeholders(t) > Number((/^[56](\d+)-/.exec(t) || [])[1])],
  ['a placeholder whose number has a point or an exponent', (t, o, p) => o.error && !p.error && /^[56]/.test(t) && /"num"\s*:\s*-?\d+[.e]/i.test(t)],
  ['a placeholder under a key that comes twice', (t, o, p) => o.error && !p.error && /^[56]/.test(t) && twice(t)],
];

// Whether some object of the packet has a key twice: JSON.parse keeps the last.
function twice(text) {
  const start = text.search(/[[{]/);
  const short = text.slice(start);
  try {
    return JSON.stringify(JSON.parse(short)).length < short.replace(/\s/g, '').length - 4;
  } catch {
    return false;
  }
}

// ---- the run ----

const packets = Array.from({ length: Number(count) }, packet);
const input = packets.map((text) => JSON.stringify(text)).join('\n') + '\n';
const ran = spawnSync(decoder, { input, maxBuffer: 1 << 30 });
if (ran.status !== 0) {
  console.error(`${decoder}: ${ran.error || ran.stderr}`);
  process.exit(1);
}
const answers = ran.stdout.toString().trimEnd().split('\n');
const counts = new Map();
let taken = 0;
let wrong = 0;
packets.forEach((text, at) => {
  const ours = JSON.parse(answers[at]);
  const theirs = official(text);
  let difference = null;
  if (Boolean(ours.error) !== Boolean(theirs.error)) {
    difference = ours.error ? 'refused here' : 'taken here';
  } else if (!ours.error) {
    taken++;
    difference = same(ours, theirs);
  }
  if (difference === null) return;
  const known = LISTED.find(([, is]) => is(text, ours, theirs));
  if (known) return counts.set(known[0], (counts.get(known[0]) || 0) + 1);
  if (wrong++ < 20) {
    const say = (said) => JSON.stringify(said, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    console.log(`${difference}: ${JSON.stringify(text)}\n  here  ${say(ours)}\n  there ${say(theirs)}`);
  }
});
for (const [what, n] of counts) console.log(`listed, ${n} times: ${what}`);
console.log(`seed ${seed}: ${packets.length} packets, ${taken} taken by both, ${wrong} differences that are not listed`);
process.exit(wrong === 0 ? 0 : 1);
