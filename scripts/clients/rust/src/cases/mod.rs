mod acks;
mod connect;
mod disconnect;
mod events;
mod large;
mod order;
mod restart;
mod rooms;

use futures_util::future::LocalBoxFuture;

use crate::bench::Bench;

pub type Case = fn(Bench) -> LocalBoxFuture<'static, anyhow::Result<()>>;

pub fn all(transport_name: &str) -> impl Iterator<Item = (&'static str, &'static str, Case)> {
    let large = if transport_name == "polling" {
        &[]
    } else {
        large::CASES
    };
    [
        ("connect", connect::CASES),
        ("events", events::CASES),
        ("large", large),
        ("acks", acks::CASES),
        ("rooms", rooms::CASES),
        ("disconnect", disconnect::CASES),
        ("order", order::CASES),
        ("restart", restart::CASES),
    ]
    .into_iter()
    .flat_map(|(topic, cases)| cases.iter().map(move |&(name, case)| (topic, name, case)))
}

/// Fails the case, showing both sides, when they differ.
macro_rules! ensure_eq {
    ($left:expr, $right:expr) => {{
        let (left, right) = ($left, $right);
        anyhow::ensure!(left == right, "got {left:?}, expected {right:?}");
    }};
}
pub(crate) use ensure_eq;

/// The list of a module's cases, each an `async fn(Bench) -> Result<()>`.
macro_rules! cases {
    ($($name:literal => $case:path),* $(,)?) => {
        pub const CASES: &[(&str, $crate::cases::Case)] =
            &[$(($name, |bench| Box::pin($case(bench)))),*];
    };
}
pub(crate) use cases;
