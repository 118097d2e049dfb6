//! Answers: how do the comparisons look, drawn.

use std::collections::BTreeMap;

use stentor_bench::versus::{Row, json};

use crate::chart::{Chart, Line};

fn ratios<'a>(rows: &'a [Row], table: &str, flip: bool) -> BTreeMap<&'a str, Vec<(f64, f64)>> {
    let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.table == table) {
        let bytes = u32::try_from(row.bytes).unwrap_or(u32::MAX);
        let ratio = if flip { 1.0 / row.ratio } else { row.ratio };
        lines
            .entry(&row.work)
            .or_default()
            .push((f64::from(bytes), ratio));
    }
    lines
}

fn chart(title: &str, y: &str, lines: BTreeMap<&str, Vec<(f64, f64)>>) -> Chart {
    Chart {
        title: title.to_owned(),
        x: "bytes of JSON".to_owned(),
        y: y.to_owned(),
        log_y: true,
        level: Some(1.0),
        lines: lines
            .into_iter()
            .map(|(name, points)| Line {
                name: name.to_owned(),
                points,
                dashed: name.starts_with("text"),
            })
            .collect(),
    }
}

/// File names and drawings.
pub(crate) fn charts(rows: &[Row]) -> anyhow::Result<Vec<(String, String)>> {
    let faster = "times as fast as serde_json";
    let first = chart(
        "simd-json with its copy against serde_json: one argument",
        faster,
        ratios(rows, json::FIRST, false),
    );
    let list = chart(
        "simd-json against serde_json: all arguments",
        faster,
        ratios(rows, json::LIST, false),
    );
    let scan = chart(
        "The engine's scan against serde_json's IgnoredAny",
        "times as fast as IgnoredAny",
        ratios(rows, json::SCAN, true),
    );
    Ok(vec![
        ("json-first.svg".to_owned(), first.svg()?),
        ("json-list.svg".to_owned(), list.svg()?),
        ("json-scan.svg".to_owned(), scan.svg()?),
    ])
}
