//! Answers: what of descriptor tables is there where a process has but one, as everywhere but on Linux.
//!
//! The same items as `linux` beside it. A server that asks for a table for each shard does not start.

use std::{convert::Infallible, io, net::TcpStream};

/// There is no other table to go to.
pub(super) fn leave_table() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The sending end of a way that there is not.
#[derive(Debug)]
pub(crate) struct PassageTo(Infallible);

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Passage(Infallible);

/// No way for connections from one table to another.
pub(crate) fn passage() -> io::Result<(PassageTo, Passage)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether too many connections are on the way.
pub(crate) const fn is_full(_: &io::Error) -> bool {
    false
}

impl PassageTo {
    pub(crate) fn send(&self, _: u64, _: &TcpStream) -> io::Result<()> {
        match self.0 {}
    }
}

impl Passage {
    pub(crate) fn claim(&mut self, _: u64) -> io::Result<TcpStream> {
        match self.0 {}
    }
}
