//! The bodies that answer GETs: made once for many, and worth compressing or not.

use bytes::Bytes;

use super::*;

/// Collects the bodies of answered GETs.
#[derive(Default)]
struct Bodies(Vec<Payload>);

impl Transmit for Bodies {
    fn write(&mut self, _: ConnId, slices: &[&[u8]]) -> Written {
        Written::Bytes(slices.concat().len())
    }

    fn answer(&mut self, _: SessionKey, body: Payload) {
        self.0.push(body);
    }
}

/// Clients in `/` whose GETs are parked.
fn parked_in_root(hub: &mut Hub, clients: usize) -> Vec<SessionKey> {
    let keys: Vec<_> = (0..clients).map(|_| parked(hub)).collect();
    for key in &keys {
        hub.receive_text(Tick(0), *key, "40").unwrap();
    }
    assert_eq!(bodies(hub).len(), clients);
    while hub.next_event().is_some() {}
    keys
}

/// Their next GETs are parked too.
fn park_again(hub: &mut Hub, keys: &[SessionKey]) {
    for key in keys {
        assert_eq!(hub.recv_get(*key), Some(Ok(Poll::Park)));
    }
}

fn bodies(hub: &mut Hub) -> Vec<Payload> {
    let mut bodies = Bodies::default();
    hub.flush(Tick(1), &mut bodies);
    while hub.waiting() > 0 {
        hub.flush_slice(Tick(1), &mut bodies);
        hub.flush(Tick(1), &mut bodies);
    }
    bodies.0
}

/// A broadcast's body, binary parts in base64 and all, is made once for all who wait for it: small or large,
/// on one shard or from another, for few or in slices.
#[test]
fn a_broadcast_to_pollers_is_one_body() {
    let part = [Bytes::from(vec![7; 5_000])];
    for (clients, size) in [(3, 1), (3, 5_000), (100, 5_000)] {
        let mut config = Config::default();
        config.limits.slice_sessions = 40;
        let mut hub = hub(config);
        let keys = parked_in_root(&mut hub, clients);
        for round in 0..2 {
            park_again(&mut hub, &keys);
            let text = format!("{round}{}", "1".repeat(size));
            let args = format!(r#""{text}",{{"_placeholder":true,"num":0}}"#);
            let emit = Emit {
                attachments: &part,
                ..event("x", &args)
            };
            hub.publish(Tick(1), everybody(), &emit).unwrap();
            let bodies = bodies(&mut hub);
            assert_eq!(bodies.len(), clients);
            let first = &bodies[0].bytes;
            let whole = first.starts_with(format!(r#"451-["x","{text}""#).as_bytes());
            assert!(whole && first.len() > size + 5_000 / 3 * 4);
            for body in &bodies {
                assert_eq!(body.bytes.as_ptr(), first.as_ptr());
            }
        }
    }
}

/// A body is worth compressing if one of its packets is; that is known of those that had to wait for a GET too.
#[test]
fn what_is_worth_compressing() {
    let plain = Emit {
        compress: false,
        ..event("y", "")
    };
    let worth = event("x", "");
    let all: [(&[&Emit<'_>], bool); 5] = [
        (&[&worth], true),
        (&[&plain], false),
        (&[&plain, &plain], false),
        (&[&plain, &worth], true),
        (&[&worth, &plain], true),
    ];
    for parks in [true, false] {
        let mut hub = hub(Config::default());
        let keys = parked_in_root(&mut hub, 1);
        let [key] = keys[..] else { panic!("one") };
        for (emits, compress) in all {
            if parks {
                park_again(&mut hub, &keys);
            }
            for emit in emits {
                hub.publish(Tick(1), everybody(), emit).unwrap();
            }
            let body = if parks {
                bodies(&mut hub).pop().unwrap()
            } else {
                assert_eq!(bodies(&mut hub), []);
                assert_eq!(hub.recv_get(key), Some(Ok(Poll::Answer)));
                hub.take_poll(Tick(1), key)
            };
            assert_eq!(body.compress, compress, "{emits:?}, parks: {parks}");
        }
    }
}
