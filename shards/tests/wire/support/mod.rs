//! What every wire test stands on: a server process, and two clients made of bytes.

pub(crate) mod differs;
pub(crate) mod http;
pub(crate) mod polling;
pub(crate) mod proc;
pub(crate) mod server;
pub(crate) mod ws;

pub(crate) use differs::Differs;
pub(crate) use http::{Http, Response};
pub(crate) use polling::Polling;
pub(crate) use server::{Profile, Server, each, node_differs, ours_only};
pub(crate) use ws::{Event, Ws, masked};

use std::time::{Duration, Instant};

/// How long a test waits for bytes before it calls the server silent. Generous: no test measures
/// time, and a loaded machine is no failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The polling endpoint, without a session.
pub(crate) const POLL: &str = "/socket.io/?EIO=4&transport=polling";
/// The WebSocket endpoint, without a session.
pub(crate) const WS: &str = "/socket.io/?EIO=4&transport=websocket";

/// Separates the packets of a polling payload.
pub(crate) const RS: char = '\u{1e}';

/// Tests in which clients say one packet each, and are closed for it.
macro_rules! refused {
    ($client:expr; $($(#[$doc:meta])+ $name:ident: [$($packet:expr),+ $(,)?];)+) => {$(
        $(#[$doc])+
        #[test]
        fn $name() {
            use $crate::support::{Profile, Server, Ws, each};
            let client: fn(&Server) -> Ws = $client;
            each(Profile::Calm, |server| {
                for packet in [$($packet),+] {
                    client(server).is_closed_by(packet);
                }
            });
        }
    )+};
}
pub(crate) use refused;

/// The value of a string field of a JSON text, as far as these tests need JSON.
pub(crate) fn field<'a>(json: &'a str, name: &str) -> &'a str {
    let key = format!("\"{name}\":\"");
    let start = json
        .find(&key)
        .unwrap_or_else(|| panic!("no field {name} in {json:?}"))
        + key.len();
    json[start..]
        .split('"')
        .next()
        .expect("split yields one part at least")
}

/// Bytes as they can be read in a failure, cut where they become too many.
pub(crate) fn show(bytes: &[u8]) -> String {
    let cut = bytes.len().min(600);
    let more = if cut < bytes.len() {
        format!(" … {} bytes", bytes.len())
    } else {
        String::new()
    };
    format!("\"{}\"{more}", bytes[..cut].escape_ascii())
}

/// Repeats `look` until it finds something; panics with `what` at the deadline.
pub(crate) fn await_that<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {DEADLINE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
