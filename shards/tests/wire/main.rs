//! The wire, byte by byte: raw sockets against a server process, with 1, 2 and 4 shards.
//!
//! docs/PROTOCOL.md lists what is covered, clause by clause, and where Stentor differs from Node.
//! Each test says in its first line what it shows. Nothing here parses HTTP, WebSocket or JSON with a
//! library, so that no client's habits hide a server's.
//!
//! The server is `stentor contract-server` (scripts/clients/CONTRACT.md). To run the same tests
//! against the official Node server: `shards/tests/wire/prove_on_node.sh`.

mod attachments;
mod base64;
mod bounds;
mod browsers;
mod client_files;
mod compression;
mod frames;
mod handshake;
mod heartbeat;
mod hostile;
mod later_requests;
mod leaks;
mod namespaces;
mod order;
mod packets;
mod parting;
mod polling;
mod polling_bad;
mod polling_connections;
mod reasons;
mod sids;
mod slow_reader;
mod support;
mod upgrade;
mod upgrade_bad;
mod verify;
mod waits;
mod websocket;
mod ws_handshake;
