//! Last words on real connections.

use std::io::{Read as _, Write as _};

use super::*;

/// A connection whose peer has not read, so that nothing more fits, and what fitted.
fn blocked(conns: &mut Conns) -> (net::TcpStream, ConnKey, usize) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let role = Role::Head(Vec::new());
    let key = conns
        .add(TcpStream::from_std(stream), role, Tick(0))
        .unwrap();
    // The kernel's buffers of both ends grow for a while, and it tries again after 200 ms; at last not even
    // a byte fits.
    let (mut sent, mut calm) = (0, 0);
    while calm < 60 {
        let size = if calm == 0 { 8_192 } else { 1 };
        match conns.write(key, &[&[b'x'; 8_192][..size]]) {
            Written::Bytes(n) => (sent, calm) = (sent + n, 0),
            _ => calm += 1,
        }
        if calm > 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    (peer, key, sent)
}

/// Whatever the peer has sent that nobody has read: a reset would destroy what it has not taken.
#[test]
fn a_last_word_waits_until_it_is_taken() {
    let poll = mio::Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let mut conns = Conns::new(registry, HttpWaits::default());
    let (mut peer, key, sent) = blocked(&mut conns);
    peer.write_all(b"nobody reads this").unwrap();
    conns.finish(key, b"the last word", Tick(0));
    assert!(conns.get(key).is_some(), "it is not closed");
    assert_eq!(conns.held_bytes(), b"the last word".len());
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    let late = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !matches!(conns.get(key).map(|conn| &conn.role), Some(Role::Lingering)) {
        assert!(std::time::Instant::now() < late, "the peer reads");
        std::thread::yield_now();
        conns.end_rest(key, Tick(1));
    }
    let all = reader.join().unwrap().unwrap();
    assert_eq!(all.len(), sent + b"the last word".len());
    assert!(all.ends_with(b"the last word"));
    assert_eq!(conns.held_bytes(), 0);
}

#[test]
fn a_last_word_is_not_kept_for_ever() {
    let poll = mio::Poll::new().unwrap();
    let registry = poll.registry().try_clone().unwrap();
    let mut conns = Conns::new(registry, HttpWaits::default());
    let (_peer, key, _) = blocked(&mut conns);
    conns.finish(key, b"the last word", Tick(0));
    let due = Tick(0).after(DRAIN_WAIT);
    assert!(!conns.expired(Tick(due.0 - 1)).contains(&key));
    assert!(conns.expired(Tick(due.0 + 1_000)).contains(&key));
    conns.drop_conn(key);
    assert_eq!(conns.held_bytes(), 0);
}
