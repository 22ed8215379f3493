//! Whole checkpoints of small runs that differ in everything that a checkpoint holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use townlet_drqn::{
    AdversarialConfig, Annealing, AnnealingConfig, Checkpoint, CountNoveltyConfig, CurriculumConfig,
    DistillationConfig, DrqnConfig, Intrinsic, Sampling, Sequences, StartState, Trainer, UpdateSchedule,
};
use townlet_env::{Level, PreviousInputs, RewardMode, Stage, Town, VectorEnv};
use townlet_nets::{Backend, CoreConfig, QNetworkConfig};

use super::{edits, put};

type World = PreviousInputs<Town>;

const SEED: u64 = 5;
/// How many rounds of two agents come before the checkpoint: more than the replay holds.
const ROUNDS: usize = 50;

/// One checkpoint of each run. One thread at a time changes them.
pub(super) static BASES: LazyLock<Mutex<Vec<Base>>> =
    LazyLock::new(|| Mutex::new(runs().into_iter().map(|(core, config)| Base::new(core, config)).collect()));

/// A run and its checkpoint.
pub(super) struct Base {
    core: CoreConfig,
    config: DrqnConfig,
    /// The checkpoint is the folder `checkpoint` in it.
    place: TempDir,
    files: BTreeMap<String, Vec<u8>>,
}

impl Base {
    fn new(core: CoreConfig, config: DrqnConfig) -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let device = Backend::Flex.device().expect("flex is compiled in");
        let mut trainer =
            Trainer::new(world(), &network(core), config.clone(), SEED, &device).expect("valid settings");
        for _ in 0..ROUNDS {
            trainer.round(&mut ()).expect("nothing diverges");
        }
        let folder = place.path().join("checkpoint");
        trainer.save(&folder, true, &()).expect("the temporary folder can be written to");
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&folder).expect("it was just written") {
            let path = entry.expect("readable").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).expect("it was just written"));
        }
        Self { core, config, place, files }
    }

    pub(super) fn folder(&self) -> std::path::PathBuf {
        self.place.path().join("checkpoint")
    }

    /// Goes on from a checkpoint of this run, or says why not.
    pub(super) fn resume(&self, checkpoint: &Checkpoint) -> Result<Trainer<World>, String> {
        let device = Backend::Flex.device().expect("flex is compiled in");
        let resumed =
            Trainer::resume(world(), &network(self.core), self.config.clone(), SEED, &device, checkpoint);
        resumed.map_err(|error| error.to_string())
    }

    /// A file of MessagePack with values edited; none where nothing changes.
    pub(super) fn edited(&self, name: &str, script: &[u8]) -> Option<(String, Vec<u8>)> {
        let unpacked = zstd::decode_all(&self.files.get(name)?[..]).expect("Townlet compresses it");
        Some((name.to_owned(), packed(&edits::apply(&unpacked, script)?)))
    }

    /// A file of weights with some numbers replaced: the file, then for each number its place and its bits.
    pub(super) fn with_other_numbers(&self, script: &[u8]) -> Option<(String, Vec<u8>)> {
        let (which, numbers) = script.split_first()?;
        let mut names = self
            .files
            .keys()
            .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "safetensors"));
        let count = names.clone().count();
        let name = names.nth(usize::from(*which) % count.max(1))?;
        let mut contents = self.files[name].clone();
        let header: [u8; 8] = contents.get(..8)?.try_into().ok()?;
        let data = contents.get_mut(8 + usize::try_from(u64::from_le_bytes(header)).ok()?..)?;
        let (words, _) = data.as_chunks_mut::<4>();
        for &[a, b, bits @ ..] in numbers.as_chunks::<6>().0 {
            let index = usize::from(u16::from_le_bytes([a, b])) * 7 % words.len().max(1);
            *words.get_mut(index)? = bits;
        }
        Some((name.clone(), contents))
    }

    /// Does something while the file `name` of the checkpoint holds `contents` and the checksums say so.
    pub(super) fn with(&self, name: &str, contents: &[u8], act: impl FnOnce()) {
        let folder = self.folder();
        let sums = folder.join("SHA256SUMS");
        put(&folder.join(name), Some(contents));
        let written = self.sums(name, contents);
        put(&sums, Some(written.as_bytes()));
        act();
        put(&folder.join(name), self.files.get(name).map(Vec::as_slice));
        put(&sums, self.files.get("SHA256SUMS").map(Vec::as_slice));
    }

    /// The checksums of the checkpoint with one file changed.
    fn sums(&self, changed: &str, contents: &[u8]) -> String {
        let old = String::from_utf8_lossy(&self.files["SHA256SUMS"]);
        let lines = old.lines().map(|line| match line.split_once("  ") {
            Some((_, name)) if name == changed => format!("{:x}  {name}\n", Sha256::digest(contents)),
            _ => format!("{line}\n"),
        });
        lines.collect::<Vec<_>>().concat()
    }
}

/// Compressed, as the values in a checkpoint are.
pub(super) fn packed(contents: &[u8]) -> Vec<u8> {
    zstd::encode_all(contents, 1).expect("memory can be written to")
}

/// Two agents whose episodes are short, and which see what they did last.
fn world() -> World {
    let level = Level { step_limit: 20, ..Level::builtin("pomdp-shuffled").expect("built in") };
    PreviousInputs::new(Town::new(level, 2).expect("a valid level"), 0.1)
}

fn network(core: CoreConfig) -> QNetworkConfig {
    let world = world();
    QNetworkConfig {
        core,
        hidden: 4,
        vision_channels: [1, 2],
        vision_features: 4,
        encoder_features: 2,
        head_features: 4,
        ..QNetworkConfig::new(world.observation_layout().clone(), world.num_actions())
    }
}

fn config() -> DrqnConfig {
    DrqnConfig {
        batch_size: 2,
        trace_length: 4,
        period: 2,
        n_step: 2,
        replay_capacity: 60,
        schedule: UpdateSchedule { learning_starts: 20, update_every: 6, ..UpdateSchedule::default() },
        overlap: false,
        ..DrqnConfig::default()
    }
}

fn runs() -> [(CoreConfig, DrqnConfig); 3] {
    let stage = |multiplier| Stage::new(&["energy", "satiation"], multiplier, RewardMode::Shaped);
    let curriculum = CurriculumConfig::Adversarial(AdversarialConfig {
        stages: vec![stage(0.5), stage(4.0)],
        min_steps: 10,
        max_entropy: 2.0,
        ..AdversarialConfig::default()
    });
    let counted = DrqnConfig {
        start_state: StartState::Stored,
        sampling: Sampling::Prioritised { alpha: 0.9, beta: 0.6 },
        intrinsic: Intrinsic::Counts(CountNoveltyConfig { counters: 32, ..CountNoveltyConfig::default() }),
        annealing: Annealing::Adaptive(AnnealingConfig { window: 2, ..AnnealingConfig::default() }),
        curriculum,
        overlap: true,
        ..config()
    };
    let distilled = DrqnConfig {
        sequences: Sequences::WholeEpisodes,
        intrinsic: Intrinsic::Rnd(DistillationConfig {
            hidden: [3, 3],
            embedding: 2,
            ..DistillationConfig::default()
        }),
        period: 1,
        burn_in: 0,
        ..config()
    };
    [
        (CoreConfig::Lstm {}, counted),
        (CoreConfig::Gru {}, distilled),
        (CoreConfig::Frames { count: 2 }, config()),
    ]
}
