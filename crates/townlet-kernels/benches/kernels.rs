//! Every kernel by itself, in floating-point operations a second: criterion's `Gelem/s` are GFLOP/s.
//!
//! `cargo bench -p townlet-kernels`; one thread is measured with `RAYON_NUM_THREADS=1`.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use townlet_kernels::matrix::{
    Finish, Packed, Rows, RowsMut, Start, add_outer, product_transposed, product_whole,
};
use townlet_kernels::{
    AdamStep, Architecture, OutputGradients, Outputs, Sequences, Tape, Vision, Weights, Workspace,
    instruction_set, sum_of_squares,
};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The shapes of matrix products in the standard network: rows, inner, columns.
const PRODUCTS: [(&str, [usize; 3]); 6] = [
    ("lstm-input", [128, 224, 1024]),
    ("lstm-hidden", [8, 256, 1024]),
    ("window", [128, 800, 128]),
    ("convolution", [128, 144, 32]),
    ("head", [128, 256, 128]),
    ("one-row", [1, 480, 1024]),
];

/// Sequences and steps of a training batch.
const BATCHES: [[usize; 2]; 3] = [[16, 8], [32, 40], [64, 80]];

fn random(count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..count).map(|_| rng.random_range(-0.1..0.1)).collect()
}

fn flops(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}

fn products(c: &mut Criterion) {
    let mut group = group(c, "product");
    for (name, [rows, inner, columns]) in PRODUCTS {
        let (left, right) = (random(rows * inner), Packed::new(&random(inner * columns), inner, columns));
        let mut output = vec![0.0; rows * columns];
        group.throughput(flops(2 * rows * inner * columns));
        group.bench_function(BenchmarkId::new(name, format!("{rows}x{inner}x{columns}")), |b| {
            b.iter(|| {
                let left = Rows { data: black_box(&left), stride: inner };
                let output = RowsMut { data: &mut output, stride: columns };
                product_whole(rows, left, &right, Start::Zero, Finish::Linear, output);
            });
        });
    }
    group.finish();
}

fn transposed_products(c: &mut Criterion) {
    let mut group = group(c, "transposed-product");
    for (name, [rows, columns, inner]) in
        [("lstm-input", [64, 1024, 224]), ("lstm-hidden", [8, 1024, 256]), ("window", [64, 128, 800])]
    {
        let (left, right) = (random(rows * columns), Packed::new(&random(inner * columns), inner, columns));
        let mut output = vec![0.0; rows * inner];
        group.throughput(flops(2 * rows * inner * columns));
        group.bench_function(BenchmarkId::new(name, format!("{rows}x{columns}x{inner}")), |b| {
            b.iter(|| {
                let left = Rows { data: black_box(&left), stride: columns };
                let output = RowsMut { data: &mut output, stride: inner };
                product_transposed(rows, left, &right, false, output);
            });
        });
    }
    group.finish();
}

fn outer_products(c: &mut Criterion) {
    let mut group = group(c, "outer-product");
    for (name, [height, rows, width]) in
        [("lstm", [480, 128, 1024]), ("window", [800, 128, 128]), ("convolution", [48, 128, 32])]
    {
        let (left, right) = (random(rows * height), random(rows * width));
        let mut output = vec![0.0; height * width];
        group.throughput(flops(2 * height * rows * width));
        group.bench_function(BenchmarkId::new(name, format!("{height}x{rows}x{width}")), |b| {
            b.iter(|| {
                let left = Rows { data: black_box(&left), stride: height };
                add_outer(rows, left, Rows { data: &right, stride: width }, width, &mut output);
            });
        });
    }
    group.finish();
}

/// The network of the `pomdp` level in its standard sizes.
fn network() -> Architecture {
    Architecture {
        observation: 50,
        vision: Some(Vision { column: 0, side: 5, channels: [16, 32], features: 128 }),
        encoders: vec![vec![25..27], vec![27..35], vec![35..50]],
        encoder_features: 32,
        hidden: 256,
        head_features: 128,
        actions: 5,
    }
}

fn parameters(of: &Architecture) -> Vec<Vec<f32>> {
    of.parameter_lengths().into_iter().map(random).collect()
}

fn slices(parameters: &[Vec<f32>]) -> Vec<&[f32]> {
    parameters.iter().map(Vec::as_slice).collect()
}

/// Multiplications and additions of one step of one sequence, forward; twice as many go back.
fn flops_per_step(of: &Architecture) -> usize {
    let vision = of.vision.map_or(0, |vision| {
        let [one, two] = vision.channels;
        // Of the 9 · 25 places of a kernel over a 5×5 window, 13 · 13 lie inside it.
        let places = (3 * vision.side - 2).pow(2);
        places * one * (1 + two) + vision.cells() * two * vision.features
    });
    let encoders: usize = of.encoders.iter().flatten().map(|range| range.len() * of.encoder_features).sum();
    let lstm = (of.inputs() + of.hidden) * 4 * of.hidden;
    2 * (vision + encoders + lstm + of.hidden * of.head_features + of.head_features * of.actions)
}

fn adam(gradient_scale: f32) -> AdamStep {
    AdamStep { learning_rate: 1e-6, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, time: 100, gradient_scale }
}

/// A batch of sequences and where a pass over them writes.
struct Batch {
    count: usize,
    time: usize,
    observations: Vec<f32>,
    state: Vec<f32>,
    values: Vec<f32>,
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl Batch {
    fn new(of: &Architecture, [batch, time]: [usize; 2]) -> Self {
        let zeros = |width: usize| vec![0.0; batch * width];
        Self {
            count: batch,
            time,
            observations: random(batch * time * of.observation),
            state: zeros(of.hidden),
            values: zeros(time * of.actions),
            hidden: zeros(of.hidden),
            cell: zeros(of.hidden),
        }
    }

    fn split(&mut self) -> (Sequences<'_>, Outputs<'_>) {
        let Self { count, time, observations, state, values, hidden, cell } = self;
        (
            Sequences { batch: *count, time: *time, observations, hidden: state, cell: state },
            Outputs { values, hidden, cell },
        )
    }

    fn forward(&mut self, weights: &Weights, workspace: &mut Workspace) {
        let (sequences, outputs) = self.split();
        weights.forward(workspace, sequences, outputs);
    }

    fn record(&mut self, weights: &Weights, workspace: Workspace) -> Tape {
        let (sequences, outputs) = self.split();
        weights.record(workspace, sequences, outputs)
    }
}

fn acting(c: &mut Criterion) {
    let mut group = group(c, "act");
    let of = network();
    let parameters = parameters(&of);
    let weights = Weights::new(&of, &slices(&parameters));
    for agents in [1, 16, 256, 1024] {
        let mut batch = Batch::new(&of, [agents, 1]);
        let mut workspace = Workspace::default();
        group.throughput(flops(agents * flops_per_step(&of)));
        group.bench_function(BenchmarkId::from_parameter(agents), |b| {
            b.iter(|| batch.forward(&weights, &mut workspace));
        });
    }
    group.finish();
}

/// What a training step is made of, and all of it: the target network's pass, the online network's, back
/// through it, the norm of the gradient, Adam, and packing the new weights.
fn training(c: &mut Criterion) {
    let mut group = group(c, "train");
    let of = network();
    let mut parameters = parameters(&of);
    let mut moments: Vec<[Vec<f32>; 2]> =
        parameters.iter().map(|p| [vec![0.0; p.len()], vec![0.0; p.len()]]).collect();
    for [batch, time] in BATCHES {
        let name = format!("{batch}x{time}");
        let target = Weights::new(&of, &slices(&parameters));
        let mut online = target.clone();
        let mut seen = Batch::new(&of, [batch, time + 1]);
        let mut taken = Batch::new(&of, [batch, time]);
        let of_values = random(batch * time * of.actions);
        let zeros = vec![0.0; batch * of.hidden];
        let of_outputs = OutputGradients { values: &of_values, hidden: &zeros, cell: &zeros };
        let (mut first, mut second) = (Workspace::default(), Some(Workspace::default()));
        let forward = flops_per_step(&of) * batch * (time + 1);
        let step = flops_per_step(&of) * batch * time;

        group.throughput(flops(forward));
        group.bench_function(BenchmarkId::new("forward", &name), |b| {
            b.iter(|| seen.forward(&target, &mut first));
        });
        group.throughput(flops(3 * step));
        group.bench_function(BenchmarkId::new("record-and-backward", &name), |b| {
            b.iter(|| {
                let tape = taken.record(&online, second.take().unwrap_or_default());
                let (gradients, workspace) = tape.backward(&online, of_outputs);
                second = Some(workspace);
                gradients
            });
        });
        group.throughput(flops(forward + 3 * step));
        group.bench_function(BenchmarkId::new("all", &name), |b| {
            b.iter(|| {
                seen.forward(&target, &mut first);
                let tape = taken.record(&online, second.take().unwrap_or_default());
                let (gradients, workspace) = tape.backward(&online, of_outputs);
                second = Some(workspace);
                let norm: f64 = gradients.parameters.iter().map(|g| sum_of_squares(g)).sum();
                let adam = adam((10.0 / (norm.sqrt() + 1e-6)).min(1.0) as f32);
                for ((p, g), [m, v]) in parameters.iter_mut().zip(&gradients.parameters).zip(&mut moments) {
                    adam.apply(p, g, m, v);
                }
                let slices = slices(&parameters);
                online = Weights::in_memory_of(Some(online.clone()), &of, &slices);
            });
        });
    }
    group.finish();
}

/// What is bound by memory: Adam, the norm, packing; criterion's `GiB/s` are those of the parameters alone.
fn memory(c: &mut Criterion) {
    let mut group = group(c, "memory");
    let of = network();
    let mut parameters = parameters(&of);
    let gradients = parameters.clone();
    let mut moments: Vec<[Vec<f32>; 2]> =
        parameters.iter().map(|p| [vec![0.0; p.len()], vec![0.0; p.len()]]).collect();
    let bytes = 4 * parameters.iter().map(Vec::len).sum::<usize>() as u64;
    group.throughput(Throughput::Bytes(bytes));
    let adam = adam(1.0);
    group.bench_function("adam", |b| {
        b.iter(|| {
            for ((p, g), [m, v]) in parameters.iter_mut().zip(&gradients).zip(&mut moments) {
                adam.apply(p, g, m, v);
            }
        });
    });
    group.bench_function("norm", |b| {
        b.iter(|| gradients.iter().map(|gradient| sum_of_squares(gradient)).sum::<f64>());
    });
    let slices = slices(&parameters);
    group.bench_function("pack", |b| b.iter(|| Weights::new(&of, &slices)));
    group.finish();
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let (instructions, lanes) = instruction_set();
    println!("{name}: {instructions}, {lanes} lanes, {} threads", rayon::current_num_threads());
    let mut group = c.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600));
    group
}

criterion_group!(benches, products, transposed_products, outer_products, acting, training, memory);
criterion_main!(benches);
