//! Training files of the Python implementation that Townlet re-imagines: YAML, every key of it mapped to a
//! setting, held against the world, or refused. What means nothing here is noted with the reason.

mod keys;
mod world;
mod yaml;

use std::rc::Rc;

use anyhow::Result;
use toml::{Table, Value};
use townlet_nets::Backend;
use townlet_nets::device::adapters;
use townlet_text::printable;

pub(crate) use self::world::World;

use self::keys::Keys;
use super::files::Said;
use super::layers::Layer;
use super::origin::{Origin, SourceFile, YamlPlaces};
use super::set;

/// How long an agent that acts at random lives, in steps: what an episode is taken for where the reference counts
/// episodes and Townlet steps.
const RANDOM_EPISODE: f64 = 100.0;

/// Reads a training file.
///
/// # Errors
///
/// Where it is no YAML, has a key that the reference does not know, or a value of the wrong kind: with file, line
/// and key.
pub(crate) fn read(file: &SourceFile) -> Result<Said> {
    let keys = Keys::read(file)?;
    let mut mapping = Mapping {
        world: world(&keys)?,
        table: Table::new(),
        places: YamlPlaces { path: file.path.clone(), ..YamlPlaces::default() },
        notes: Vec::new(),
        keys: &keys,
    };
    mapping.places_of_world();
    // Its constants are those of the reference.
    mapping.table.insert("recipe".to_owned(), Value::from("drqn"));
    mapping.population()?;
    mapping.curriculum()?;
    mapping.exploration()?;
    mapping.training()?;
    mapping.unused();
    let Mapping { world, table, places, notes, .. } = mapping;
    let said = Said::new(Layer { origin: Origin::Yaml(Rc::new(places)), table })?;
    Ok(Said { world: Some(world), notes, ..said })
}

fn world(keys: &Keys<'_>) -> Result<World> {
    Ok(World {
        path: keys.path().to_path_buf(),
        grid: keys.agreed("environment.grid_size", "population.grid_size")?,
        partial: keys.truth("environment.partial_observability")?,
        vision: keys.whole("environment.vision_range")?,
        temporal: keys.truth("environment.enable_temporal_mechanics")?,
        step_limit: keys.agreed("curriculum.max_steps_per_episode", "training.max_steps_per_episode")?,
        observation: [keys.whole("population.state_dim")?, keys.whole("exploration.obs_dim")?]
            .into_iter()
            .flatten()
            .collect(),
        actions: keys.whole("population.action_dim")?,
    })
}

/// A file on its way to settings.
struct Mapping<'a> {
    keys: &'a Keys<'a>,
    world: World,
    table: Table,
    places: YamlPlaces,
    notes: Vec<String>,
}

impl Mapping<'_> {
    fn put(&mut self, setting: &str, value: impl Into<Value>, key: &'static str) {
        set::insert(&mut self.table, setting, value.into());
        if let Some(line) = self.keys.line(key) {
            self.places.keys.insert(setting.to_owned(), (line, key));
        }
    }

    fn note(&mut self, key: &str, reason: &str) {
        if let Some(line) = self.keys.line(key) {
            let path = self.places.path.display();
            self.notes.push(format!("{path}:{line}: {key} is not used: {reason}"));
        }
    }

    fn places_of_world(&mut self) {
        let partial = self.world.partial.is_some_and(|at| at.value);
        if !partial && self.world.vision.take().is_some() {
            let reason = "without partial_observability an agent sees its place on the whole grid";
            self.note("environment.vision_range", reason);
        }
        let World { grid, partial, vision, temporal, step_limit, .. } = &self.world;
        let numbers =
            [("level.grid", grid), ("level.vision_range", vision), ("level.step_limit", step_limit)];
        let truths = [("level.observability", partial), ("level.base", temporal)];
        let numbers = numbers.into_iter().filter_map(|(key, at)| at.map(|at| (key, (at.line, at.key))));
        let truths = truths.into_iter().filter_map(|(key, at)| at.map(|at| (key, (at.line, at.key))));
        self.places.keys.extend(numbers.chain(truths).map(|(key, place)| (key.to_owned(), place)));
    }

    fn population(&mut self) -> Result<()> {
        let keys = self.keys;
        let agents = keys.whole("population.num_agents")?;
        if let Some(at) = agents {
            self.put("agents", at.value, at.key);
        }
        for (key, setting) in
            [("population.learning_rate", "learner.learning_rate"), ("population.gamma", "learner.discount")]
        {
            if let Some(at) = keys.number(key)? {
                self.put(setting, at.value, key);
            }
        }
        // The reference's never falls.
        if keys.line("population.learning_rate").is_some() {
            self.put("learner.learning_rate_updates", 0, "population.learning_rate");
        }
        if let Some(at) = keys.whole("population.replay_buffer_capacity")? {
            self.put("learner.replay_capacity", at.value, at.key);
        }
        let key = "population.network_type";
        if keys.word(key, &["simple", "recurrent"])?.unwrap_or("simple") == "simple" {
            // Single transitions, 64 at a time.
            self.put("network.core", kind("none"), key);
            self.put("learner.batch_size", 64, key);
            for (setting, value) in [("trace_length", 1), ("period", 1), ("burn_in", 0)] {
                self.put(&format!("learner.{setting}"), value, key);
            }
        } else {
            self.put("network.core", kind("lstm"), key);
        }
        if let Some(at) = keys.whole("population.batch_size")? {
            self.put("learner.batch_size", at.value, at.key);
        }
        if let Some(at) = keys.whole("population.train_frequency")? {
            // There, all agents step between one update and the next; here, steps of all agents are counted.
            let every = at.value.saturating_mul(agents.map_or(1, |agents| agents.value));
            self.put("learner.schedule.update_every", every, at.key);
        }
        Ok(())
    }

    fn curriculum(&mut self) -> Result<()> {
        let keys = self.keys;
        if !keys.has_section("curriculum") {
            return Ok(());
        }
        self.note("curriculum.device", "the whole run is on one device, that of training.device");
        let thresholds = [
            ("curriculum.survival_advance_threshold", "advance_survival"),
            ("curriculum.survival_retreat_threshold", "retreat_survival"),
            ("curriculum.entropy_gate", "max_entropy"),
        ];
        let at = "curriculum.type";
        let adversarial =
            keys.word(at, &["adversarial", "static"])?.unwrap_or("adversarial") == "adversarial";
        self.put("learner.curriculum", kind(if adversarial { "adversarial" } else { "static" }), at);
        for (key, setting) in thresholds {
            if let Some(at) = keys.number(key)? {
                if adversarial {
                    self.put(&format!("learner.curriculum.{setting}"), at.value, key);
                } else {
                    self.note(key, "a static curriculum has one stage");
                }
            }
        }
        let key = "curriculum.min_steps_at_stage";
        if let Some(at) = keys.whole(key)? {
            if adversarial {
                self.put("learner.curriculum.min_steps", at.value, key);
            } else {
                self.note(key, "a static curriculum has one stage");
            }
        }
        Ok(())
    }

    fn exploration(&mut self) -> Result<()> {
        let keys = self.keys;
        if !keys.has_section("exploration") {
            return Ok(());
        }
        let at = "exploration.type";
        let kinds = ["adaptive_intrinsic", "rnd", "epsilon_greedy"];
        let which = keys.word(at, &kinds)?.unwrap_or("adaptive_intrinsic");
        let (novelty, annealing) = (which != "epsilon_greedy", which == "adaptive_intrinsic");
        if novelty {
            self.put("learner.intrinsic", kind("rnd"), at);
        }
        if annealing {
            self.put("learner.annealing", kind("adaptive"), at);
        }
        let in_vain = format!("exploration.type is {which}");
        let wholes = [
            ("exploration.embed_dim", "learner.intrinsic.embedding", novelty),
            ("exploration.survival_window", "learner.annealing.window", annealing),
        ];
        for (key, setting, used) in wholes {
            if let Some(at) = keys.whole(key)? {
                if used { self.put(setting, at.value, key) } else { self.note(key, &in_vain) }
            }
        }
        let numbers = [
            ("exploration.rnd_learning_rate", "learner.intrinsic.learning_rate", novelty),
            ("exploration.initial_intrinsic_weight", "learner.annealing.initial_weight", annealing),
            ("exploration.min_intrinsic_weight", "learner.annealing.minimum_weight", annealing),
            ("exploration.variance_threshold", "learner.annealing.variance_threshold", annealing),
            ("exploration.decay_rate", "learner.annealing.decay", annealing),
        ];
        for (key, setting, used) in numbers {
            if let Some(at) = keys.number(key)? {
                if used { self.put(setting, at.value, key) } else { self.note(key, &in_vain) }
            }
        }
        keys.whole("exploration.rnd_training_batch_size")?;
        let reason = "the predictor learns from the sequences of each update";
        self.note("exploration.rnd_training_batch_size", reason);
        self.epsilon()
    }

    /// Epsilon is multiplied by a factor at the end of each episode there, and falls with steps here.
    fn epsilon(&mut self) -> Result<()> {
        let keys = self.keys;
        let names = ["exploration.epsilon_start", "exploration.epsilon_min", "exploration.epsilon_decay"];
        let [start, end, decay] = [keys.number(names[0])?, keys.number(names[1])?, keys.number(names[2])?];
        let Some(first) = [decay, start, end].into_iter().flatten().next() else {
            return Ok(());
        };
        let (start, end) = (start.map_or(1.0, |at| at.value), end.map_or(0.01, |at| at.value));
        let factor = decay.map_or(0.995, |at| at.value);
        if !(factor > 0.0 && factor <= 1.0) {
            return Err(
                keys.fault(names[2], &format!("expected a number above 0, at most 1, found {factor}"))
            );
        }
        if factor == 1.0 {
            self.put("learner.epsilon", kind("linear"), first.key);
            self.put("learner.epsilon.end", start, names[0]);
            self.put("learner.epsilon.steps", 0, first.key);
        } else {
            let decay_steps = (RANDOM_EPISODE / -factor.ln()).round().max(1.0);
            self.put("learner.epsilon", kind("exponential"), first.key);
            self.put("learner.epsilon.end", end, names[1]);
            self.put("learner.epsilon.decay_steps", decay_steps as i64, names[2]);
        }
        self.put("learner.epsilon.start", start, names[0]);
        Ok(())
    }

    fn training(&mut self) -> Result<()> {
        let keys = self.keys;
        let key = "training.device";
        match keys.text(key)? {
            None => {}
            Some("cpu") => self.put("backend", Backend::Flex.to_string(), key),
            // As there: the graphics card where there is one, otherwise the processor.
            Some(device) if device == "cuda" || device.starts_with("cuda:") => {
                let card = adapters().iter().any(|adapter| adapter.is_supported() && adapter.kind != "Cpu");
                let backend = if card { Backend::Wgpu } else { Backend::Flex };
                self.put("backend", backend.to_string(), key);
                if !Backend::Wgpu.is_compiled() {
                    let reason = "this build has no backend for graphics cards, and trains on the processor; build \
                                  it with --features wgpu";
                    self.note(key, reason);
                } else if !card {
                    self.note(key, "there is no graphics card here; the run trains on the processor");
                }
            }
            Some(other) => {
                return Err(keys.fault(key, &format!("expected cpu or cuda, found {}", printable(other))));
            }
        }
        let key = "training.num_episodes";
        if let Some(at) = keys.whole(key)? {
            self.put("episodes", at.value, key);
        }
        Ok(())
    }

    /// Whole sections that mean nothing here.
    fn unused(&mut self) {
        let reasons = [
            ("visualization", "training shows its progress in the terminal and streams nothing"),
            ("experiment", "a run is named by its directory (--out)"),
        ];
        let path = self.places.path.display();
        for (section, reason) in reasons {
            let names: Vec<&str> = self.keys.free(section).collect();
            if !names.is_empty() {
                self.notes.push(format!("{path}: {} are not used: {reason}", names.join(", ")));
            }
        }
    }
}

/// A table with a kind and nothing else.
fn kind(name: &str) -> Value {
    let mut table = Table::new();
    table.insert("kind".to_owned(), Value::from(name));
    Value::Table(table)
}

#[cfg(test)]
mod tests;
