//! What the simulator must find, and what it must not.

use super::{Fault, Options, run};

const STEPS: u64 = 1_500;

#[test]
fn two_hundred_seeds_keep_every_promise() {
    for seed in 0..200 {
        let options = Options {
            seed,
            steps: STEPS,
            fault: Fault::None,
        };
        let outcome = run(&options);
        if let Some(failure) = outcome.failure {
            panic!("seed {seed}: {failure}\n{}", outcome.events.join("\n"));
        }
        assert!(outcome.sessions > 1, "seed {seed} had nobody");
    }
}
