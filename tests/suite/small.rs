//! Networks, worlds and batches that are small enough for every backend.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use townlet_drqn::{DrqnConfig, SequenceBatch};
use townlet_env::{ObservationLayout, stream};
use townlet_nets::{CoreConfig, HeadConfig, QNetworkConfig};

/// A layout with every kind of feature that the town has, small.
pub(crate) fn layout() -> ObservationLayout {
    ObservationLayout::builder().window(3).position().meters(3).affordance(2).hour().progress().build()
}

/// A network of every core with every head.
pub(crate) fn networks() -> Vec<QNetworkConfig> {
    let cores =
        [CoreConfig::Lstm {}, CoreConfig::Gru {}, CoreConfig::Frames { count: 3 }, CoreConfig::None {}];
    let heads = [HeadConfig::Plain, HeadConfig::Dueling];
    let of_core = |core| heads.map(|head| QNetworkConfig { core, head, ..network(layout()) });
    cores.into_iter().flat_map(of_core).collect()
}

/// A network of a few thousand parameters over `layout`, with three actions.
pub(crate) fn network(layout: ObservationLayout) -> QNetworkConfig {
    QNetworkConfig {
        hidden: 12,
        vision_channels: [3, 4],
        vision_features: 8,
        encoder_features: 4,
        head_features: 8,
        ..QNetworkConfig::new(layout, 3)
    }
}

/// Numbers in [-1, 1], the same for the same name.
pub(crate) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let mut rng = stream(11, name, 0, 0);
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// A tensor of such numbers.
pub(crate) fn tensor<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers(name, shape.iter().product()), shape), device)
}

/// Two sequences of four steps without any end, everything allowed.
pub(crate) fn batch(layout: &ObservationLayout) -> SequenceBatch {
    let (batch, time, features, num_actions) = (2, 4, layout.len(), 3);
    SequenceBatch {
        batch,
        time,
        features,
        num_actions,
        observations: numbers("observations", batch * (time + 1) * features),
        action_masks: vec![true; batch * (time + 1) * num_actions],
        actions: (0..batch * time).map(|i| (i * 2 % 3) as u8).collect(),
        rewards: numbers("rewards", batch * time),
        terminated: vec![false; batch * time],
        truncated: vec![false; batch * time],
        valid: vec![true; batch * time],
        ..SequenceBatch::default()
    }
}

/// Settings under which one update moves the parameters visibly.
pub(crate) fn config() -> DrqnConfig {
    DrqnConfig { learning_rate: 1e-2, ..DrqnConfig::default() }
}
