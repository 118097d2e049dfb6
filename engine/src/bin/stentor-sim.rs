//! Runs the simulator: `stentor-sim [--seed N] [--seeds COUNT] [--steps N] [--fault drop|twice|swap]
//! [--mail publish|relay|act|ack]`.
//!
//! Prints one line per seed, with the hash of its event log. The first seed that breaks a promise
//! is printed with its last events, and the exit status is 1.

use std::{env, process::ExitCode};

use stentor_engine::sim::{Fault, Letters, Options, run};

struct Args {
    seed: u64,
    seeds: u64,
    steps: u64,
    fault: Fault,
    letters: Letters,
}

fn args() -> Result<Args, String> {
    let mut args = Args {
        seed: 0,
        seeds: 1,
        steps: 20_000,
        fault: Fault::None,
        letters: Letters::Publish,
    };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{word} {value}: no number"))
        };
        match &*word {
            "--seed" => args.seed = number()?,
            "--seeds" => args.seeds = number()?,
            "--steps" => args.steps = number()?,
            "--fault" => {
                args.fault = match &*value {
                    "drop" => Fault::DropMail,
                    "twice" => Fault::DuplicateMail,
                    "swap" => Fault::SwapMails,
                    _ => return Err(format!("--fault {value}: drop, twice or swap")),
                }
            }
            "--mail" => {
                args.letters = match &*value {
                    "publish" => Letters::Publish,
                    "relay" => Letters::Relay,
                    "act" => Letters::Act,
                    "ack" => Letters::Ack,
                    _ => return Err(format!("--mail {value}: publish, relay, act or ack")),
                }
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let args = match args() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("stentor-sim: {error}");
            return ExitCode::from(2);
        }
    };
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let outcome = run(&Options {
            seed,
            steps: args.steps,
            fault: args.fault,
            letters: args.letters,
        });
        if let Some(failure) = &outcome.failure {
            for event in &outcome.events {
                println!("{event}");
            }
            println!("seed {seed} steps {}: {failure}", args.steps);
            return ExitCode::FAILURE;
        }
        println!(
            "seed {seed} hash {:016x} sessions {} packets {} virtual {} s",
            outcome.hash,
            outcome.sessions,
            outcome.packets,
            outcome.elapsed_ms / 1000,
        );
    }
    ExitCode::SUCCESS
}
