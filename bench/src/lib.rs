//! Answers: how much does each path cost, against whom, and did that change.
//!
//! [`clock`] measures, [`input`] is what every side is given, [`crowd`] is a hub with clients,
//! [`paths`] are the hot paths that criterion times and the guard counts instructions of,
//! [`versus`] compares in interleaved rounds, [`rig`] is a whole server with minimal clients,
//! [`scale`] counts what 64 hubs do, [`floor`] is the least that any server must do. It must not know anything that is private to the engine or
//! the server: what cannot be reached from outside is not measured.

pub mod clock;
pub mod crowd;
pub mod floor;
pub mod input;
pub mod paths;
pub mod rig;
pub mod scale;
pub mod versus;

/// Whether this process measures, rather than only showing that the benches work: `cargo bench`
/// passes `--bench`, `cargo test` does not.
#[must_use]
pub fn measuring() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// `size` when measuring, at most `small` in a test.
#[must_use]
pub fn at_most(size: usize, small: usize) -> usize {
    if measuring() { size } else { size.min(small) }
}
