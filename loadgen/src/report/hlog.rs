//! Answers: how do the seconds' histograms look as an `HdrHistogram` V2 log, for any tool that reads those.
//!
//! Must not know what is measured.

use crate::clock::{Nanos, SECOND};
use crate::stats::Timing;
use anyhow::Context as _;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

/// Writes intervals of one second each, tagged `planned` (latency from the planned instant) and
/// `sent` (uncorrected); values in nanoseconds, maxima in milliseconds.
///
/// # Errors
/// The writer's.
pub fn write(
    started: u64,
    intervals: &[(Nanos, Timing, Timing)],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_secs(started);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("stentor-loadgen; values in nanoseconds")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    for (at, planned, sent) in intervals {
        let begin = Duration::from_nanos(at.saturating_sub(SECOND));
        for (name, timing) in [("planned", planned), ("sent", sent)] {
            let Some(histogram) = timing.histogram() else {
                continue;
            };
            log.write_histogram(histogram, begin, Duration::from_secs(1), Tag::new(name))
                .map_err(|error| anyhow::anyhow!("{error:?}"))
                .context("histogram log")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;

    #[test]
    fn a_log_reads_back() {
        let mut timing = Timing::default();
        timing.record(5_000_000);
        let mut out = Vec::new();
        write(
            1_700_000_000,
            &[(SECOND * 3, timing, Timing::default())],
            &mut out,
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        let line = text
            .lines()
            .find(|l| l.starts_with("Tag=planned,"))
            .unwrap();
        let encoded = line.rsplit(',').next().unwrap();
        let bytes = base64::prelude::BASE64_STANDARD.decode(encoded).unwrap();
        let back: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .unwrap();
        assert_eq!((back.len(), back.value_at_quantile(0.5) / 100_000), (1, 50));
        assert!(
            !text.contains("Tag=sent"),
            "nothing recorded, nothing written"
        );
    }
}
