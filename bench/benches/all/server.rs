//! Answers: what does a whole server in process cost over loopback, beside a mirror of bytes.
//!
//! Wall time, and the client's work is part of it: for ratios between rows, not for a server's capacity.

use std::io::{Read, Write};

use criterion::{BenchmarkId, Criterion};
use stentor_bench::{at_most, clock::elements, rig};

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

pub(super) fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("server");
    let server = rig::server();
    mirror(&mut group);
    let mut clients = rig::clients(server.address(), 1);
    for (bytes, flight) in [(64, 1), (64, 16), (1024, 1)] {
        let frames = rig::event_frame("echo", bytes).repeat(flight);
        group.throughput(elements(flight));
        group.bench_function(
            BenchmarkId::new(format!("echo {bytes} B, in flight"), flight),
            |b| {
                b.iter(|| {
                    clients[0].send(&frames).expect("the server reads");
                    clients[0].skip_frames(flight).expect("the server answers");
                });
            },
        );
    }
    for size in [100, 1_000] {
        let count = at_most(size, 20);
        let missing = count.saturating_sub(clients.len());
        clients.extend(rig::clients(server.address(), missing));
        let frame = rig::event_frame("all", 128);
        group.throughput(elements(count));
        group.bench_function(BenchmarkId::new("broadcast 128 B, receivers", size), |b| {
            b.iter(|| {
                clients[0].send(&frame).expect("the server reads");
                for client in &mut clients {
                    client.skip_frames(1).expect("the server sends");
                }
            });
        });
    }
    group.finish();
    drop(clients);
    server.stop().expect("no shard has died");
}

fn mirror(group: &mut Group<'_>) {
    let mut stream = rig::mirror();
    for bytes in [64, 1024] {
        let frame = rig::event_frame("echo", bytes);
        let mut buffer = vec![0; frame.len()];
        group.throughput(elements(1));
        group.bench_function(
            BenchmarkId::new("mirror of bytes, no protocol", bytes),
            |b| {
                b.iter(|| {
                    stream.write_all(&frame).expect("the mirror reads");
                    stream.read_exact(&mut buffer).expect("the mirror writes");
                });
            },
        );
    }
}
