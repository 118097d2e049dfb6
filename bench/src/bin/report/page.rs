//! Answers: what do the pages of docs/benchmarks say.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use stentor_bench::versus::{Row, crossover, json};

use crate::criterion::Bench;

/// Nanoseconds with a unit that keeps the number short.
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 100.0 => format!("{ns:.1} ns"),
        ns if ns < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns < 10_000_000.0 => format!("{:.1} µs", ns / 1e3),
        ns => format!("{:.1} ms", ns / 1e6),
    }
}

fn by_table(rows: &[Row]) -> BTreeMap<&str, Vec<&Row>> {
    let mut tables: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        tables.entry(&row.table).or_default().push(row);
    }
    tables
}

fn write_rows<'a>(out: &mut String, rows: impl Iterator<Item = &'a Row>) -> fmt::Result {
    out.push_str("| work | bytes | ours | theirs | ours | theirs | ours / theirs | quartiles |\n");
    out.push_str("|---|--:|---|---|--:|--:|--:|--:|\n");
    for row in rows {
        let bytes = if row.bytes == 0 {
            String::new()
        } else {
            row.bytes.to_string()
        };
        let (low, high) = row.quartiles;
        writeln!(
            out,
            "| {} | {bytes} | {} | {} | {} | {} | **{:.2}** | {low:.2}–{high:.2} |",
            row.work,
            row.ours,
            row.theirs,
            time(row.ours_ns),
            time(row.theirs_ns),
            row.ratio,
        )?;
    }
    Ok(())
}

const METHOD: &str = "Both sides run in turn on the same input in 31 rounds of 2 ms each, timed by \
the thread's own CPU time; the ratio is taken within a round and the median over the rounds is \
shown with its quartiles. Below 1 ours is faster. Nanoseconds are medians too and move with the \
neighbours' load; ratios move less, instruction counts (`scripts/guard`) not at all.\n\n";

/// Rows that are lost when they are above 1: all but those that choose between two libraries.
fn is_contest(row: &Row) -> bool {
    row.table != json::FIRST && row.table != json::LIST
}

/// README.md: the crossover, what is lost, and where the rest is.
pub(crate) fn summary(head: &str, rows: &[Row]) -> Result<String, fmt::Error> {
    let mut out = format!("# Benchmarks\n\n{head}\n{METHOD}");
    out.push_str(
        "- [comparisons.md](comparisons.md): against socketioxide's parsers, serde_json against \
         simd-json, the engine's JSON scan against `IgnoredAny`, fan-out with and without others\n\
         - [benches.md](benches.md): every criterion bench\n\
         - [scale.md](scale.md): what a message costs on 64 shards with a million sessions, counted\n\
         - bench/guard.toml: instructions of the hot paths, compared by `scripts/guard`\n\n\
         ## serde_json or simd-json\n\nThe size from which simd-json, its copy included, stays faster:\n\n\
         | arguments | shape | from |\n|---|---|--:|\n",
    );
    for table in [json::FIRST, json::LIST] {
        let mut works: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.table == table) {
            works.entry(&row.work).or_default().push(row);
        }
        for (work, rows) in works {
            let from = crossover(&rows);
            let from = from.map_or_else(|| "never up to 1 MiB".to_owned(), |n| format!("{n} B"));
            writeln!(out, "| {table} | {work} | {from} |")?;
        }
    }
    out.push_str("\n![](json-first.svg)\n![](json-list.svg)\n![](json-scan.svg)\n");
    out.push_str("![](fan-out.svg)\n![](select.svg)\n\n## What we lose\n\n");
    let lost: Vec<_> = rows
        .iter()
        .filter(|row| is_contest(row) && row.ratio > 1.0)
        .collect();
    write_rows(&mut out, lost.into_iter())?;
    out.push_str(
        "\nIn `json, check only` the engine's own scan is compared with serde_json's `IgnoredAny`, with \
         which socketioxide passes over an event's arguments: where the scan is slower, so are the \
         rows of large events. The fan-out rows need the same instructions with and without the \
         others (`room_1000_of_1000` and `room_1000_of_21000` in bench/guard.toml); what members \
         spread over a million sessions cost more is cache misses. The two sides evict each other \
         here; benches.md has the same broadcast without that.\n",
    );
    Ok(out)
}

/// comparisons.md.
pub(crate) fn comparisons(head: &str, rows: &[Row]) -> Result<String, fmt::Error> {
    let mut out = format!("# Comparisons\n\n{head}\n{METHOD}");
    for (table, rows) in by_table(rows) {
        writeln!(out, "## {table}\n")?;
        write_rows(&mut out, rows.into_iter())?;
        out.push('\n');
    }
    Ok(out)
}

/// benches.md.
pub(crate) fn benches(head: &str, benches: &[Bench]) -> Result<String, fmt::Error> {
    let mut out = format!("# Benches\n\n{head}\n");
    out.push_str(
        "Criterion's median with its 95 % interval: CPU time of the thread, except `mailbox, \
         threads` and `server`, which are wall time of threads that work together.\n",
    );
    let mut group = "";
    for bench in benches {
        if bench.group != group {
            group = &bench.group;
            writeln!(
                out,
                "\n## {group}\n\n| bench | size | median | interval | each |"
            )?;
            out.push_str("|---|--:|--:|--:|--:|\n");
        }
        let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let each = match (bench.elements, bench.bytes) {
            (Some(n @ 2..), _) => time(bench.ns / count(n)),
            (_, Some(n)) => format!("{:.2} GB/s", count(n) / bench.ns),
            _ => String::new(),
        };
        let (low, high) = bench.interval;
        writeln!(
            out,
            "| {} | {} | {} | {}–{} | {each} |",
            bench.function,
            bench.value.as_deref().unwrap_or_default(),
            time(bench.ns),
            time(low),
            time(high),
        )?;
    }
    Ok(out)
}

/// scale.md.
pub(crate) fn scale(head: &str, table: &str) -> Result<String, fmt::Error> {
    let mut out = format!("# Cost against size\n\n{head}\n");
    writeln!(
        out,
        "64 hubs in one thread, sessions spread evenly, every one in `/`; a message is published on \
         shard 0, its mail is delivered, every shard ends its turn. Counted, so exact: the same \
         message costs the same mails, shards and writes whoever else is connected (asserted; \
         `cargo run --release -p stentor-bench --bin scale`, at reduced size in bench/tests). CPU \
         time is shown for orientation; a larger server has colder caches.\n\n{table}"
    )?;
    Ok(out)
}
