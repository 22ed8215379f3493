//! `--set key.path=value`: one setting on the command line.

use anyhow::{Result, bail};
use toml::{Table, Value};

use super::files::Said;
use super::layers::Layer;
use super::origin::Origin;

/// Reads one `--set`.
///
/// # Errors
///
/// As [`layer`], and if it says two things that exclude each other.
pub(crate) fn read(said: &str) -> Result<Said> {
    Said::new(layer(said)?)
}

/// The layer of one `--set`.
///
/// # Errors
///
/// Where it is not a key, `=` and a TOML value or a plain word.
pub(crate) fn layer(said: &str) -> Result<Layer> {
    let Some((path, text)) = said.split_once('=') else {
        bail!("--set {said}: expected KEY=VALUE, such as learner.learning_rate=5e-4");
    };
    let path = path.trim();
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !path.split('.').all(is_key) {
        bail!("--set {said}: expected a key such as learner.learning_rate before the =, found `{path}`");
    }
    let value = value(text.trim()).ok_or_else(|| {
        anyhow::anyhow!(
            "--set {said}: {path}: expected a TOML value, such as 5e-4, true, [16, 32], \"text\" or \
             {{ kind = \"gru\" }}, or a plain word"
        )
    })?;
    let mut table = Table::new();
    insert(&mut table, path, value);
    Ok(Layer { origin: Origin::Set(said.to_owned()), table })
}

/// A TOML value; a word that is none is a string.
fn value(text: &str) -> Option<Value> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./\\:~ ".contains(c);
    match text.parse() {
        Ok(value) => Some(value),
        Err(_) if !text.is_empty() && text.chars().all(is_plain) => Some(Value::String(text.to_owned())),
        Err(_) => None,
    }
}

/// Puts `value` into `table`, with the tables that its key asks for. What is in their way is replaced.
pub(crate) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_plain_words() {
        for (said, expected) in [
            ("learner.learning_rate=5e-4", "learner.learning_rate = 5e-4"),
            ("agents = 3", "agents = 3"),
            ("learner.loss=mse", "learner.loss = \"mse\""),
            ("learner.loss=\"mse\"", "learner.loss = \"mse\""),
            ("network.core={ kind = \"gru\" }", "network.core = { kind = \"gru\" }"),
            ("network.vision_channels=[2, 4]", "network.vision_channels = [2, 4]"),
            ("network.previous=true", "network.previous = true"),
            ("level=my levels/a-1.toml", "level = \"my levels/a-1.toml\""),
        ] {
            assert_eq!(layer(said).unwrap().table, expected.parse().unwrap(), "{said}");
        }
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for (said, expected) in [
            ("agents", "--set agents: expected KEY=VALUE, such as learner.learning_rate=5e-4"),
            ("=3", "expected a key such as learner.learning_rate before the =, found ``"),
            ("a..b=3", "found `a..b`"),
            ("agents=", "--set agents=: agents: expected a TOML value"),
            ("network.core={ kind = ", "network.core: expected a TOML value"),
            ("agents=3\nseed=4", "agents: expected a TOML value"),
        ] {
            let fault = layer(said).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
