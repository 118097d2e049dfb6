//! What the simulator must find, and what it must not.

use super::{Fault, Letters, Options, run};

/// Enough that 200 seeds find what one long run does, and few enough for a debug build.
const STEPS: u64 = 4_000;

const fn options(seed: u64, fault: Fault) -> Options {
    Options {
        seed,
        steps: STEPS,
        fault,
        letters: Letters::Publish,
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
fn canary(fault: Fault, letters: Letters) -> (usize, usize) {
    let run = |seed| {
        run(&Options {
            letters,
            ..options(seed, fault)
        })
    };
    let outcomes: [_; 24] = core::array::from_fn(|seed| run(seed as u64));
    let spoilt = outcomes.iter().filter(|outcome| outcome.spoilt);
    let found = outcomes.iter().filter(|outcome| outcome.failure.is_some());
    (spoilt.count(), found.count())
}

const ALL: [Letters; 4] = [Letters::Publish, Letters::Relay, Letters::Act, Letters::Ack];

#[test]
fn a_lost_mail_is_always_found_out() {
    for letters in ALL {
        let (spoilt, found) = canary(Fault::DropMail, letters);
        assert!(spoilt > 8, "{letters:?}: {spoilt}");
        assert_eq!(found, spoilt, "{letters:?}");
    }
}

#[test]
fn a_mail_that_arrives_twice_is_always_found_out() {
    for letters in ALL {
        let (spoilt, found) = canary(Fault::DuplicateMail, letters);
        assert!(spoilt > 8, "{letters:?}: {spoilt}");
        assert_eq!(found, spoilt, "{letters:?}");
    }
}

#[test]
fn mails_out_of_order_are_found_out_where_they_share_a_receiver() {
    // The order of what is done to sockets hardly ever shows.
    for letters in [Letters::Publish, Letters::Ack] {
        let (spoilt, found) = canary(Fault::SwapMails, letters);
        assert!(spoilt > 2, "{letters:?}: {spoilt}");
        assert!(found * 4 > spoilt, "{letters:?}: {found} of {spoilt}");
    }
}
