//! Answers: what does each part cost, in time.
//!
//! Every bench is in this one binary: `cargo bench -p stentor-bench [filter]`. `cargo test` runs each
//! once with small sizes.
//!
//! Timed by the thread's CPU time, except where threads work together (mailbox, server).

mod codec;
mod fanout;
mod hot;
mod net;
mod rooms;
mod server;
mod wheel;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use stentor_bench::clock::{Bench, ThreadTime};

// As the server's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu() -> Bench {
    Criterion::default()
        .with_measurement(ThreadTime)
        .sample_size(30)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args()
}

fn wall() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args()
}

criterion_group! {
    name = alone;
    config = cpu();
    targets = codec::bench, fanout::bench, fanout::outbox, hot::bench, net::reader, rooms::bench,
        rooms::select, wheel::bench, net::mailbox_alone
}
criterion_group! {
    name = together;
    config = wall();
    targets = net::mailbox_senders, server::bench
}
criterion_main!(alone, together);
