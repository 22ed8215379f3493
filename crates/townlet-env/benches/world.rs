//! How many agent-steps a second the town takes, observations and masks included: every kind of level on one core
//! (`step`), large towns on 1, 2, 4 and so on up to all cores (`threads`), and towns in which the scripted agent
//! (`scripted`) or the explorer (`explorer`) acts.
//!
//! `cargo bench -p townlet-env --bench world`

use std::hint::black_box;
use std::thread::available_parallelism;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;
use rayon::ThreadPoolBuilder;
use townlet_env::{Action, ExplorerAgent, Level, ScriptedAgent, Town, VectorEnv, stream};

/// How many steps are drawn beforehand, and then taken again and again.
const STEPS: usize = 256;

/// Every kind of level, on one core.
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
        bench(&mut group, &BenchmarkId::new(level, agents), level, agents, 1);
    }
    group.finish();
}

/// How the speed grows with the number of threads.
fn threads(criterion: &mut Criterion) {
    let all = available_parallelism().unwrap().get();
    let mut counts: Vec<usize> = (0..all.ilog2()).map(|power| 1 << power).collect();
    counts.push(all);

    let mut group = criterion.benchmark_group("threads");
    for agents in [4096, 65536] {
        for &threads in &counts {
            bench(
                &mut group,
                &BenchmarkId::new(format!("pomdp-{agents}"), threads),
                "pomdp",
                agents,
                threads,
            );
        }
    }
    group.finish();
}

/// The scripted agent and the step that it decides on, on one core.
fn scripted(criterion: &mut Criterion) {
    bench_agent(criterion, "scripted", |level| {
        let mut scripted = ScriptedAgent::new(level);
        move |town, actions| scripted.act(town, actions)
    });
}

/// The explorer that forgets nothing and the step that it decides on, on one core.
fn explorer(criterion: &mut Criterion) {
    bench_agent(criterion, "explorer", |level| {
        let mut explorer = ExplorerAgent::new(level, None);
        move |town, actions| {
            let ended: Vec<bool> = town.episode_steps().iter().map(|&steps| steps == 0).collect();
            explorer.forget(&ended);
            explorer.act(town.observations(), town.action_masks(), actions);
        }
    });
}

/// Lets an agent act in 256 worlds of several levels.
fn bench_agent<A: FnMut(&Town, &mut [Action])>(
    criterion: &mut Criterion,
    name: &str,
    mut agent: impl FnMut(&Level) -> A,
) {
    let mut group = criterion.benchmark_group(name);
    let worlds = 256;
    for level in ["pomdp", "pomdp-shuffled", "temporal"] {
        let mut town = Town::new(Level::builtin(level).unwrap(), worlds).unwrap();
        let mut act = agent(town.level());
        let mut actions = vec![0; worlds];
        group.throughput(Throughput::Elements(worlds as u64));
        group.bench_function(BenchmarkId::new(level, worlds), |bencher| {
            bencher.iter(|| {
                act(&town, &mut actions);
                town.step(&actions).unwrap();
            });
        });
    }
    group.finish();
}

/// Steps a town again and again on this many threads.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    id: &BenchmarkId,
    level: &str,
    agents: usize,
    threads: usize,
) {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut town = Town::new(Level::builtin(level).unwrap(), agents).unwrap();
    let actions = allowed_actions(&mut town);
    let mut next = actions.iter().cycle();
    group.throughput(Throughput::Elements(agents as u64));
    group.bench_function(id.clone(), |bencher| {
        pool.install(|| {
            bencher.iter(|| {
                let step = town.step(next.next().unwrap()).unwrap();
                black_box(step.observations[0]);
            });
        });
    });
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

criterion_group!(benches, step, threads, scripted, explorer);
criterion_main!(benches);
