//! Answers: what did criterion find out.
//!
//! It reads the files that `cargo bench` leaves, because criterion has no interface for it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use serde::Deserialize;

use crate::chart::{Chart, Line};

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Throughput>,
}

#[derive(Deserialize)]
enum Throughput {
    Bytes(u64),
    Elements(u64),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// One bench.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) group: String,
    pub(crate) function: String,
    pub(crate) value: Option<String>,
    /// Median nanoseconds of one iteration, and its 95 % interval.
    pub(crate) ns: f64,
    pub(crate) interval: (f64, f64),
    pub(crate) elements: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

fn load(folder: &Path) -> anyhow::Result<Bench> {
    let file = |name| fs::read_to_string(folder.join(name));
    let bench: Benchmark = serde_json::from_str(&file("benchmark.json")?)?;
    let median = serde_json::from_str::<Estimates>(&file("estimates.json")?)?.median;
    let (elements, bytes) = match bench.throughput {
        Some(Throughput::Elements(n)) => (Some(n), None),
        Some(Throughput::Bytes(n)) => (None, Some(n)),
        Some(Throughput::Other) | None => (None, None),
    };
    Ok(Bench {
        group: bench.group_id,
        function: bench.function_id.unwrap_or_default(),
        value: bench.value_str,
        ns: median.point_estimate,
        interval: (
            median.confidence_interval.lower_bound,
            median.confidence_interval.upper_bound,
        ),
        elements,
        bytes,
    })
}

fn walk(folder: &Path, benches: &mut Vec<Bench>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "new") {
            benches.push(load(&path).with_context(|| path.display().to_string())?);
        } else if path.is_dir() {
            walk(&path, benches)?;
        }
    }
    Ok(())
}

/// All results in criterion's folder, in order of their names.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Bench>> {
    let mut benches = Vec::new();
    walk(folder, &mut benches).with_context(|| folder.display().to_string())?;
    let size = |bench: &Bench| {
        bench
            .value
            .as_ref()
            .and_then(|value| value.parse::<u64>().ok())
    };
    benches.sort_by(|a, b| (&a.group, &a.function, size(a)).cmp(&(&b.group, &b.function, size(b))));
    Ok(benches)
}

/// Nanoseconds per element by size, a line for each function of a group.
pub(crate) fn charts(benches: &[Bench]) -> anyhow::Result<Vec<(String, String)>> {
    let mut charts = Vec::new();
    for (group, file, title) in [
        (
            "fan-out",
            "fan-out.svg",
            "Broadcast of 128 B through a hub: ns per receiver",
        ),
        ("select", "select.svg", "Selecting members: ns per member"),
    ] {
        let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for bench in benches.iter().filter(|bench| bench.group == group) {
            let size: f64 = bench.value.as_deref().unwrap_or("1").parse()?;
            let per = bench.ns / size;
            lines.entry(&bench.function).or_default().push((size, per));
        }
        let lines = lines
            .into_iter()
            .map(|(name, points)| Line {
                name: name.to_owned(),
                points,
                dashed: false,
            })
            .collect();
        let chart = Chart {
            title: title.to_owned(),
            x: "members".to_owned(),
            y: "ns each".to_owned(),
            log_y: false,
            level: None,
            lines,
        };
        charts.push((file.to_owned(), chart.svg()?));
    }
    Ok(charts)
}
