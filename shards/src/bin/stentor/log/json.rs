//! Answers: what does a line of the log look like as JSON.
//!
//! One object a line: `timestamp`, `level`, `target` and `message`, then what the line tells, each as a field of
//! the same object.

use std::fmt::{self, Debug, Write as _};

use serde::Serialize;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// A line that is being written.
pub(super) struct Line(String);

impl Line {
    pub(super) fn new(level: Level) -> Self {
        let mut now = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut now));
        let mut line = Self("{".to_owned());
        line.field("timestamp", &now);
        line.field("level", level.as_str());
        line
    }

    pub(super) fn field(&mut self, name: &str, value: impl Serialize) {
        // Neither fails: nothing here is a map with odd keys.
        let name = serde_json::to_string(name).unwrap_or_default();
        let value = serde_json::to_string(&value).unwrap_or_default();
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}{name}:{value}");
    }

    /// The line, with its end.
    pub(super) fn end(self) -> String {
        self.0 + "}\n"
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field.name(), format_args!("{value:?}"));
    }
}

/// What `tracing` tells, as JSON.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line::new(*metadata.level());
        line.field("target", metadata.target());
        event.record(&mut line);
        writer.write_str(&line.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object() {
        let mut line = Line::new(Level::WARN);
        line.field("message", "a \"line\"\n");
        line.field("count", 3_u64);
        let text = line.end();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["level"], "WARN");
        assert_eq!(read["message"], "a \"line\"\n");
        assert_eq!(read["count"], 3);
        assert!(read["timestamp"].as_str().unwrap().ends_with('Z'), "{read}");
    }
}
