//! Answers: what happened, and is it the same as last time.
//!
//! Every line goes into a hash (the whole run) and into a short memory (what a failure prints).

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use crate::time::Tick;

/// Lines a failure shows.
const KEPT: usize = 500;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Log {
    hash: u64,
    lines: VecDeque<String>,
}

impl Log {
    pub(super) const fn new() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: VecDeque::new(),
        }
    }

    pub(super) fn line(&mut self, now: Tick, what: fmt::Arguments<'_>) {
        let mut line = if self.lines.len() < KEPT {
            String::new()
        } else {
            self.lines.pop_front().unwrap_or_default()
        };
        line.clear();
        write!(line, "{:>7} {what}", now.0).expect("writing to a string");
        for byte in line.bytes() {
            // FNV-1a: short, and good enough to tell two logs apart.
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines.push_back(line);
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
