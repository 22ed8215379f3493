//! Every setting of a training run, from everywhere, resolved once into a [`RunConfig`].
//!
//! Settings are layers of TOML tables, each put over those before it: the defaults, the recipe, the level, what
//! is fitted to the length of the run, `--config` files, `--set`, and flags of their own. Whatever is wrong is
//! told to whoever said it last.

mod arguments;
mod document;
mod faults;
mod files;
mod layers;
mod origin;
mod reference;
mod schema;
pub(crate) mod set;
mod show;
mod unknown;
#[cfg(test)]
mod wrong_keys;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::{Table, Value};
use townlet_drqn::CurriculumConfig;
use townlet_env::{Level, LevelError, Town};
use townlet_text::printable;

pub(crate) use self::arguments::SettingsArguments;
use self::document::Document;
use self::faults::{fault, ill_changed, ill_fitting, untyped};
pub(crate) use self::files::{Said, parse, read, within};
pub(crate) use self::layers::{Layer, Layers};
pub(crate) use self::origin::{Origin, SourceFile};
use self::schema::settings_schema;
pub(crate) use self::schema::{SchemaKind, plain_schema_of, schema, settings_table};
pub(crate) use self::show::show;
pub(crate) use self::unknown::Keys;
#[cfg(test)]
pub(crate) use self::wrong_keys::{WrongKey, wrong_keys};
use crate::config_file::{MAX_AGENTS, MAX_NETWORK_SIZE, check_limits};
use crate::level_argument;
use crate::recipe::Recipe;
use crate::run_config::{Budget, CheckpointSchedule, RunConfig, fit};

/// The most observations that a stack of frames may hold.
const MAX_FRAMES: usize = 64;
/// The most episodes of an evaluation during training.
const MAX_EVALUATION_EPISODES: u32 = 100_000;
/// The level where neither anybody nor the recipe names one.
const DEFAULT_LEVEL: &str = "pomdp";

/// What was resolved, and out of what.
pub(crate) struct Resolved {
    pub(crate) config: RunConfig,
    pub(crate) layers: Layers,
    /// What was said and means nothing here, for whoever said it.
    pub(crate) notes: Vec<String>,
}

/// Resolves what was said, the last word last.
///
/// # Errors
///
/// Where something is misspelt, of the wrong kind, or makes no sense: with the place where it was said.
pub(crate) fn resolve(said: Vec<Said>) -> Result<Resolved> {
    // A level that is named is the world; a training file of the reference is held against it then.
    let named = said.iter().any(|said| names_level(&said.layer.table));
    let mut users = Layers::default();
    let mut own = Vec::new();
    let (mut worlds, mut notes) = (Vec::new(), Vec::new());
    for Said { mut layer, world, notes: more } in said {
        known(&layer)?;
        notes.extend(more);
        if let Some(world) = world {
            if !named {
                world.derive(&mut layer)?;
            }
            worlds.push(world);
        }
        users.push(layer.clone());
        own.push(layer);
    }

    let recipe = recipe(&users)?;
    let mut recipe_table: Table = recipe.text().parse()?;
    let recipe_level = match recipe_table.remove("level") {
        Some(Value::String(name)) => name,
        _ => DEFAULT_LEVEL.to_owned(),
    };
    let (level_name, level) = level(&users, &recipe_level)?;
    if named {
        worlds.iter().try_for_each(|world| world.check(&level))?;
    }
    let step_limit = users.value("level.step_limit").and_then(Value::as_integer);
    let step_limit = step_limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(level.step_limit);

    let mut layers = Layers::default();
    layers.push(Layer { origin: Origin::Default, table: Document::defaults()? });
    layers.push(Layer { origin: Origin::Recipe(recipe), table: recipe_table });
    let mut table = Table::new();
    table.insert("recipe".to_owned(), Value::try_from(recipe)?);
    layers.push(Layer { origin: users.origin("recipe").clone(), table });
    let mut table = Table::new();
    table.insert("level".to_owned(), Value::try_from(&level)?);
    layers.push(Layer { origin: Origin::Level(level_name), table });
    let (document, _) = typed(&layers)?;
    layers.push(fitted(&document, &users, step_limit)?);
    for mut layer in own {
        if let Some(Value::Table(level)) = layer.table.get_mut("level") {
            level.remove("base");
        }
        layers.push(layer);
        typed(&layers)?;
    }

    let (document, level) = typed(&layers)?;
    check(&document, &level, &layers)?;
    notes.extend(spared(&document.learner.curriculum, &level));
    let network = document.network.network(level.observation_layout(), Town::ACTION_NAMES.len());
    for world in &worlds {
        world.check_sizes(&network, &mut notes)?;
    }
    let budget = match document.episodes {
        Some(episodes) => Budget::Episodes(episodes),
        None => Budget::Steps(document.steps.unwrap_or(1)),
    };
    let config = RunConfig {
        townlet: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: document.recipe,
        backend: document.backend,
        agents: document.agents as usize,
        seed: document.seed,
        budget,
        evaluation: document.evaluation.into(),
        checkpoints: document.checkpoints,
        metrics: document.metrics,
        network,
        learner: document.learner,
        level,
    };
    Ok(Resolved { config, layers, notes })
}

fn names_level(table: &Table) -> bool {
    matches!(table.get("level"), Some(Value::Table(level)) if level.contains_key("base"))
}

/// The recipe to start from.
fn recipe(users: &Layers) -> Result<Recipe> {
    let Some(value) = users.value("recipe") else {
        return Ok(Recipe::default());
    };
    Recipe::deserialize(value.clone())
        .map_err(|error| fault(users, "recipe", &crate::suggest::told(error.message())))
}

/// The level that is named, and its name; where nobody names one, that of the recipe.
fn level(users: &Layers, of_recipe: &str) -> Result<(String, Level)> {
    let key = "level.base";
    let name = match users.value(key) {
        None => of_recipe,
        Some(Value::String(name)) => name,
        Some(other) => {
            let message = format!(
                "expected the name of a level or the path of a level file, found {}",
                printable(&other.to_string())
            );
            return Err(fault(users, key, &message));
        }
    };
    let level = level_argument::load(name);
    let level = match users.origin(key) {
        // The message names the file, or what was given to the flag.
        Origin::Default | Origin::Flag(_) => level?,
        origin => level.with_context(|| format!("{}: {}", origin.place(key), origin.said_key("level")))?,
    };
    Ok((name.to_owned(), level))
}

/// What changes in a recipe because the run is smaller than what it was made for.
fn fitted(document: &Document, users: &Layers, step_limit: u32) -> Result<Layer> {
    let whole = |key: &str| {
        let number = users.value(key).and_then(Value::as_integer);
        number.and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0)
    };
    let budget = match (whole("episodes"), whole("steps").or(document.steps)) {
        (Some(episodes), _) => Budget::Episodes(episodes),
        (None, steps) => Budget::Steps(steps.unwrap_or(1)),
    };
    let agents = whole("agents").unwrap_or(document.agents.into());
    let mut learner = document.learner.clone();
    fit(&mut learner, usize::try_from(agents)?, budget, step_limit);
    let mut checkpoints = document.checkpoints;
    checkpoints.fit(budget);
    let parts = [
        ("learner", Table::try_from(&document.learner)?, Table::try_from(learner)?),
        ("checkpoints", Table::try_from(document.checkpoints)?, Table::try_from(checkpoints)?),
    ];
    let mut table = Table::new();
    for (key, before, now) in parts {
        let changed = layers::difference(&before, now);
        if !changed.is_empty() {
            table.insert(key.to_owned(), Value::Table(changed));
        }
    }
    Ok(Layer { origin: Origin::Fitted, table })
}

/// Refuses a key of a layer that means nothing. A choice that is only changed in part is looked at again once the
/// layers are put together, when its kind is known.
fn known(layer: &Layer) -> Result<()> {
    let keys = Keys::new(settings_schema());
    match keys.unknown(&layer.table) {
        Some(unknown) => Err(layer.origin.fault(&unknown.key(), &unknown.message(keys, None))),
        None => Ok(()),
    }
}

/// The layers as what they must be.
fn typed(layers: &Layers) -> Result<(Document, Level)> {
    let keys = Keys::new(settings_schema());
    if let Some(unknown) = keys.unknown(layers.table()) {
        let kind = format!("{}.kind", unknown.table);
        let from = layers.origin(&kind).describe(&kind);
        return Err(layers.last().fault(&unknown.key(), &unknown.message(keys, Some(&from))));
    }
    let document = serde_path_to_error::deserialize(Value::Table(layers.table().clone()))
        .map_err(|error| untyped(layers, &error.path().to_string(), error.inner().message()))?;
    let level = layers.value("level").cloned().unwrap_or(Value::Table(Table::new()));
    let level = serde_path_to_error::deserialize(level).map_err(|error| {
        let path = error.path().to_string();
        let key = if path == "." { "level".to_owned() } else { format!("level.{path}") };
        untyped(layers, &key, error.inner().message())
    })?;
    Ok((document, level))
}

/// Says which meters nobody dies of because the hardest stage of the curriculum holds them.
fn spared(curriculum: &CurriculumConfig, level: &Level) -> Option<String> {
    let (stage, key) = match curriculum {
        CurriculumConfig::Static(config) => (&config.stage, "learner.curriculum.stage"),
        CurriculumConfig::Adversarial(config) => {
            (config.stages.last()?, "the last of learner.curriculum.stages")
        }
        CurriculumConfig::None {} => return None,
    };
    let held = |name: &String| !stage.active_meters.contains(name);
    let names: Vec<&str> = level
        .meters
        .iter()
        .filter(|meter| meter.terminal && held(&meter.name))
        .map(|meter| meter.name.as_str())
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "{key} holds {} at the start value, so no agent dies of that in training; name it in active_meters to \
             change this",
            names.join(" and ")
        )
    })
}

/// Refuses what no computer can hold and what makes no sense.
fn check(document: &Document, level: &Level, layers: &Layers) -> Result<()> {
    let range = |key: &str, found: u32, most: u32| {
        if (1..=most).contains(&found) {
            Ok(())
        } else {
            Err(fault(layers, key, &format!("expected 1 to {most}, found {found}")))
        }
    };
    range("agents", document.agents, MAX_AGENTS)?;
    range("evaluation.episodes", document.evaluation.episodes, MAX_EVALUATION_EPISODES)?;
    for (key, found) in [("steps", document.steps), ("episodes", document.episodes)] {
        if found == Some(0) {
            return Err(fault(layers, key, "expected at least 1, found 0"));
        }
    }
    if let Some(until) = document.evaluation.until
        && !(until > 0.0 && until.is_finite())
    {
        return Err(fault(layers, "evaluation.until", &format!("expected a positive number, found {until}")));
    }
    let CheckpointSchedule { keep, replays, .. } = document.checkpoints;
    for (key, found) in [("checkpoints.keep", keep), ("checkpoints.replays", replays)] {
        if found == 0 {
            return Err(fault(layers, key, "expected at least 1, found 0"));
        }
    }
    if let townlet_nets::CoreConfig::Frames { count } = document.network.core
        && !(2..=MAX_FRAMES).contains(&count)
    {
        let message =
            format!("expected 2 to {MAX_FRAMES} frames, found {count}; one frame is the kind \"none\"");
        return Err(fault(layers, "network.core.count", &message));
    }
    let sizes = document.network.sizes();
    if let Some((key, size)) = sizes.into_iter().find(|(_, size)| !(1..=MAX_NETWORK_SIZE).contains(size)) {
        return Err(fault(layers, key, &format!("expected 1 to {MAX_NETWORK_SIZE}, found {size}")));
    }
    check_limits(&document.learner).map_err(|(key, message)| fault(layers, key, &message))?;
    document.learner.validate().map_err(|error| {
        let key = format!("learner.{}", error.key);
        ill_fitting(layers, &key, error.expected, &error.found)
    })?;
    match level.validate() {
        Err(LevelError::Invalid { place, fault: wrong }) => {
            let key = if place.key.is_empty() { "level".to_owned() } else { format!("level.{}", place.key) };
            Err(ill_changed(layers, &key, &wrong.to_string()))
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests;
