//! Answers: what does the server use.
//!
//! From /proc or from its own metrics page. Must not know what load it is under.

use crate::proto::http;
use anyhow::Context as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

/// One look at the server.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Resident memory, bytes.
    pub rss: u64,
    /// Its proportional share of memory, bytes; the figure for bytes per client. 0: not known.
    pub pss: u64,
    /// Processor time so far, user and system, seconds.
    pub cpu: f64,
    /// Open descriptors of the main thread's table.
    pub descriptors: u64,
    /// Memory of the whole machine's TCP sockets' queues, bytes.
    pub tcp_memory: u64,
    /// Unreclaimable kernel memory of the whole machine (sockets among it), bytes.
    pub kernel_memory: u64,
}

/// Where to look.
#[derive(Clone, Debug)]
pub enum Observer {
    /// Nowhere.
    Nothing,
    /// At processes and their children.
    Processes(Vec<u32>),
    /// At a page of Prometheus metrics: `host:port/path`.
    Page(String),
}

impl Observer {
    /// Checks that there is something to see.
    ///
    /// # Errors
    /// Names the process or page that is not there.
    pub fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Nothing => {}
            Self::Processes(pids) => {
                for pid in pids {
                    fs::metadata(format!("/proc/{pid}"))
                        .with_context(|| format!("no process {pid}"))?;
                }
            }
            Self::Page(url) => {
                let seen = page(url).with_context(|| format!("--scrape {url}"))?;
                anyhow::ensure!(
                    seen.rss > 0 || seen.cpu > 0.0,
                    "--scrape {url}: neither process_resident_memory_bytes nor \
                     process_cpu_seconds_total on the page"
                );
            }
        }
        Ok(())
    }

    /// Looks once; `None` where there is nothing to see (any more).
    #[must_use]
    pub fn look(&self) -> Option<Sample> {
        let mut sample = match self {
            Self::Nothing => return None,
            Self::Processes(pids) => processes(pids)?,
            Self::Page(url) => page(url).ok()?,
        };
        sample.tcp_memory = tcp_memory();
        sample.kernel_memory = kilobytes(
            &fs::read_to_string("/proc/meminfo").unwrap_or_default(),
            "SUnreclaim:",
        );
        Some(sample)
    }

    /// Processor seconds only: cheap enough to be asked at the very edge of a phase. `None` where a process
    /// that is watched has ended: what it used cannot be told any more.
    #[must_use]
    pub fn cpu(&self) -> Option<f64> {
        match self {
            Self::Nothing => None,
            Self::Processes(pids) => {
                if !pids.iter().all(|pid| is_running(*pid)) {
                    return None;
                }
                let seconds: f64 = with_children(pids).iter().map(|p| cpu(*p)).sum();
                Some(seconds)
            }
            Self::Page(url) => page(url).ok().map(|s| s.cpu),
        }
    }
}

fn processes(pids: &[u32]) -> Option<Sample> {
    // Of a group that has lost one, sums would fall: they are no longer the same group's.
    if !pids.iter().all(|pid| is_running(*pid)) {
        return None;
    }
    let mut sample = Sample::default();
    let mut found = false;
    for pid in with_children(pids) {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
            continue;
        };
        found = true;
        sample.rss += kilobytes(&status, "VmRSS:");
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sample.pss += kilobytes(&rollup, "Pss:");
        sample.cpu += cpu(pid);
        // Since Linux 6.2 the directory's size is the number of descriptors: no need to list it.
        sample.descriptors += fs::metadata(format!("/proc/{pid}/fd")).map_or(0, |m| m.size());
    }
    found.then_some(sample)
}

/// It is there, and more than an entry that waits for its parent to ask.
fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|text| {
            text.rsplit_once(") ")
                .map(|(_, rest)| rest.starts_with(['Z', 'X']))
        })
        .is_some_and(|dead| !dead)
}

fn with_children(pids: &[u32]) -> Vec<u32> {
    let mut all = pids.to_vec();
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|c| c.parse().ok()) {
                if !all.contains(&child) {
                    all.push(child);
                }
            }
        }
    }
    all
}

/// User and system time of a process and of its children that have ended.
#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of a process's life fit 53 bits"
)]
fn cpu(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; fields are counted from its end.
    let Some((_, fields)) = text.rsplit_once(") ") else {
        return 0.0;
    };
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|t| t.parse::<u64>().ok())
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn kilobytes(text: &str, key: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(key))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn tcp_memory() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let Some(line) = text.lines().find(|l| l.starts_with("TCP:")) else {
        return 0;
    };
    let mut words = line.split_whitespace().skip_while(|w| *w != "mem").skip(1);
    let pages: u64 = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

fn page(url: &str) -> anyhow::Result<Sample> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    let data = fetch(host, path)?;
    let answer = http::answer(&data).map_err(anyhow::Error::msg)?;
    let answer = answer.context("the page ended early")?;
    anyhow::ensure!(answer.status == 200, "HTTP {}", answer.status);
    // A body without a length goes on until the connection ends.
    let body = if answer.body.is_empty() {
        &data[answer.used..]
    } else {
        &answer.body
    };
    Ok(metrics(&String::from_utf8_lossy(body)))
}

/// Everything the server sends until it closes the connection.
fn fetch(host: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut data = Vec::new();
    stream.read_to_end(&mut data)?;
    Ok(data)
}

fn metrics(text: &str) -> Sample {
    // All series of a name together, whatever their labels: a server of several processes has one
    // for each.
    let value = |name: &str| -> f64 {
        let series = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let labelled = rest.strip_prefix('{').and_then(|r| r.split_once('}'));
            let rest = labelled.map_or(rest, |(_, value)| value);
            rest.strip_prefix(' ')?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        });
        series.sum()
    };
    #[expect(clippy::cast_sign_loss, reason = "a negative size becomes 0")]
    let size = |name| value(name).max(0.0) as u64;
    Sample {
        rss: size("process_resident_memory_bytes"),
        cpu: value("process_cpu_seconds_total"),
        descriptors: size("process_open_fds"),
        ..Sample::default()
    }
}

/// The machine and what is set on it, for reports.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kernel release.
    pub kernel: String,
    /// Processor's name.
    pub processor: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Memory, bytes.
    pub memory: u64,
    /// Settings that matter to many connections.
    pub settings: Vec<(String, String)>,
}

impl Environment {
    /// Reads it.
    #[must_use]
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|l| l.starts_with("model name"));
        let names = [
            "net/core/somaxconn",
            "net/ipv4/tcp_mem",
            "net/ipv4/tcp_rmem",
            "net/ipv4/tcp_wmem",
            "net/ipv4/ip_local_port_range",
            "net/ipv4/tcp_congestion_control",
            "fs/file-max",
        ];
        let setting = |name: &&str| {
            let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
            let words: Vec<_> = value.split_whitespace().collect();
            Some((name.replace('/', "."), words.join(" ")))
        };
        Self {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map(|k| k.trim().to_owned())
                .unwrap_or_default(),
            processor: model
                .and_then(|l| l.split_once(": "))
                .map(|(_, name)| name.to_owned())
                .unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory: kilobytes(
                &fs::read_to_string("/proc/meminfo").unwrap_or_default(),
                "MemTotal:",
            ),
            settings: names.iter().filter_map(setting).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_very_process() {
        let me = Observer::Processes(vec![std::process::id()]);
        let sample = me.look().unwrap();
        assert!(
            sample.rss > 1 << 20 && sample.pss > 0 && sample.descriptors > 0,
            "{sample:?}"
        );
        assert!(me.cpu().is_some());
        let gone = Observer::Processes(vec![std::process::id(), u32::MAX]);
        assert!(gone.look().is_none() && gone.cpu().is_none());
        assert!(Observer::Processes(vec![u32::MAX]).check().is_err());
    }

    #[test]
    fn reads_metrics() {
        let text = "# HELP x\nprocess_resident_memory_bytes 1.5e6\nprocess_cpu_seconds_total{pid=\"1\"} 2.0\n\
             process_cpu_seconds_total{pid=\"2\"} 0.25\nprocess_open_fds_limit 9\n";
        let sample = metrics(text);
        assert_eq!((sample.rss, sample.descriptors), (1_500_000, 0));
        assert!((sample.cpu - 2.25).abs() < 1e-9);
    }
}
