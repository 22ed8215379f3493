//! What is said of settings that are wrong, and to whom.

use anyhow::{Error, anyhow};

use super::layers::Layers;
use super::origin::parent;
use crate::suggest::{Unknown, nearest, plainly};

/// An error about the setting `key`, told to whoever it is from.
pub(crate) fn fault(layers: &Layers, key: &str, message: &str) -> Error {
    let origin = layers.blamed(key);
    anyhow!("{}: {}: {message}", origin.place(key), origin.said_key(key))
}

/// An error about a setting that may be wrong only beside others: `expected` may name them. It says where each
/// of them is from, and is told to whoever could change one.
pub(crate) fn ill_fitting(layers: &Layers, key: &str, expected: &str, found: &str) -> Error {
    let mut involved: Vec<String> = Vec::new();
    for word in expected.split(|c: char| !(c.is_alphanumeric() || "_.".contains(c))) {
        let word = word.trim_matches('.');
        let named = [parent(key), Some("learner")]
            .into_iter()
            .flatten()
            .map(|table| format!("{table}.{word}"))
            .find(|other| layers.value(other).is_some_and(|value| !value.is_table()));
        involved.extend(named.filter(|other| other != key && !involved.contains(other)));
    }
    let users = |key: &str| layers.blamed(key).is_users();
    let accused = if users(key) { None } else { involved.iter().find(|other| users(other)) };
    let place = layers.blamed(accused.map_or(key, String::as_str)).place(accused.map_or(key, String::as_str));
    if accused.is_some() {
        involved.push(key.to_owned());
    }
    let said_key = layers.blamed(key).said_key(key);
    let mut message = format!("{place}: {said_key}: expected {expected}, found {found}");
    let values: Vec<String> = involved
        .iter()
        .map(|other| {
            let value = layers.value(other).map(ToString::to_string).unwrap_or_default();
            format!("{other} is {value} ({})", layers.origin(other).describe(other))
        })
        .collect();
    if !values.is_empty() {
        message += "; ";
        message += &values.join(", ");
    }
    anyhow!(message)
}

/// An error about a level that was fine before it was changed. `key` may be one that nobody changed: then the
/// error is told to whoever changed another one.
pub(crate) fn ill_changed(layers: &Layers, key: &str, message: &str) -> Error {
    let changed =
        layers.keys().filter(|key| key.starts_with("level.")).find(|key| layers.origin(key).is_users());
    match changed {
        Some(changed) if !layers.blamed(key).is_users() => {
            let origin = layers.origin(changed);
            let value = layers.value(changed).map(ToString::to_string).unwrap_or_default();
            let said_key = origin.said_key(changed);
            anyhow!("{}: {said_key}: {value} does not fit the level: {key}: {message}", origin.place(changed))
        }
        _ => fault(layers, key, message),
    }
}

/// An error about settings that are not what they must be, which the last layer brought in. `path` is where
/// serde stood, and `message` what it says.
pub(crate) fn untyped(layers: &Layers, path: &str, message: &str) -> Error {
    let mut key = if path == "." { String::new() } else { path.to_owned() };
    let mut plain = plainly(message);
    if let Some(unknown) = Unknown::find(message) {
        if unknown.what == "field" {
            if key.rsplit('.').next() == Some(unknown.word) {
                key = parent(&key).unwrap_or_default().to_owned();
            }
            key = place_of(layers, &key, unknown.word);
            if nearest(unknown.word, unknown.candidates.iter().copied()).is_none()
                && let Some(meant) = elsewhere(layers, &key, unknown.word)
            {
                plain = unknown.guessed(&meant);
            }
        } else {
            let kind = join(&key, "kind");
            if layers.value(&kind).and_then(toml::Value::as_str) == Some(unknown.word) {
                key = kind;
            }
        }
    }
    let origin = layers.last();
    let place = origin.place(&key);
    if key.is_empty() {
        anyhow!("{place}: {plain}")
    } else {
        anyhow!("{place}: {}: {plain}", origin.said_key(&key))
    }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// The key called `word` in `table` or below it; that is as far as serde knows the way into choices.
fn place_of(layers: &Layers, table: &str, word: &str) -> String {
    let direct = join(table, word);
    if layers.value(&direct).is_some() {
        return direct;
    }
    let below = layers.keys().find_map(|key| {
        let rest = if table.is_empty() { key } else { key.strip_prefix(table)?.strip_prefix('.')? };
        let end = rest.split('.').scan(0, |end, part| {
            *end += part.len() + 1;
            Some((part, *end - 1))
        });
        let (_, end) = end.into_iter().find(|(part, _)| *part == word)?;
        Some(join(table, &rest[..end]))
    });
    below.unwrap_or(direct)
}

/// A setting of another table that is called so, or nearly.
fn elsewhere(layers: &Layers, wrong: &str, word: &str) -> Option<String> {
    let name = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let others: Vec<&str> =
        layers.keys().filter(|&key| key != wrong && key != word && !key.starts_with("level.")).collect();
    if let Some(same) = others.iter().find(|key| name(key) == word) {
        return Some((*same).to_owned());
    }
    let names: Vec<String> = others.iter().map(|key| name(key)).collect();
    let meant = nearest(word, names.iter().map(String::as_str))?;
    others.iter().find(|key| name(key) == meant).map(|key| (*key).to_owned())
}
