//! Files of weights.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;
use townlet_env::ObservationLayout;
use townlet_nets::{Backend, QNetwork, QNetworkConfig, load_state_dict, read_weights};

struct Place {
    folder: TempDir,
    network: QNetwork,
}

/// Readers take paths, so there is a folder; and a small network to load into.
static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let layout = ObservationLayout::builder().window(3).position().meters(2).affordance(1).build();
    let network = QNetworkConfig {
        hidden: 2,
        vision_channels: [1, 1],
        vision_features: 2,
        encoder_features: 2,
        head_features: 2,
        ..QNetworkConfig::new(layout, 2)
    };
    let device = Backend::Flex.device().expect("flex is compiled in");
    Place { folder: tempfile::tempdir().expect("a temporary folder"), network: network.init(0, &device) }
});

/// Reads a file of weights and loads what is in it: a PyTorch file if it begins like one, otherwise safetensors.
///
/// # Panics
///
/// If Townlet does.
pub fn weights(data: &[u8]) {
    let is_torch = data.starts_with(b"PK") || data.starts_with(&[0x80]);
    let path: PathBuf = PLACE.folder.path().join(if is_torch { "weights.pt" } else { "weights.safetensors" });
    fs::write(&path, data).expect("the temporary folder can be written to");
    match read_weights(&path) {
        Ok(dict) => {
            if let Err(error) = load_state_dict(&PLACE.network, &dict) {
                drop(error.to_string());
            }
        }
        Err(error) => drop(error.to_string()),
    }
}
