//! Answers: how do the seconds of a run look as CSV.
//!
//! Must not compute anything new.

use super::Report;
use std::io::{self, Write};

/// Writes a header and one line a second; times in seconds, sizes in bytes.
///
/// # Errors
/// The writer's.
pub fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "at,phase,wanted,ready,sent_per_s,received_per_s,connected_per_s,p50,p90,p99,p999,max,\
         lag_p99,errors,server_rss,server_pss,server_cores,server_descriptors,tcp_memory,\
         kernel_memory"
    )?;
    for s in &report.seconds {
        let phase = report
            .phases
            .get(s.phase)
            .map_or("drain", |p| p.name.as_str());
        let latency = s.latency.unwrap_or_default();
        let server = s.server.unwrap_or_default();
        write!(
            out,
            "{:.3},{},{},{},",
            s.at,
            quoted(phase),
            s.wanted,
            s.ready
        )?;
        write!(out, "{:.1},{:.1},{:.1},", s.sent, s.received, s.connected)?;
        let (p50, p90, p99) = (latency.p50, latency.p90, latency.p99);
        write!(
            out,
            "{p50:.9},{p90:.9},{p99:.9},{:.9},{:.9},",
            latency.p999, latency.max
        )?;
        write!(
            out,
            "{:.9},{},{},{},",
            s.lag_p99, s.errors, server.rss, server.pss
        )?;
        let cores = s.server_cores.unwrap_or(0.0);
        write!(out, "{cores:.3},{},", server.descriptors)?;
        writeln!(out, "{},{}", server.tcp_memory, server.kernel_memory)?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_names_are_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
