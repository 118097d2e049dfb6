//! Answers: does all of it together, for long, cost a polite client its connection or the server memory.

use super::Stage;
use super::client::{Client, join_all};
use super::crowd::{Crowd, Habit};
use super::tally::{Line, resident};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// What a round does to the server, in turns.
const ROUNDS: [&str; 5] = ["flood", "mail", "deaf", "trickle", "stuck"];

/// One round of rude clients, some seconds long. That they fail to get in or are closed is no harm.
fn round(stage: &Stage, what: &str, count: usize) -> anyhow::Result<()> {
    let clients = join_all(&stage.target, count)?;
    let flood = |text: &str| Habit::Flood {
        text: text.to_owned(),
    };
    let habit = match what {
        "flood" => flood(r#"42["x"]"#),
        "mail" => flood(r#"42["room","soak","x"]"#),
        "deaf" => Habit::Deaf,
        "trickle" => Habit::Trickle {
            bytes: 4096,
            pause: SECOND / 4,
        },
        _ => {
            if let Some(mut blocker) = clients.into_iter().next() {
                blocker.send(r#"42["block",2000]"#)?;
                sleep(3 * SECOND);
            }
            return Ok(());
        }
    };
    let rude = Crowd::start(clients, habit)?;
    if matches!(what, "deaf" | "trickle") {
        let mut sender = Client::join(&stage.target)?;
        let row = "x".repeat(1000);
        for _ in 0..400 {
            sender.send(&format!(r#"42["broadcast","{row}"]"#))?;
            sleep(Duration::from_millis(10));
        }
    } else {
        sleep(4 * SECOND);
    }
    rude.stop().map(drop)
}

/// Clients that come and go at once, as impatient ones do.
fn churn(stage: &Stage) {
    for _ in 0..50 {
        let _ = Client::join(&stage.target); // whether it gets in is counted nowhere
    }
}

pub(super) fn soak(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(100), stage.secs(60.0));
    let mut members = join_all(&stage.target, 20)?;
    for member in &mut members {
        member.ask(r#"["join","soak"]"#)?;
    }
    let members = Crowd::start(
        members,
        Habit::Sit {
            pong_after: Duration::ZERO,
        },
    )?;
    let sitters = Crowd::gather(&stage.target, 500, SECOND / 2)?;
    let polite = Crowd::start(
        join_all(&stage.target, 20)?,
        Habit::Ask {
            text: r#"42["echo","polite"]"#.to_owned(),
            answer: r#"42["echo""#,
            each: SECOND / 5,
        },
    )?;
    let (began, mut rounds, mut failed) = (Instant::now(), 0_u32, 0_u32);
    let mut memory = Vec::new();
    while began.elapsed() < time {
        for what in ROUNDS {
            if let Err(error) = round(stage, what, count) {
                eprintln!("soak: {what}: {error:#}");
                failed += 1;
            }
            churn(stage);
        }
        rounds += 1;
        sleep(4 * SECOND); // what has gone is given back some seconds later
        memory.extend(stage.pid.map(resident));
        eprintln!(
            "soak: round {rounds}, {:.0} s, {} kB, closed: {} that sit, {} that ask, {} members",
            began.elapsed().as_secs_f64(),
            memory.last().unwrap_or(&0),
            sitters.closed(),
            polite.closed(),
            members.closed()
        );
    }
    let (sitters, polite, members) = (sitters.stop()?, polite.stop()?, members.stop()?);
    // Whom a flood of mail is meant for may truly be too slow for it.
    let closed = sitters.closed() + polite.closed();
    let (first, last) = (
        memory.first().copied().unwrap_or(0),
        memory.last().copied().unwrap_or(0),
    );
    Line::new(
        &format!("soak of {:.0} s", began.elapsed().as_secs_f64()),
        &stage.name,
    )
    .with("rounds", format!("{rounds}, {failed} parts failed"))
    .with("polite closed", format!("{closed} of 520"))
    .with(
        "flooded members closed",
        format!("{} of 20", members.closed()),
    )
    .with("echo", polite.answers.brief())
    .with("unanswered", polite.unanswered)
    .with("heartbeats late", sitters.heartbeats.brief())
    .with(
        "kB after the first round, the last",
        format!("{first}, {last}"),
    )
    .print();
    // Flat: what a first round has not touched yet may come, and no more.
    let flat = last == 0 && stage.pid.is_none() || last > 0 && last < first * 3 / 2 + 16_384;
    Ok(closed == 0 && flat)
}
