//! Answers: which shard does not turn, so that somebody learns of a handler that blocks.
//!
//! A shard tells each turn's time by one store ([`Vital`]). An idle shard does not turn either, so the
//! watchdog wakes who has not turned for a while: who does not turn then is stuck. It is a thread of its own,
//! as all others may be what is stuck. It ends with the shards.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use stentor_engine::time::Tick;

use super::STACK_BYTES;
use crate::{
    clock::Clock,
    log::{self, About},
    mailbox::Sender,
    shared::{Shared, Vital},
};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A shard that has not turned for so long is woken, and is stuck if it does not turn for so long again.
const STUCK_MS: u64 = 2_000;
/// A shard that stays stuck is told of again.
const AGAIN_MS: u64 = 10_000;

/// Looks after the shards of a server until they have ended. Without the thread nobody does.
pub(super) fn start(shared: Arc<Shared>, clock: Clock) {
    let thread = thread::Builder::new().name("watchdog".into());
    let thread = thread.stack_size(STACK_BYTES);
    let watch = move || {
        let mut watched: Vec<_> = shared.vitals.iter().map(|_| Watched::default()).collect();
        let mut last = clock.now();
        loop {
            thread::sleep(LOOK_EVERY);
            let Some(posts) = shared.posts.get() else {
                return;
            };
            if posts.iter().all(Sender::is_closed) {
                return;
            }
            let now = clock.now();
            let stood = now.since(last) > STUCK_MS;
            last = now;
            for (shard, (post, vital)) in posts.iter().zip(&shared.vitals).enumerate() {
                if post.is_closed() {
                    continue;
                }
                let seen = watched[shard].look(vital, now, stood);
                if matches!(seen, Seen::Quiet) {
                    post.wake();
                }
                seen.say(shard);
                vital.left_out.tell(shard);
            }
        }
    };
    if let Err(error) = thread.spawn(watch) {
        log::notice!(NoWatchdog, About::default(), %error);
    }
}

/// What a look at a shard has come to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It turns, or has been woken and has some time left.
    Well,
    /// It has nothing to do, or cannot: it is to be woken.
    Quiet,
    /// It does not turn, for so many milliseconds; once in a while.
    Stuck(u64),
    /// It was stuck for so many milliseconds.
    Back(u64),
}

impl Seen {
    fn say(&self, shard: usize) {
        match self {
            Self::Well | Self::Quiet => {}
            Self::Stuck(ms) => log::notice!(Stuck, About::shard(shard), ms),
            Self::Back(ms) => log::notice!(GoesOn, About::shard(shard), ms),
        }
    }
}

/// What is known of a shard.
#[derive(Debug, Default)]
struct Watched {
    /// The turn that was the last when it was woken, and when it was.
    woken: Option<(u64, Tick)>,
    /// When it was last said that it is stuck.
    told: Option<Tick>,
}

impl Watched {
    /// `stood` if the watchdog itself was away: it cannot say of anybody else that he was.
    fn look(&mut self, vital: &Vital, now: Tick, stood: bool) -> Seen {
        let turned = vital.turned.load(Ordering::Relaxed);
        let since = Tick(turned);
        if let Some((at, _)) = self.woken
            && at != turned
        {
            self.woken = None;
            if self.told.take().is_some() {
                return Seen::Back(since.since(Tick(at)));
            }
        }
        if now.since(since) < STUCK_MS {
            return Seen::Well;
        }
        let Some((_, woken)) = self.woken.filter(|_| !stood) else {
            self.woken = Some((turned, now));
            return Seen::Quiet;
        };
        if now.since(woken) < STUCK_MS || self.told.is_some_and(|told| now.since(told) < AGAIN_MS) {
            return Seen::Well;
        }
        self.told = Some(now);
        Seen::Stuck(now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(vital: &Vital, at: u64) {
        vital.turned.store(at, Ordering::Relaxed);
    }

    /// Looks every 500 ms from `from` to before `to`; what was not [`Seen::Well`], and when.
    fn looks(watched: &mut Watched, vital: &Vital, from: u64, to: u64) -> Vec<(u64, Seen)> {
        let times = (from..to).step_by(500);
        let seen = times.map(|at| (at, watched.look(vital, Tick(at), false)));
        seen.filter(|(_, seen)| *seen != Seen::Well).collect()
    }

    #[test]
    fn who_does_not_turn_though_woken_is_stuck_and_told_of_now_and_then() {
        let (mut watched, vital) = (Watched::default(), Vital::default());
        turn(&vital, 1_000);
        let seen = looks(&mut watched, &vital, 1_000, 26_000);
        let expected = [
            (3_000, Seen::Quiet),
            (5_000, Seen::Stuck(4_000)),
            (15_000, Seen::Stuck(14_000)),
            (25_000, Seen::Stuck(24_000)),
        ];
        assert_eq!(seen, expected);
        turn(&vital, 26_100);
        let seen = looks(&mut watched, &vital, 26_500, 28_000);
        assert_eq!(seen, [(26_500, Seen::Back(25_100))]);
    }

    #[test]
    fn who_is_idle_is_woken_and_nothing_is_said() {
        let (mut watched, vital) = (Watched::default(), Vital::default());
        for round in 0..10 {
            let seen = looks(&mut watched, &vital, round * 2_500, round * 2_500 + 2_500);
            let at = round * 2_500 + 2_000;
            assert_eq!(seen, [(at, Seen::Quiet)]);
            turn(&vital, at + 1);
        }
    }

    #[test]
    fn a_watchdog_that_stood_still_itself_accuses_nobody() {
        let (mut watched, vital) = (Watched::default(), Vital::default());
        assert_eq!(watched.look(&vital, Tick(2_000), false), Seen::Quiet);
        assert_eq!(watched.look(&vital, Tick(90_000), true), Seen::Quiet);
        assert_eq!(watched.look(&vital, Tick(90_500), false), Seen::Well);
        assert_eq!(
            watched.look(&vital, Tick(92_000), false),
            Seen::Stuck(92_000)
        );
    }
}
