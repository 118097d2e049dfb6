//! Answers: what does each scenario consist of.

use super::Stage;
use super::client::{Client, frame, join_all};
use super::crowd::{Crowd, Habit};
use super::tally::{Line, Tally, Times, Watch};
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// How often a polite client asks.
const GENTLY: Duration = Duration::from_millis(100);

/// 13 bytes as a frame, and nobody's event.
fn flooding() -> Habit {
    let text = r#"42["x"]"#.to_owned();
    Habit::Flood { text }
}

fn echoing() -> Habit {
    Habit::Ask {
        text: r#"42["echo","polite"]"#.to_owned(),
        answer: r#"42["echo""#,
        each: GENTLY,
    }
}

fn sitting() -> Habit {
    Habit::Sit {
        pong_after: Duration::ZERO,
    }
}

/// What polite clients see for so long.
fn listen(stage: &Stage, habit: Habit, count: usize, time: Duration) -> anyhow::Result<Tally> {
    let crowd = Crowd::start(join_all(&stage.target, count)?, habit)?;
    sleep(time);
    crowd.stop()
}

/// Clients that come one after the other while something goes on.
struct Comers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Times, u64)>,
}

impl Comers {
    fn start(stage: &Stage, patience: Duration) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let (target, seen) = (stage.target.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (mut times, mut failed) = (Times::default(), 0);
            while !seen.load(Relaxed) {
                let began = Instant::now();
                match Client::join_within(&target, patience, None) {
                    Ok(_) => times.note(began.elapsed()),
                    Err(_) => failed += 1,
                }
                sleep(GENTLY);
            }
            (times, failed)
        });
        Self { stop, thread }
    }

    /// How many got in and how soon, how many did not.
    fn told(self) -> String {
        self.stop.store(true, Relaxed);
        let (times, failed) = self.thread.join().unwrap_or_default();
        format!(
            "{} in {} of {}",
            times.len(),
            times.brief(),
            times.len() + failed
        )
    }
}

pub(super) fn flood(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(200), stage.secs(10.0));
    let quiet = listen(stage, echoing(), 20, 2 * SECOND)?;
    let polite = join_all(&stage.target, 20)?;
    let rude = join_all(&stage.target, count)?;
    let watch = Watch::start(stage.pid);
    let flood = Crowd::start(rude, flooding())?;
    sleep(SECOND / 2);
    let polite = Crowd::start(polite, echoing())?;
    let comers = Comers::start(stage, Duration::from_secs(30));
    let began = Instant::now();
    sleep(time);
    let flooded = flood.stop()?;
    let took = began.elapsed() + SECOND / 2;
    let polite = polite.stop()?;
    Line::new(&format!("flood by {count}"), &stage.name)
        .with("echo without", quiet.answers.brief())
        .with("with", polite.answers.brief())
        .with("unanswered", polite.unanswered)
        .with("polite closed", polite.closed())
        .with("connects", comers.told())
        .with(
            "frames the kernel took/s",
            (flooded.sent as f64 / took.as_secs_f64()).round(),
        )
        .with("asked late p99", format!("{:.1} ms", polite.lag.ms(0.99)))
        .with("memory", watch.told())
        .print();
    Ok(polite.closed() + polite.unanswered == 0)
}

pub(super) fn broadcast(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(15_000), stage.secs(20.0));
    let crowd = Crowd::gather(&stage.target, count, Duration::ZERO)?;
    sleep(2 * SECOND);
    let quiet = listen(stage, echoing(), 20, time / 2)?;
    let mut sender = Client::join(&stage.target)?;
    let polite = Crowd::start(join_all(&stage.target, 20)?, echoing())?;
    let payload = "x".repeat(128);
    let (before, began, mut sent) = (crowd.events(), Instant::now(), 0);
    while began.elapsed() < time {
        sender.send(&format!(r#"42["broadcast","{payload}"]"#))?;
        sent += 1;
        sleep((began + SECOND * sent).saturating_duration_since(Instant::now()));
    }
    let polite = polite.stop()?;
    sleep(2 * SECOND);
    let received = crowd.events() - before;
    let crowd = crowd.stop()?;
    let closed = crowd.closed() + polite.closed() + quiet.closed();
    Line::new(&format!("a broadcast a second to {count}"), &stage.name)
        .with("echo without", quiet.answers.brief())
        .with("with", polite.answers.brief())
        .with("unanswered", polite.unanswered)
        .with(
            "received",
            format!("{received} of {}", u64::from(sent) * count as u64),
        )
        .with("heartbeats", crowd.heartbeats.len())
        .with("late", crowd.heartbeats.brief())
        .with("asked late p99", format!("{:.1} ms", polite.lag.ms(0.99)))
        .with("closed", closed)
        .print();
    Ok(closed == 0)
}

/// Clients by the shard they are on: `count` on one of them, and one on each.
fn by_shard(stage: &Stage, count: usize) -> anyhow::Result<BTreeMap<String, Vec<Client>>> {
    let mut shards = BTreeMap::<String, Vec<Client>>::new();
    for _ in 0..count * 64 + 64 {
        let mut client = Client::join(&stage.target)?;
        let shard = client.shard()?;
        shards.entry(shard).or_default().push(client);
        let least = shards.values().map(Vec::len).min().unwrap_or(0);
        if shards.len() > 1 && least >= count.max(1) {
            break;
        }
    }
    Ok(shards)
}

pub(super) fn mail(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(1000), stage.secs(10.0));
    let mut shards = by_shard(stage, count)?;
    let (_, mut rude) = shards.pop_first().context("no shard")?;
    rude.truncate(count);
    let (_, mut others) = shards.pop_first().context("the server needs two shards")?;
    let mut member = others.pop().context("nobody on the other shard")?;
    member.ask(r#"["join","r"]"#)?;
    others.truncate(10);
    drop(shards);
    let watch = Watch::start(stage.pid);
    let member = Crowd::start(vec![member], sitting())?;
    let polite = Crowd::start(others, echoing())?;
    let text = r#"42["room","r","x"]"#.to_owned();
    let flood = Crowd::start(rude, Habit::Flood { text })?;
    sleep(time);
    let flooded = flood.stop()?;
    let polite = polite.stop()?;
    let told = watch.told();
    Line::new(&format!("mail to another shard by {count}"), &stage.name)
        .with("memory", told)
        .with(
            "frames the kernel took/s",
            (flooded.sent as f64 / time.as_secs_f64()).round(),
        )
        .with("flooders closed", flooded.ends())
        .with("member got", member.events())
        .with("its end", member.stop()?.ends())
        .with("echo on its shard", polite.answers.brief())
        .with("unanswered", polite.unanswered)
        .print();
    Ok(polite.closed() == 0)
}

pub(super) fn stuck(stage: &Stage) -> anyhow::Result<bool> {
    let time = stage.secs(30.0);
    let mut shards = by_shard(stage, 30)?;
    let (name, mut there) = shards.pop_first().context("no shard")?;
    let mut blocker = there.pop().context("nobody on it")?;
    let mut members: Vec<Client> = there.drain(..1).collect();
    let (mut senders, mut sitters) = (Vec::new(), Vec::new());
    for clients in shards.values_mut() {
        members.extend(clients.pop());
        senders.extend(clients.drain(..9));
        sitters.append(clients);
    }
    for member in &mut members {
        member.ask(r#"["join","all"]"#)?;
    }
    there.truncate(20);
    let each = Duration::from_secs_f64(senders.len() as f64 / 3000.0);
    let text = r#"42["room","all","ordinary"]"#.to_owned();
    let (sits, sends) = (sitters.len(), senders.len());
    let watch = Watch::start(stage.pid);
    let members = Crowd::start(members, sitting())?;
    let sitters = Crowd::start(sitters, sitting())?;
    let there = Crowd::start(there, sitting())?;
    let senders = Crowd::start(
        senders,
        Habit::Ask {
            text,
            answer: "",
            each,
        },
    )?;
    sleep(SECOND);
    blocker.send(&format!(r#"42["block",{}]"#, time.as_millis()))?;
    let comers = Comers::start(stage, SECOND);
    sleep(time);
    let (closed, gone) = (sitters.closed(), senders.closed());
    let comers = comers.told();
    sleep(Duration::from_secs(15)); // what was kept for it arrives, who is to be closed is
    let told = watch.told();
    let senders = senders.stop()?;
    Line::new(
        &format!("one shard of {} stuck", shards.len() + 1),
        &stage.name,
    )
    .with("stuck", name)
    .with(
        "closed on the others",
        format!("{closed} of {sits} that sit, {gone} of {sends} that send"),
    )
    .with("new clients", comers)
    .with("events sent", senders.sent)
    .with("members got", members.events())
    .with("closed on it", there.closed())
    .with("memory", told)
    .print();
    let (sitters, closed) = (sitters.stop()?, closed + gone);
    drop((members, there));
    Ok(closed == 0 && sitters.closed() == 0)
}

pub(super) fn late(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(3000), stage.secs(10.0));
    let asking = Habit::Ask {
        text: r#"427["late",1]"#.to_owned(),
        answer: "437",
        each: GENTLY,
    };
    let quiet = listen(stage, asking.clone(), 5, 2 * SECOND)?;
    let polite = join_all(&stage.target, 5)?;
    let rude = join_all(&stage.target, count)?;
    let flood = Crowd::start(rude, flooding())?;
    sleep(SECOND / 2);
    let polite = Crowd::start(polite, asking)?;
    sleep(time);
    let polite = polite.stop()?; // the flood goes on until it has told
    flood.stop()?;
    Line::new(&format!("a sleep of 1 ms, flood by {count}"), &stage.name)
        .with("without", quiet.answers.brief())
        .with("with", polite.answers.brief())
        .with("unanswered", polite.unanswered)
        .with("asked late p99", format!("{:.1} ms", polite.lag.ms(0.99)))
        .print();
    Ok(polite.unanswered == 0)
}

pub(super) fn standstill(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(6000), stage.secs(8.0));
    let pid = stage.pid.context("standstill needs --pid")?;
    let pid = Pid::from_raw(pid.cast_signed()).context("no such process")?;
    let crowd = Crowd::gather(&stage.target, count, SECOND)?;
    // When many pings are not answered yet.
    let (mut most, until) = (0, Instant::now() + 20 * SECOND);
    while Instant::now() < until && crowd.owed() * 4 < count as u64 {
        most = most.max(crowd.owed());
        sleep(Duration::from_millis(5));
    }
    let owed = crowd.owed();
    kill_process(pid, Signal::STOP)?;
    sleep(time);
    let before = crowd.closed();
    kill_process(pid, Signal::CONT)?;
    sleep(10 * SECOND);
    let crowd = crowd.stop()?;
    Line::new(
        &format!("stopped for {} s, {count} clients", time.as_secs()),
        &stage.name,
    )
    .with("pongs owed at the stop", owed)
    .with("most before", most)
    .with("closed before", before)
    .with("closed", crowd.ends())
    .print();
    Ok(crowd.closed() == 0)
}

/// Sends 2,000 events of 1,000 bytes a second from one client for `time`.
fn pour(sender: &mut Client, time: Duration) -> anyhow::Result<u64> {
    let row = "x".repeat(1000);
    let frame = frame(&format!(r#"42["room","r","{row}"]"#));
    let (began, mut sent) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        sender.stream.write_all(&frame)?;
        sent += 1;
        let next = began + Duration::from_micros(500) * sent;
        sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(sent.into())
}

pub(super) fn held(stage: &Stage) -> anyhow::Result<bool> {
    let time = stage.secs(1.0);
    let mut told = Vec::new();
    let mut fine = true;
    for segment in [None, Some(1400)] {
        let mut shards = by_shard(stage, 2)?;
        let (name, mut there) = shards.pop_first().context("no shard")?;
        let mut blocker = there.pop().context("nobody on it")?;
        let other = shards.values_mut().next().and_then(Vec::pop);
        let mut sender = other.context("the server needs two shards")?;
        let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
        while here.len() < 20 || elsewhere.len() < 20 {
            let mut client = Client::join_within(&stage.target, 30 * SECOND, segment)?;
            let side = if client.shard()? == name {
                &mut here
            } else {
                &mut elsewhere
            };
            if side.len() < 20 {
                client.ask(r#"["join","r"]"#)?;
                side.push(client);
            }
        }
        let (here, elsewhere) = (
            Crowd::start(here, sitting())?,
            Crowd::start(elsewhere, sitting())?,
        );
        blocker.send(&format!(r#"42["block",{}]"#, time.as_millis()))?;
        let sent = pour(&mut sender, time)?;
        sleep(3 * SECOND);
        let (got, there) = (here.events(), elsewhere.events());
        let (here, elsewhere) = (here.stop()?, elsewhere.stop()?);
        fine &= here.closed() + elsewhere.closed() == 0;
        let network = segment.map_or_else(
            || "loopback".to_owned(),
            |bytes| format!("segments of {bytes}"),
        );
        told.push((
            network,
            sent * 20,
            got,
            there,
            here.closed(),
            elsewhere.closed(),
        ));
    }
    for (network, due, got, there, closed, elsewhere) in told {
        Line::new(
            &format!("held up {} s, {network}", time.as_secs_f64()),
            &stage.name,
        )
        .with("closed on the held-up shard", format!("{closed} of 20"))
        .with("elsewhere", elsewhere)
        .with("received", format!("{got} and {there} of {due}"))
        .print();
    }
    Ok(fine)
}

pub(super) fn deaf(stage: &Stage) -> anyhow::Result<bool> {
    let (count, time) = (stage.clients(1000), stage.secs(8.0));
    let rude = Crowd::start(join_all(&stage.target, count)?, Habit::Deaf)?;
    let polite = Crowd::start(join_all(&stage.target, 20)?, echoing())?;
    let mut sender = Client::join(&stage.target)?;
    let watch = Watch::start(stage.pid);
    let frame = frame(&format!(r#"42["broadcast","{}"]"#, "x".repeat(200))).repeat(8);
    sender.stream.set_nonblocking(true)?;
    let (began, mut trash) = (Instant::now(), vec![0; 1 << 20]);
    let mut sent = 0;
    while began.elapsed() < time {
        // As fast as they are taken; what comes back to the sender is read.
        sent += sender.stream.write(&frame).unwrap_or(0);
        let _ = std::io::Read::read(&mut sender.stream, &mut trash);
        sleep(Duration::from_micros(200));
    }
    let (rude, polite) = (rude.stop()?, polite.stop()?);
    Line::new(&format!("{count} that do not read"), &stage.name)
        .with("memory", watch.told())
        .with("broadcasts", sent * 8 / frame.len())
        .with("closed of them", rude.ends())
        .with("polite closed", polite.closed())
        .with("echo", polite.answers.brief())
        .print();
    Ok(polite.closed() == 0)
}
