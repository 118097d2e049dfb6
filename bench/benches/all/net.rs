//! Answers: what do the WebSocket reader and the mailbox cost.

use std::{
    hint::black_box,
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use stentor::{
    mailbox::{Full, mailbox},
    net::ws::{ReadLimits, Reader},
};
use stentor_bench::{
    clock::{Bench, elements},
    input,
};

const LIMITS: ReadLimits = ReadLimits {
    message_bytes: 1_000_000,
    fragments: 64,
};

/// One `recv` with so many frames of this size. The copy into the buffer, which the kernel would
/// make, is part of it.
pub(super) fn reader(c: &mut Bench) {
    let mut group = c.benchmark_group("ws reader");
    for (bytes, count) in [(64, 1), (64, 16), (1 << 10, 1), (1 << 16, 1)] {
        let frames = input::text_frame(&"x".repeat(bytes)).repeat(count);
        let mut reader = Reader::default();
        let mut buffer = frames.clone();
        group.throughput(Throughput::Bytes((bytes * count) as u64));
        group.bench_function(BenchmarkId::new(format!("{count} frames of"), bytes), |b| {
            b.iter(|| {
                buffer.copy_from_slice(&frames);
                reader.feed(&mut buffer, LIMITS, |message| {
                    black_box(message);
                    ControlFlow::Continue(())
                })
            });
        });
    }
    group.finish();
}

pub(super) fn mailbox_alone(c: &mut Bench) {
    let mut group = c.benchmark_group("mailbox");
    let (sender, receiver) = mailbox::<[u64; 2]>(1 << 10, || {});
    for batch in [1, 64] {
        group.throughput(elements(batch));
        group.bench_function(
            BenchmarkId::new("send and receive on one thread, batch", batch),
            |b| {
                b.iter(|| {
                    receiver.begin();
                    for item in 0..batch as u64 {
                        sender.try_send([item, 0]).expect("there is room");
                    }
                    while let Some(item) = receiver.try_recv() {
                        black_box(item);
                    }
                });
            },
        );
    }
    group.finish();
}

/// Wall time: on two cores, four senders share one with whoever else is there.
pub(super) fn mailbox_senders(c: &mut Criterion) {
    let mut group = c.benchmark_group("mailbox, threads");
    for senders in [1, 4] {
        group.throughput(elements(1));
        group.bench_function(BenchmarkId::new("one item, senders", senders), |b| {
            b.iter_custom(|items| exchange(senders, items));
        });
    }
    group.finish();
}

fn exchange(senders: u64, items: u64) -> Duration {
    let (sender, receiver) = mailbox::<u64>(1 << 10, || {});
    let each = items.div_ceil(senders);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..senders {
            let sender = sender.clone();
            scope.spawn(move || {
                for item in 0..each {
                    while let Err(Full::Full(_)) = sender.try_send(item) {
                        thread::yield_now();
                    }
                }
            });
        }
        let mut got = 0;
        while got < each * senders {
            receiver.begin();
            while receiver.try_recv().is_some() {
                got += 1;
            }
            thread::yield_now();
        }
    });
    start.elapsed()
}
