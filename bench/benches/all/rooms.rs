//! Answers: what do joining, leaving and selections of 10 to 100,000 members cost.

use criterion::BenchmarkId;
use stentor_bench::{
    at_most,
    clock::{Bench, elements},
    crowd::{Crowd, everybody},
};
use stentor_engine::{
    hub::{Action, Selection},
    id::NamespaceId,
    room::{Member, Rooms},
};

const SIZES: [usize; 3] = [10, 1_000, 100_000];

pub(super) fn bench(c: &mut Bench) {
    let mut group = c.benchmark_group("rooms");
    for size in SIZES {
        let members = at_most(size, 1_000) as u32;
        let mut rooms = Rooms::new(1);
        let member = |socket| Member {
            socket,
            session: socket,
        };
        for socket in 0..members {
            rooms.join(NamespaceId::ROOT, "room", member(socket), 10);
        }
        group.bench_function(BenchmarkId::new("join and leave", size), |b| {
            b.iter(|| {
                rooms.join(NamespaceId::ROOT, "room", member(members), 10);
                rooms.leave(NamespaceId::ROOT, "room", members);
            });
        });
        // The first in the list: the last one takes its place.
        group.bench_function(
            BenchmarkId::new("leave and join, in the midst", size),
            |b| {
                let mut socket = 0;
                b.iter(|| {
                    socket = (socket + 7919) % members;
                    rooms.leave(NamespaceId::ROOT, "room", socket);
                    rooms.join(NamespaceId::ROOT, "room", member(socket), 10);
                });
            },
        );
    }
    group.finish();
}

/// An action that does nothing, for a selection: what is left is the selection.
pub(super) fn select(c: &mut Bench) {
    let mut group = c.benchmark_group("select");
    for size in SIZES {
        let members = at_most(size, 1_000);
        let mut crowd = Crowd::of(members)
            .with_room("a", members)
            .with_room("b", members / 2);
        let selections = [
            ("namespace", everybody()),
            ("one room", everybody().to("a")),
            (
                "two rooms, one within the other",
                everybody().to("a").to("b"),
            ),
            ("room except room", everybody().to("a").except("b")),
        ];
        group.throughput(elements(size));
        for (name, selection) in selections {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| visit(&mut crowd, selection.clone()));
            });
        }
    }
    group.finish();
}

fn visit(crowd: &mut Crowd, selection: Selection) {
    crowd
        .hub
        .act(crowd.now, selection, Action::Leave(Vec::new()));
}
