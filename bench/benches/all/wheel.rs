//! Answers: what does a timer cost in the wheel, beside a thousand and a million others.

use criterion::{BatchSize, BenchmarkId};
use stentor_bench::{
    at_most,
    clock::{Bench, elements},
};
use stentor_engine::{time::Tick, wheel::Wheel};

/// `timers` that fall due evenly over 25 seconds.
fn filled(timers: u32) -> Wheel {
    let mut wheel = Wheel::default();
    for id in 0..timers {
        wheel.set(id, due(id, timers));
    }
    wheel
}

fn due(id: u32, timers: u32) -> Tick {
    Tick(1_000 + u64::from(id) * 25_000 / u64::from(timers))
}

pub(super) fn bench(c: &mut Bench) {
    let mut group = c.benchmark_group("wheel");
    for size in [1_000, 1_000_000] {
        let timers = at_most(size, 1_000) as u32;
        group.throughput(elements(1));
        let mut wheel = filled(timers);
        let mut id = 0;
        group.bench_function(BenchmarkId::new("cancel and set", size), |b| {
            b.iter(|| {
                id = (id + 7919) % timers;
                wheel.cancel(id);
                wheel.set(id, due(id, timers));
            });
        });
        group.bench_function(BenchmarkId::new("extend", size), |b| {
            let mut later = 30_000;
            b.iter(|| {
                id = (id + 7919) % timers;
                later += 1;
                wheel.set(id, Tick(later));
            });
        });
        group.bench_function(BenchmarkId::new("next deadline", size), |b| {
            b.iter(|| wheel.next());
        });
        advance(&mut group, size, timers);
    }
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, stentor_bench::clock::ThreadTime>;

/// A whole interval in steps of 8 ms: every timer falls due once. Per timer.
fn advance(group: &mut Group<'_>, size: usize, timers: u32) {
    group.throughput(elements(timers as usize));
    group.sample_size(10);
    group.bench_function(BenchmarkId::new("advance over all", size), |b| {
        b.iter_batched_ref(
            || (filled(timers), Vec::new()),
            |(wheel, due)| {
                let mut count = 0;
                for step in 0..=26_000 / 8 {
                    wheel.advance(Tick(step * 8), due);
                    count += due.len();
                    due.clear();
                }
                assert_eq!(count, timers as usize);
            },
            BatchSize::PerIteration,
        );
    });
    group.sample_size(30);
}
