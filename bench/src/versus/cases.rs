//! Answers: which comparisons are there.

use stentor_engine::hub::Selection;

use super::{Name, Rounds, Row, json, parsers};
use crate::crowd::{Crowd, everybody};

/// How large a run of the comparisons is.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How long to look at each.
    pub rounds: Rounds,
    /// The largest JSON.
    pub bytes_max: usize,
    /// Sessions that are held besides.
    pub others: usize,
}

impl Extent {
    /// For figures that are published.
    pub const FULL: Self = Self {
        rounds: Rounds::FULL,
        bytes_max: 1 << 20,
        others: 1_000_000,
    };
    /// To see that it works.
    pub const SMOKE: Self = Self {
        rounds: Rounds::SMOKE,
        bytes_max: 1 << 10,
        others: 1_000,
    };
}

/// All comparisons, with a word for each table that is begun.
pub fn all(extent: Extent, mut begins: impl FnMut(&str)) -> Vec<Row> {
    let mut rows = Vec::new();
    begins("parsers");
    parsers::compare(extent.rounds, &mut rows);
    begins("json");
    json::compare(extent, &mut rows);
    begins("fan-out");
    fan_out(extent, &mut rows);
    rows
}

/// The table of [`fan_out`].
pub const FAN_OUT: &str = "fan-out";

/// A broadcast to a few, alone and with many others held.
fn fan_out(extent: Extent, rows: &mut Vec<Row>) {
    for members in [10, 1_000, 10_000]
        .into_iter()
        .filter(|n| *n <= extent.others.min(10_000))
    {
        let room = || -> Selection { everybody().to("room") };
        let mut alone = Crowd::of(members).with_room("room", members);
        let mut many = Crowd::of(members + extent.others);
        for member in 0..members {
            many.hub.join(many.sockets[member], "room");
        }
        let mut spread = Crowd::of(members + extent.others).with_room("room", members);
        let name = |theirs| Name {
            table: FAN_OUT,
            work: format!(
                "128 B to a room of {members}, {} others held",
                extent.others
            ),
            bytes: members,
            ours: "with the others",
            theirs,
        };
        let beside = name("alone (members came one after the other)");
        rows.push(extent.rounds.compare(
            beside,
            || many.broadcast(room()),
            || alone.broadcast(room()),
        ));
        let among = name("alone (members spread evenly among the others)");
        rows.push(extent.rounds.compare(
            among,
            || spread.broadcast(room()),
            || alone.broadcast(room()),
        ));
    }
}
