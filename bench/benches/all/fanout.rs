//! Answers: what does a fan-out cost, through a hub to counted writes, and in the outbox by itself.

use criterion::BenchmarkId;
use stentor_bench::{
    at_most,
    clock::{Bench, elements},
    crowd::{Crowd, NEWS, emit, everybody},
};
use stentor_engine::{
    hub::Hub,
    out::{Held, Outbox, Palette, Sink, Written},
};

pub(super) fn bench(c: &mut Bench) {
    let mut group = c.benchmark_group("fan-out");
    let sizes = [10, 1_000, 10_000];
    for members in sizes {
        let mut crowd = Crowd::of(members);
        group.throughput(elements(members));
        group.bench_function(BenchmarkId::new("namespace", members), |b| {
            b.iter(|| crowd.broadcast(everybody()));
        });
    }
    let mut crowd = Crowd::of(at_most(1_000_000, 10_000));
    for members in sizes {
        let room = format!("room of {members}");
        crowd = crowd.with_room(&room, members);
        group.throughput(elements(members));
        group.bench_function(
            BenchmarkId::new("room among a million sessions", members),
            |b| {
                b.iter(|| crowd.broadcast(everybody().to(room.as_str())));
            },
        );
    }
    group.finish();
}

struct Taker;

impl Sink for Taker {
    #[inline]
    fn write(&mut self, slices: &[&[u8]]) -> Written {
        Written::Bytes(
            std::hint::black_box(slices)
                .iter()
                .map(|slice| slice.len())
                .sum(),
        )
    }
}

pub(super) fn outbox(c: &mut Bench) {
    let mut group = c.benchmark_group("outbox");
    let (mut palette, mut outbox) = (Palette::default(), Outbox::default());
    for packets in [1, 16] {
        group.throughput(elements(packets));
        group.bench_function(
            BenchmarkId::new("encode, push, flush: packets", packets),
            |b| {
                b.iter(|| {
                    for _ in 0..packets {
                        outbox.push(palette.text(NEWS.as_bytes()));
                    }
                    if let Some((_, bytes)) = outbox.take_run(&palette) {
                        Taker.write(&[bytes]);
                    }
                    palette.clear();
                });
            },
        );
    }
    let frame = Hub::encode_event("/", &emit("news", NEWS), usize::MAX).expect("no bound");
    group.throughput(elements(3));
    group.bench_function("own, shared, own: the slow way", |b| {
        b.iter(|| {
            outbox.push(palette.text(NEWS.as_bytes()));
            outbox.push(palette.share(frame.clone()));
            outbox.push(palette.text(NEWS.as_bytes()));
            outbox.flush(&palette, &mut Held::default(), &mut Taker);
            palette.clear();
        });
    });
    group.finish();
}
