//! What the simulator must find, and what it must not.

use super::{Fault, Options, run};

/// Enough that 200 seeds find what one long run does, and few enough for a debug build.
const STEPS: u64 = 4_000;

const fn options(seed: u64, fault: Fault) -> Options {
    Options {
        seed,
        steps: STEPS,
        fault,
    }
}

#[test]
fn two_hundred_seeds_keep_every_promise() {
    let mut packets = 0;
    for seed in 0..200 {
        let outcome = run(&options(seed, Fault::None));
        if let Some(failure) = outcome.failure {
            let last = outcome.events.len().saturating_sub(100);
            let events = outcome.events[last..].join("\n");
            panic!("seed {seed}: {failure}\n{events}");
        }
        packets += outcome.packets;
    }
    // A simulator whose clients hear nothing finds nothing.
    assert!(packets > 20_000, "{packets} packets in all");
}

#[test]
fn the_same_seed_gives_the_same_log() {
    let hashes: [u64; 3] = [7, 7, 8].map(|seed| run(&options(seed, Fault::None)).hash);
    assert_eq!(hashes[0], hashes[1]);
    assert_ne!(hashes[0], hashes[2]);
}

/// Every seed in which a mail could be spoilt, and those of them that were found out.
fn canary(fault: Fault) -> (usize, usize) {
    let outcomes: [_; 24] = core::array::from_fn(|seed| run(&options(seed as u64, fault)));
    let spoilt = outcomes.iter().filter(|outcome| outcome.spoilt);
    let found = outcomes.iter().filter(|outcome| outcome.failure.is_some());
    (spoilt.count(), found.count())
}

#[test]
fn a_lost_mail_is_always_found_out() {
    let (spoilt, found) = canary(Fault::DropMail);
    assert!(spoilt > 12);
    assert_eq!(found, spoilt);
}

#[test]
fn a_mail_that_arrives_twice_is_always_found_out() {
    let (spoilt, found) = canary(Fault::DuplicateMail);
    assert!(spoilt > 12);
    assert_eq!(found, spoilt);
}

#[test]
fn mails_out_of_order_are_found_out_where_they_share_a_receiver() {
    let (spoilt, found) = canary(Fault::SwapMails);
    assert!(spoilt > 6, "{spoilt}");
    assert!(found * 4 > spoilt, "{found} of {spoilt}");
}
