//! The short form: seeded bytes, the same each time.

use super::{head, hub, json, packet, websocket};

/// Bytes of a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Runs seeds; which one failed stands before what it said.
fn seeds(count: u64, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in 0..count {
        let whole = std::panic::catch_unwind(|| run(seed)).is_ok();
        assert!(whole, "seed {seed}");
    }
}

/// A sound beginning, spoilt here and there.
fn spoilt(seed: u64, samples: &[&[u8]]) -> Vec<u8> {
    let chance = noise(seed, 64);
    let sample = samples[usize::from(chance[0]) % samples.len()];
    let mut bytes = sample.to_vec();
    for pair in chance[1..].chunks_exact(4).take(usize::from(chance[1] % 6)) {
        if bytes.is_empty() {
            break;
        }
        let at = usize::from(pair[0]) % bytes.len();
        let other = sample[usize::from(pair[1]) % sample.len()];
        match pair[2] % 4 {
            0 => bytes[at] = pair[3],
            1 => bytes.insert(at, other),
            2 => drop(bytes.remove(at)),
            _ => bytes[at] = other,
        }
    }
    bytes
}

#[test]
fn a_hub_stays_whole_in_any_order_of_calls() {
    seeds(1_500, |seed| {
        hub(&noise(seed, 200 + (seed as usize % 7) * 300));
    });
}

#[test]
fn packets_stand_for_what_they_say() {
    let samples: [&[u8]; 6] = [
        br#"2/a,17["name",{"a":[1,2.5e3,"\u00e9\n"]},null]"#,
        br#"52-["x",{"_placeholder":true,"num":1},{"num":0,"_placeholder":true}]"#,
        br#"0/admin,{"token":"t"}"#,
        br#"61-/a,3[{"_placeholder":true,"num":0}]"#,
        b"3999[]",
        b"1/a,",
    ];
    seeds(30_000, |seed| packet(&spoilt(seed, &samples)));
    seeds(3_000, |seed| packet(&noise(seed, 30)));
}

#[test]
fn scans_of_json_agree() {
    let samples: [&[u8]; 4] = [
        br#"["e",{"num":0,"_placeholder":true},[[],{}],-0.5e-7,"\ud83e\udd80"]"#,
        br#"{"a":{"num":{"num":{"num":1}}},"b":[true,false,null]}"#,
        "[\"\u{1f980}é\",\"\\\"\\\\\\/\",  1 , 2\t]".as_bytes(),
        b"[[[[[[[[1]]]]]]]]",
    ];
    seeds(30_000, |seed| json(&spoilt(seed, &samples)));
    seeds(3_000, |seed| json(&noise(seed, 30)));
}

#[test]
fn frames_mean_the_same_in_any_pieces() {
    let samples: [&[u8]; 4] = [
        b"\x00\x01\x02\x81\x83\x01\x02\x03\x04ace\x89\x80\x00\x00\x00\x00\x82\x81\x00\x00\x00\x00x",
        b"\x07\x00\x03\x01\x82\x00\x00\x00\x00\xc3\xa9\x80\x81\x00\x00\x00\x00y\x88\x80\x00\x00\x00\x00",
        b"\x01\x01\x01\x82\xfe\x00\x80\x00\x00\x00\x00",
        b"\x02\x09\x00\x81\x82\x00\x00\x00\x00\xc3(\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00",
    ];
    seeds(20_000, |seed| websocket(&spoilt(seed, &samples)));
    seeds(5_000, |seed| websocket(&noise(seed, 60)));
}

#[test]
fn heads_are_judged_once() {
    let samples: [&[u8]; 3] = [
        b"GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
        b"POST http://a/socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ];
    seeds(30_000, |seed| head(&spoilt(seed, &samples)));
    seeds(3_000, |seed| head(&noise(seed, 60)));
}
