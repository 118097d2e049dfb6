//! Answers: how long do the paths take whose instructions the guard counts.

use stentor_bench::{clock::Bench, paths};

pub(super) fn bench(c: &mut Bench) {
    let mut group = c.benchmark_group("path");
    for path in paths::ALL {
        let mut run = path.build();
        group.bench_function(path.name, |b| b.iter(&mut run));
    }
    group.finish();
}
