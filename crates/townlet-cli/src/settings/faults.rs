//! What is said of settings that are wrong, and to whom.

use anyhow::{Error, anyhow};

use townlet_text::printable;

use super::layers::Layers;
use super::origin::parent;
use crate::suggest::{Unknown, told};

/// An error about the setting `key`, told to whoever it is from.
pub(crate) fn fault(layers: &Layers, key: &str, message: &str) -> Error {
    layers.blamed(key).fault(key, message)
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
            let value = printable(&value);
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
            let value = printable(&value);
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
    let plain = told(message);
    if let Some(Unknown { what: "variant", word, .. }) = Unknown::find(message) {
        let kind = join(&key, "kind");
        if layers.value(&kind).and_then(toml::Value::as_str) == Some(word) {
            key = kind;
        }
    }
    let origin = layers.last();
    if key.is_empty() { anyhow!("{}: {plain}", origin.place(&key)) } else { origin.fault(&key, &plain) }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
