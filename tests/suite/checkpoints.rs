//! Checkpoints: a run that goes on from one is the run that never stopped.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use townlet_drqn::{
    AdversarialConfig, Annealing, AnnealingConfig, Checkpoint, CheckpointError, CountNoveltyConfig,
    CurriculumConfig, DistillationConfig, DrqnConfig, Intrinsic, Sampling, Sequences, StartState, Trainer,
    UpdateSchedule,
};
use townlet_env::{Level, PreviousInputs, RewardMode, Stage, Town, VectorEnv};
use townlet_files::FileError;
use townlet_nets::{CoreConfig, QNetworkConfig, optimizer_state, state_dict};

use crate::case::cases;
use crate::small;

cases![
    a_run_goes_on_as_if_it_had_never_stopped,
    a_checkpoint_changes_nothing_of_the_run,
    without_a_replay_a_run_first_fills_a_new_one,
    a_checkpoint_whose_replay_was_taken_out_is_whole_and_goes_on,
    a_checkpoint_of_weights_only_is_whole_and_does_not_go_on,
    a_checkpoint_of_another_run_is_refused,
    a_damaged_checkpoint_is_refused_by_the_name_of_its_file,
    the_state_of_the_optimiser_has_pytorchs_names_and_shapes,
];

pub(crate) type World = PreviousInputs<Town>;

/// Three agents whose episodes are short, and which see what they did last.
pub(crate) fn world() -> World {
    let level = Level { step_limit: 40, ..Level::builtin("pomdp-shuffled").expect("built in") };
    PreviousInputs::new(Town::new(level, 3).expect("a valid level"), 0.1)
}

pub(crate) fn network(core: CoreConfig) -> QNetworkConfig {
    let world = world();
    let small = small::network(world.observation_layout().clone());
    QNetworkConfig { num_actions: world.num_actions(), core, ..small }
}

fn config() -> DrqnConfig {
    DrqnConfig {
        batch_size: 3,
        trace_length: 6,
        period: 3,
        n_step: 2,
        replay_capacity: 400,
        schedule: UpdateSchedule { learning_starts: 60, update_every: 9, ..UpdateSchedule::default() },
        ..small::config()
    }
}

/// Runs that differ in everything that a checkpoint has to hold.
pub(crate) fn runs() -> Vec<(&'static str, CoreConfig, DrqnConfig)> {
    let stage = |multiplier| Stage::new(&["energy", "satiation"], multiplier, RewardMode::Shaped);
    let curriculum = CurriculumConfig::Adversarial(AdversarialConfig {
        stages: vec![stage(0.5), stage(4.0)],
        min_steps: 20,
        max_entropy: 2.0,
        ..AdversarialConfig::default()
    });
    let annealing = AnnealingConfig { window: 2, ..AnnealingConfig::default() };
    vec![
        (
            "stored states, priorities, counts and a curriculum",
            CoreConfig::Lstm {},
            DrqnConfig {
                start_state: StartState::Stored,
                sampling: Sampling::Prioritised { alpha: 0.9, beta: 0.6 },
                intrinsic: Intrinsic::Counts(CountNoveltyConfig { counters: 64, ..Default::default() }),
                annealing: Annealing::Adaptive(annealing),
                curriculum,
                ..config()
            },
        ),
        (
            "random network distillation and whole episodes, one thing after the other",
            CoreConfig::Gru {},
            DrqnConfig {
                sequences: Sequences::WholeEpisodes,
                intrinsic: Intrinsic::Rnd(DistillationConfig {
                    hidden: [6, 6],
                    embedding: 4,
                    ..Default::default()
                }),
                overlap: false,
                period: 1,
                burn_in: 0,
                ..config()
            },
        ),
        ("frames", CoreConfig::Frames { count: 3 }, config()),
    ]
}

pub(crate) fn trainer(core: CoreConfig, config: DrqnConfig, device: &Device) -> Trainer<World> {
    Trainer::new(world(), &network(core), config, 5, device).expect("valid settings")
}

pub(crate) fn rounds(trainer: &mut Trainer<World>, count: usize) {
    for _ in 0..count {
        trainer.round(&mut ()).expect("nothing diverges");
    }
}

/// Every file of the checkpoint that a trainer makes now.
fn files(trainer: &Trainer<World>, folder: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let path = folder.join(name);
    trainer.save(&path, true, &()).expect("the folder can be written to");
    let mut files: Vec<_> = fs::read_dir(&path)
        .expect("it was just made")
        .map(|entry| {
            let entry = entry.expect("readable");
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("readable"))
        })
        .collect();
    files.sort();
    files
}

fn a_run_goes_on_as_if_it_had_never_stopped(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (index, (name, core, config)) in runs().into_iter().enumerate() {
        let mut whole = trainer(core, config.clone(), device);
        // Before anything is learned, in the middle, and with episodes ended.
        let mut before = 0;
        for stop in [0, 7, 33, 90] {
            rounds(&mut whole, stop - before);
            before = stop;
            let path = folder.path().join(format!("{index}-{stop}"));
            whole.save(&path, true, &()).expect("the folder can be written to");
        }
        rounds(&mut whole, 60);
        assert!(whole.progress().updates > 10 && whole.progress().episodes > 3, "{:?}", whole.progress());
        let expected = files(&whole, folder.path(), &format!("{index}-whole"));
        for stop in [0, 7, 33, 90] {
            let checkpoint = Checkpoint::open(&folder.path().join(format!("{index}-{stop}"))).expect("whole");
            let resumed = Trainer::resume(world(), &network(core), config.clone(), 5, device, &checkpoint);
            let mut resumed = resumed.expect("of the same run");
            rounds(&mut resumed, 150 - stop);
            assert_eq!(resumed.progress(), whole.progress(), "{name}, stopped after {stop}");
            let found = files(&resumed, folder.path(), &format!("{index}-resumed-{stop}"));
            for ((file, expected), (_, found)) in expected.iter().zip(&found) {
                assert!(expected == found, "{name}, stopped after {stop} rounds: {file} differs");
            }
            assert_eq!(found.len(), expected.len());
        }
    }
}

fn a_checkpoint_changes_nothing_of_the_run(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let (mut saved, mut unsaved) = (trainer(core, config.clone(), device), trainer(core, config, device));
    for round in 0..12 {
        rounds(&mut saved, 5);
        rounds(&mut unsaved, 5);
        saved.save(&folder.path().join(round.to_string()), true, &()).expect("writable");
    }
    let files = |trainer, name| files(trainer, folder.path(), name);
    assert!(files(&saved, "saved") == files(&unsaved, "unsaved"));
}

fn without_a_replay_a_run_first_fills_a_new_one(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut first = trainer(core, config.clone(), device);
    rounds(&mut first, 60);
    let path = folder.path().join("small");
    first.save(&path, false, &"what the caller adds").expect("writable");
    assert!(!path.join("replay.msgpack.zst").exists());
    let checkpoint = Checkpoint::open(&path).expect("whole");
    assert!(!checkpoint.has_replay());
    assert_eq!(checkpoint.application::<String>().expect("text"), "what the caller adds");
    let mut resumed =
        Trainer::resume(world(), &network(core), config, 5, device, &checkpoint).expect("of the same run");
    let before = *resumed.progress();
    assert_eq!((before.steps, before.stored), (180, 0));
    // Learning started after 60 steps, which is 20 rounds of three agents.
    rounds(&mut resumed, 20);
    assert_eq!((resumed.progress().updates, resumed.progress().stored), (before.updates, 60));
    rounds(&mut resumed, 10);
    assert!(resumed.progress().updates > before.updates);
}

fn a_checkpoint_whose_replay_was_taken_out_is_whole_and_goes_on(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut first = trainer(core, config.clone(), device);
    rounds(&mut first, 60);
    let path = folder.path().join("checkpoint");
    first.save(&path, true, &()).expect("writable");
    let replay = fs::metadata(path.join("replay.msgpack.zst")).expect("it was just written").len();
    assert_eq!(Checkpoint::drop_replay(&path).expect("writable"), replay);
    assert!(!path.join("replay.msgpack.zst").exists());
    let checkpoint = Checkpoint::open(&path).expect("whole");
    assert!(checkpoint.can_be_resumed() && !checkpoint.has_replay());
    let resumed = Trainer::resume(world(), &network(core), config, 5, device, &checkpoint);
    assert_eq!(resumed.expect("of the same run").progress().stored, 0);
    // As if the process had been killed between taking it off the list and removing it.
    fs::write(path.join("replay.msgpack.zst"), "left").expect("writable");
    assert!(!Checkpoint::open(&path).expect("whole").has_replay());
    assert_eq!(Checkpoint::drop_replay(&path).expect("writable"), 4);
    assert_eq!(Checkpoint::drop_replay(&path).expect("writable"), 0);
}

fn a_checkpoint_of_weights_only_is_whole_and_does_not_go_on(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut first = trainer(core, config.clone(), device);
    rounds(&mut first, 60);
    let path = folder.path().join("checkpoint");
    first.save(&path, true, &()).expect("writable");
    let whole = Checkpoint::open(&path).expect("whole");
    let (weights, progress) = (whole.online_weights().expect("readable"), *whole.progress());
    assert!(Checkpoint::keep_weights_only(&path).expect("writable") > 0);
    let mut left: Vec<_> =
        fs::read_dir(&path).expect("there").map(|entry| entry.expect("readable").file_name()).collect();
    left.sort();
    assert_eq!(left, ["SHA256SUMS", "manifest.json", "online.safetensors"]);
    let slim = Checkpoint::open(&path).expect("whole");
    assert!(slim.online_weights().expect("readable") == weights && *slim.progress() == progress);
    assert!(!slim.can_be_resumed());
    let resumed = Trainer::resume(world(), &network(core), config, 5, device, &slim);
    assert!(matches!(resumed, Err(CheckpointError::WeightsOnly { .. })));
}

fn a_checkpoint_of_another_run_is_refused(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut first = trainer(core, config.clone(), device);
    rounds(&mut first, 30);
    let path = folder.path().join("first");
    first.save(&path, true, &()).expect("writable");
    assert!(
        matches!(first.save(&path, true, &()), Err(CheckpointError::File(FileError::Exists { .. }))),
        "never overwritten"
    );
    let checkpoint = Checkpoint::open(&path).expect("whole");
    let resume = |world, network: &QNetworkConfig, config: &DrqnConfig, seed| {
        let resumed = Trainer::resume(world, network, config.clone(), seed, device, &checkpoint);
        resumed.err().map_or("resumed".to_owned(), |error| error.to_string())
    };
    let same = network(core);
    assert_eq!(resume(world(), &same, &config, 5), "resumed");
    let seed = resume(world(), &same, &config, 6);
    assert!(seed.contains("its seed is 5, expected 6"), "{seed}");
    let larger = QNetworkConfig { head_features: 9, ..network(core) };
    let larger = resume(world(), &larger, &config, 5);
    assert!(larger.contains("online.safetensors") && larger.contains("q_head.0"), "{larger}");
    let plain = DrqnConfig { intrinsic: Intrinsic::None {}, annealing: Annealing::None {}, ..config.clone() };
    let plain = resume(world(), &same, &plain, 5);
    assert!(plain.contains("its intrinsic reward is counts, expected none"), "{plain}");
    let smaller = DrqnConfig { replay_capacity: 300, ..config.clone() };
    let smaller = resume(world(), &same, &smaller, 5);
    assert!(smaller.contains("replay.msgpack") && smaller.contains("400"), "{smaller}");
    let level = Level { step_limit: 41, ..Level::builtin("pomdp-shuffled").expect("built in") };
    let other = PreviousInputs::new(Town::new(level, 3).expect("a valid level"), 0.1);
    let other = resume(other, &same, &config, 5);
    assert!(other.contains("state.msgpack"), "{other}");
}

fn a_damaged_checkpoint_is_refused_by_the_name_of_its_file(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut trainer = trainer(CoreConfig::Lstm {}, config(), device);
    rounds(&mut trainer, 30);
    let names = ["manifest.json", "online.safetensors", "state.msgpack.zst", "replay.msgpack.zst"];
    for (index, name) in names.into_iter().enumerate() {
        for cut in [true, false] {
            let path = folder.path().join(format!("{index}-{cut}"));
            trainer.save(&path, true, &()).expect("writable");
            let file = path.join(name);
            let mut bytes = fs::read(&file).expect("it was just written");
            if cut {
                bytes.truncate(bytes.len() / 2);
            } else {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            fs::write(&file, bytes).expect("writable");
            let error = Checkpoint::open(&path).expect_err("it was damaged").to_string();
            assert!(error.contains(name), "{error}");
        }
    }
    let path = folder.path().join("missing");
    trainer.save(&path, true, &()).expect("writable");
    fs::remove_file(path.join("target.safetensors")).expect("it is there");
    let error = Checkpoint::open(&path).expect_err("a file is missing").to_string();
    assert!(error.contains("target.safetensors is damaged: it is missing"), "{error}");
    let path = folder.path().join("newer");
    trainer.save(&path, true, &()).expect("writable");
    let manifest = fs::read_to_string(path.join("manifest.json")).expect("readable");
    fs::write(path.join("manifest.json"), manifest.replace("checkpoint/2", "checkpoint/3"))
        .expect("writable");
    let error = Checkpoint::open(&path).expect_err("another format").to_string();
    assert!(error.contains("townlet-checkpoint/3") && error.contains("townlet-checkpoint/2"), "{error}");
}

fn the_state_of_the_optimiser_has_pytorchs_names_and_shapes(device: &Device) {
    let mut trainer = trainer(CoreConfig::Lstm {}, config(), device);
    let learner = trainer.learner();
    assert!(learner.optimizer_state().expect("readable").is_empty(), "before the first step there is none");
    rounds(&mut trainer, 60);
    let learner = trainer.learner();
    let state = learner.optimizer_state().expect("readable");
    let parameters = state_dict(learner.online());
    assert_eq!(state.len(), 3 * parameters.len());
    for (name, parameter) in &parameters {
        assert_eq!(state[&format!("{name}.step")].values, [learner.updates() as f32], "{name}");
        for moment in ["exp_avg", "exp_avg_sq"] {
            assert_eq!(state[&format!("{name}.{moment}")].shape, parameter.shape, "{name}");
        }
    }
    let mut wrong = state.clone();
    let moved = wrong.remove("lstm.weight_ih_l0.exp_avg").expect("there");
    wrong.insert("lstm.weight.exp_avg".to_owned(), moved);
    let optimizer = townlet_nets::adam(1e-8);
    let error = townlet_nets::load_optimizer_state(optimizer, learner.online(), &wrong);
    let error = error.err().expect("a name is wrong").to_string();
    assert!(error.contains("missing: lstm.weight_ih_l0.exp_avg"), "{error}");
    assert!(error.contains("unexpected: lstm.weight.exp_avg"), "{error}");
    let loaded = townlet_nets::load_optimizer_state(townlet_nets::adam(1e-8), learner.online(), &state);
    let again = optimizer_state(&loaded.expect("it fits"), learner.online()).expect("readable");
    assert!(again == state, "what was loaded is what was saved");
}
