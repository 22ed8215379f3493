//! The forward pass of the standard network: acting (one step of many agents) and sequences.
//!
//! `cargo bench -p townlet-nets` runs the default backend, `--features ndarray,wgpu` the others too.

use std::hint::black_box;

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use townlet_env::ObservationLayout;
use townlet_nets::{Backend, QNetwork, QNetworkConfig};

fn network(device: &Device) -> QNetwork {
    let layout = ObservationLayout::builder().window(5).position().meters(8).affordance(14).build();
    QNetworkConfig::new(layout, 5).init(1, device)
}

fn observations(batch: usize, time: usize, device: &Device) -> Tensor<3> {
    let values: Vec<f32> = (0..batch * time * 50).map(|i| (i % 17) as f32 / 17.0).collect();
    Tensor::from_data(TensorData::new(values, [batch, time, 50]), device)
}

/// One forward pass and the reading of its values, which waits for the device.
fn run(network: &QNetwork, observations: Tensor<3>) {
    let batch = observations.dims()[0];
    let (values, state) = network.forward(observations, network.initial_state(batch));
    black_box((values.into_data(), state));
}

fn forward(criterion: &mut Criterion) {
    for backend in Backend::compiled() {
        let device = match backend.device() {
            Ok(device) => device,
            Err(error) => {
                eprintln!("left out: {error}");
                continue;
            }
        };
        let network = network(&device);
        let mut group = criterion.benchmark_group(format!("act/{backend}"));
        for agents in [1, 16, 256, 1024] {
            group.throughput(Throughput::Elements(agents as u64));
            group.bench_function(BenchmarkId::from_parameter(agents), |bencher| {
                let observations = observations(agents, 1, &device);
                bencher.iter(|| run(&network, observations.clone()));
            });
        }
        group.finish();
        let mut group = criterion.benchmark_group(format!("sequence/{backend}"));
        group.sample_size(20);
        for (batch, time) in [(16, 8), (32, 40)] {
            group.throughput(Throughput::Elements((batch * time) as u64));
            group.bench_function(BenchmarkId::from_parameter(format!("{batch}x{time}")), |bencher| {
                let observations = observations(batch, time, &device);
                bencher.iter(|| run(&network, observations.clone()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, forward);
criterion_main!(benches);
