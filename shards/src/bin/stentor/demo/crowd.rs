//! Answers: how many idle clients are there, who holds them, and what was seen of them.
//!
//! They are in a process of their own ([`super::idle`]), so that what the server's memory shows is the
//! server's. A line with a number on its stdin says how many there are to be; what it sees it says line by
//! line on stdout. It ends when its stdin does.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use serde::Serialize;

use super::{meters, words::Refusal};

/// Idle clients that the demo holds, if the system allows so many open files.
const MOST: usize = 20_000;
/// Open files that are not idle clients'.
const OTHER_FILES: usize = 1_000;

/// Something about the idle clients that all tabs are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum News {
    /// All that were asked for are there, after so long.
    Added { clients: usize, ms: u64 },
    /// All that were cut off are there again.
    Back { clients: usize, ms: u64 },
    /// A broadcast has reached so many: the first, the one in the middle and the last, in microseconds.
    Reached {
        clients: usize,
        first: u64,
        median: u64,
        last: u64,
    },
    /// The process that holds them could not be started, or has ended.
    Failed { why: String },
}

#[derive(Debug, Default)]
struct Seen {
    wanted: usize,
    up: usize,
    lost: usize,
    /// Memory before the first of them came.
    before: Option<u64>,
    adding: Option<(Instant, usize)>,
    cut: Option<Cut>,
}

#[derive(Debug)]
struct Cut {
    at: Instant,
    clients: usize,
    /// The process will have counted so many losses.
    lost: usize,
}

enum Order {
    Hold(usize),
    End,
}

/// The idle clients.
#[derive(Debug)]
pub(super) struct Crowd {
    orders: Mutex<Sender<Order>>,
    seen: Mutex<Seen>,
    most: usize,
}

/// What is to be done by the crowd's own thread.
pub(super) struct Orders(Receiver<Order>);

/// As many open files as the system allows this process.
pub(super) fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let allowed = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    allowed.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

impl Crowd {
    pub(super) fn new(files: usize) -> (Self, Orders) {
        let (orders, taken) = channel();
        let crowd = Self {
            orders: Mutex::new(orders),
            seen: Mutex::default(),
            most: MOST.min(files.saturating_sub(OTHER_FILES)),
        };
        (crowd, Orders(taken))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: Order) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = orders.send(order); // its thread ends with the server
    }

    /// The most there can be.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// How many there are, and are to be.
    pub(super) fn size(&self) -> (usize, usize) {
        let seen = self.seen();
        (seen.up, seen.wanted)
    }

    /// Memory before the first came.
    pub(super) fn before(&self) -> Option<u64> {
        self.seen().before
    }

    /// So many more.
    ///
    /// # Errors
    /// [`Refusal::NoRoom`].
    pub(super) fn add(&self, clients: usize) -> Result<usize, Refusal> {
        let mut seen = self.seen();
        let wanted = seen.wanted.saturating_add(clients);
        if clients == 0 || wanted > self.most {
            return Err(Refusal::NoRoom);
        }
        if seen.before.is_none() {
            seen.before = meters::memory();
        }
        seen.wanted = wanted;
        seen.adding = Some((Instant::now(), clients));
        drop(seen);
        self.order(Order::Hold(wanted));
        Ok(wanted)
    }

    pub(super) fn remove_all(&self) {
        let mut seen = self.seen();
        seen.wanted = 0;
        (seen.adding, seen.cut) = (None, None);
        drop(seen);
        self.order(Order::Hold(0));
    }

    /// So many are about to be cut off.
    pub(super) fn cut(&self, clients: usize) {
        let mut seen = self.seen();
        let lost = seen.lost + clients;
        let at = Instant::now();
        seen.cut = (clients > 0).then_some(Cut { at, clients, lost });
    }

    /// What one line of the process tells, if it is news.
    fn hear(&self, line: &str) -> Option<News> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        match (kind, &*numbers) {
            ("up", &[up, wanted, lost]) => {
                let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
                self.hear_up(count(up), count(wanted), count(lost))
            }
            ("reached", &[clients, first, median, last]) => Some(News::Reached {
                clients: usize::try_from(clients).unwrap_or(usize::MAX),
                first,
                median,
                last,
            }),
            _ => None,
        }
    }

    fn hear_up(&self, up: usize, wanted: usize, lost: usize) -> Option<News> {
        let mut seen = self.seen();
        (seen.up, seen.lost) = (up, lost);
        if up < seen.wanted || wanted != seen.wanted {
            return None;
        }
        let ms = |since: Instant| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if seen.cut.as_ref().is_some_and(|cut| lost >= cut.lost) {
            let cut = seen.cut.take()?;
            return Some(News::Back {
                clients: cut.clients,
                ms: ms(cut.at),
            });
        }
        let (since, clients) = seen.adding.take()?;
        Some(News::Added {
            clients,
            ms: ms(since),
        })
    }

    fn ended(&self) {
        let mut seen = self.seen();
        let before = seen.before;
        *seen = Seen {
            before,
            ..Seen::default()
        };
    }

    pub(super) fn end(&self) {
        self.order(Order::End);
    }
}

/// Does what is ordered, on a thread of its own: a process that a shard starts would be kept to the shard's
/// core. Ends with [`Crowd::end`].
pub(super) fn manage(
    crowd: &Arc<Crowd>,
    orders: &Orders,
    address: SocketAddr,
    tell: &Arc<dyn Fn(News) + Send + Sync>,
) {
    let mut process: Option<(Child, ChildStdin)> = None;
    while let Ok(Order::Hold(clients)) = orders.0.recv() {
        let mut held = Ok(());
        if process.is_none() && clients > 0 {
            match start(crowd, address, tell) {
                Ok(started) => process = Some(started),
                Err(error) => held = Err(error),
            }
        }
        if let Some((_, stdin)) = &mut process {
            held = writeln!(stdin, "{clients}").and_then(|()| stdin.flush());
        }
        if let Err(error) = held {
            end(process.take());
            crowd.ended();
            tell(News::Failed {
                why: error.to_string(),
            });
        }
    }
    end(process);
}

fn end(process: Option<(Child, ChildStdin)>) {
    if let Some((mut child, stdin)) = process {
        drop(stdin);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn start(
    crowd: &Arc<Crowd>,
    address: SocketAddr,
    tell: &Arc<dyn Fn(News) + Send + Sync>,
) -> io::Result<(Child, ChildStdin)> {
    // The program that runs, also if its file has been replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.args(["demo-idle", &address.to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let missing = || io::Error::other("the process has no pipes");
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let (crowd, tell) = (Arc::clone(crowd), Arc::clone(tell));
    let reader = thread::Builder::new().name("idle clients".into());
    reader.spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(news) = crowd.hear(&line) {
                tell(news);
            }
        }
        if crowd.size().1 > 0 {
            crowd.ended();
            tell(News::Failed {
                why: "their process has ended".to_owned(),
            });
        }
    })?;
    Ok((child, stdin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_the_files_allow() {
        let (crowd, _orders) = Crowd::new(1_500);
        assert_eq!(crowd.most(), 500);
        assert_eq!(crowd.add(0), Err(Refusal::NoRoom));
        assert_eq!(crowd.add(501), Err(Refusal::NoRoom));
        assert_eq!(crowd.add(400), Ok(400));
        assert_eq!(crowd.add(101), Err(Refusal::NoRoom));
        assert_eq!(crowd.add(usize::MAX), Err(Refusal::NoRoom));
        crowd.remove_all();
        assert_eq!(crowd.add(500), Ok(500));
        assert_eq!(Crowd::new(usize::MAX).0.most(), MOST);
    }

    #[test]
    fn who_was_cut_off_is_back_when_all_are() {
        let (crowd, _orders) = Crowd::new(usize::MAX);
        crowd.add(10).unwrap();
        assert_eq!(crowd.hear("up 4 10 0"), None);
        let added = crowd.hear("up 10 10 0");
        assert!(matches!(added, Some(News::Added { clients: 10, .. })));
        crowd.cut(6);
        // Said before the losses were seen.
        assert_eq!(crowd.hear("up 10 10 0"), None);
        assert_eq!(crowd.hear("up 4 10 6"), None);
        let back = crowd.hear("up 10 10 6");
        assert!(
            matches!(back, Some(News::Back { clients: 6, .. })),
            "{back:?}"
        );
        assert_eq!(crowd.hear("up 10 10 6"), None);
        assert_eq!(crowd.hear("nonsense"), None);
        let reached = crowd.hear("reached 10 1 2 3");
        assert!(matches!(reached, Some(News::Reached { last: 3, .. })));
    }
}
