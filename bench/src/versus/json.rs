//! Answers: from which size on is simd-json faster than `serde_json`, and is the engine's own scan
//! worth its code.
//!
//! As the server decodes: one argument is read by `serde_json` in place, while simd-json needs a
//! copy that it may write to; all arguments need brackets around them, a copy on both sides.

use std::hint::black_box;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value as Json;
use stentor_engine::sio::json;

use super::{Name, Row, cases::Extent};
use crate::input::{self, Record, Text};

/// The table of one argument.
pub const FIRST: &str = "json, first argument";
/// The table of all arguments.
pub const LIST: &str = "json, list of arguments";
/// The table of the check.
pub const SCAN: &str = "json, check only";

type Rows = Vec<Row>;

pub(super) fn compare(extent: Extent, rows: &mut Rows) {
    let sizes = (6..=20).map(|power| 1 << power);
    for bytes in sizes.take_while(|bytes| *bytes <= extent.bytes_max) {
        let (records, text) = (input::records(bytes), input::text(bytes));
        // One record is more than 64 bytes: the two smallest would be the same input.
        if bytes > 64 {
            decode::<Json>(extent, rows, "records as Value", &records);
            decode::<Vec<Record>>(extent, rows, "records as struct", &records);
            scan(extent, rows, "records", &records);
        }
        decode::<Json>(extent, rows, "text as Value", &text);
        decode::<Text>(extent, rows, "text as struct", &text);
        scan(extent, rows, "text", &text);
    }
}

fn name(table: &'static str, work: &str, json: &str) -> Name {
    let bytes = json.len();
    Name {
        table,
        work: work.to_owned(),
        bytes,
        ours: "serde_json",
        theirs: "simd-json",
    }
}

/// What `simd_json` is given: a copy that it may write to.
fn copy(json: &str) -> Vec<u8> {
    format!("[{json}]").into_bytes()
}

fn decode<T: DeserializeOwned>(extent: Extent, rows: &mut Rows, work: &str, json: &str) {
    let simd = || {
        let mut copy = copy(black_box(json));
        black_box(simd_json::serde::from_slice::<(T,)>(&mut copy)).expect("JSON");
    };
    rows.push(extent.rounds.compare(
        name(FIRST, work, json),
        || {
            let value: T = serde_json::from_str(black_box(json)).expect("JSON");
            black_box(value);
        },
        simd,
    ));
    rows.push(extent.rounds.compare(
        name(LIST, work, json),
        || {
            let copy = copy(black_box(json));
            black_box(serde_json::from_slice::<(T,)>(&copy)).expect("JSON");
        },
        simd,
    ));
}

fn scan(extent: Extent, rows: &mut Rows, work: &str, json: &str) {
    let name = Name {
        ours: "stentor-engine's scan",
        theirs: "serde_json, IgnoredAny",
        ..name(SCAN, work, json)
    };
    rows.push(extent.rounds.compare(
        name,
        || {
            json::check(black_box(json)).expect("JSON");
        },
        || {
            black_box(serde_json::from_str::<IgnoredAny>(black_box(json))).expect("JSON");
        },
    ));
}
