//! One update of the standard network, and drawing its batch from a full replay.
//!
//! `cargo bench -p townlet-drqn` runs the default backend, `--features ndarray,wgpu` the others too.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use townlet_drqn::{DrqnConfig, Learner, Policy, RandomPolicy, SequenceBatch, SequenceReplay};
use townlet_env::{Level, Town, VectorEnv, stream};
use townlet_nets::{Backend, QNetworkConfig};

/// A replay of 100,000 transitions, full of random play.
fn replay(town: &mut Town, trace_length: usize) -> SequenceReplay {
    let (agents, actions) = (town.num_envs(), town.num_actions());
    let features = town.observation_layout().len();
    let mut replay = SequenceReplay::new(100_000, trace_length, agents, features, actions);
    let mut policy = RandomPolicy::new(1);
    let mut chosen = vec![0; agents];
    town.reset(1);
    replay.start(town.observations(), town.action_masks());
    while replay.len() < 100_000 - 600 * agents {
        policy.act(town, &mut chosen).unwrap();
        let step = town.step(&chosen).expect("the policy chooses actions that exist");
        replay.record(&chosen, &step);
    }
    replay
}

fn learning(criterion: &mut Criterion) {
    let level = Level::builtin("pomdp").expect("a built-in level");
    let mut town = Town::new(level, 64).expect("a valid level");
    let shapes = [(16, 8), (32, 40)];

    let mut group = criterion.benchmark_group("sample");
    for (batch_size, trace_length) in shapes {
        let replay = replay(&mut town, trace_length);
        let mut batch = SequenceBatch::new();
        let mut rng = stream(1, "bench", 0, 0);
        group.throughput(Throughput::Elements((batch_size * trace_length) as u64));
        group.bench_function(
            BenchmarkId::from_parameter(format!("{batch_size}x{trace_length}")),
            |bencher| {
                bencher.iter(|| replay.sample(batch_size, &mut rng, black_box(&mut batch)));
            },
        );
    }
    group.finish();

    for backend in Backend::compiled() {
        let device = match backend.device() {
            Ok(device) => device,
            Err(error) => {
                eprintln!("left out: {error}");
                continue;
            }
        };
        let network = QNetworkConfig::new(town.observation_layout().clone(), town.num_actions());
        let mut group = criterion.benchmark_group(format!("update/{backend}"));
        group.sample_size(20);
        for (batch_size, trace_length) in shapes {
            let mut batch = SequenceBatch::new();
            let replay = replay(&mut town, trace_length);
            replay.sample(batch_size, &mut stream(1, "bench", 0, 0), &mut batch).expect("the replay is full");
            let mut learner = Learner::new(&network, DrqnConfig::default(), 1, &device);
            group.throughput(Throughput::Elements((batch_size * trace_length) as u64));
            group.bench_function(
                BenchmarkId::from_parameter(format!("{batch_size}x{trace_length}")),
                |bencher| bencher.iter(|| learner.update(&batch).expect("finite")),
            );
        }
        group.finish();
    }
}

criterion_group!(benches, learning);
criterion_main!(benches);
