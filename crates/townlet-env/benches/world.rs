//! How many agent-steps a second the town takes on one core, observations and masks included.
//!
//! `cargo bench -p townlet-env --bench world`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;
use townlet_env::{Action, Level, Town, VectorEnv, stream};

/// How many steps are drawn beforehand, and then taken again and again.
const STEPS: usize = 256;

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for (level, agents) in [
        ("full", 1),
        ("full", 256),
        ("full", 4096),
        ("pomdp", 1),
        ("pomdp", 256),
        ("pomdp", 4096),
        ("pomdp-shuffled", 4096),
        ("temporal", 4096),
    ] {
        let mut town = Town::new(Level::builtin(level).unwrap(), agents).unwrap();
        let actions = allowed_actions(&mut town);
        let mut next = actions.iter().cycle();
        group.throughput(Throughput::Elements(agents as u64));
        group.bench_function(BenchmarkId::new(level, agents), |bencher| {
            bencher.iter(|| {
                let step = town.step(next.next().unwrap()).unwrap();
                black_box(step.observations[0]);
            });
        });
    }
    group.finish();
}

/// The actions of agents that choose among those allowed, each as likely as the others, `[steps][agents]`.
fn allowed_actions(town: &mut Town) -> Vec<Vec<Action>> {
    let mut stream = stream(0, "bench-actions", 0, 0);
    town.reset(0);
    let actions = (0..STEPS)
        .map(|_| {
            let masks = town.action_masks().chunks_exact(town.num_actions());
            let actions: Vec<Action> = masks
                .map(|mask| {
                    loop {
                        let action = stream.random_range(0..mask.len());
                        if mask[action] {
                            return action as Action;
                        }
                    }
                })
                .collect();
            town.step(&actions).unwrap();
            actions
        })
        .collect();
    town.reset(0);
    actions
}

criterion_group!(benches, step);
criterion_main!(benches);
