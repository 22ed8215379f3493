//! `--set key.path=value`: one setting on the command line.

use anyhow::{Result, bail};
use toml::{Table, Value};
use townlet_text::printable;

use super::files::Said;
use super::layers::Layer;
use super::origin::Origin;
use crate::suggest;

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
        bail!("--set {}: expected KEY=VALUE, such as learner.learning_rate=5e-4", printable(said));
    };
    let path = path.trim();
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !path.split('.').all(is_key) {
        bail!(
            "--set {}: expected a key such as learner.learning_rate before the =, found `{}`",
            printable(said),
            printable(path)
        );
    }
    let value = value(text.trim()).map_err(|fault| {
        let expected = "expected a TOML value, such as 5e-4, true, [16, 32], \"text\" or { kind = \"gru\" }, or a \
                        plain word";
        anyhow::anyhow!(
            "--set {}: {}: {}",
            printable(said),
            printable(path),
            fault.as_deref().unwrap_or(expected)
        )
    })?;
    let mut table = Table::new();
    insert(&mut table, path, value);
    Ok(Layer { origin: Origin::Set(said.to_owned()), table })
}

/// A TOML value; a word that is none is a string.
///
/// # Errors
///
/// Returns an error if it is neither, with the fault if more than that can be said.
fn value(text: &str) -> Result<Value, Option<String>> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./\\:~ ".contains(c);
    let digits = text.trim_start_matches(['-', '+']);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '_');
    match text.parse::<Value>() {
        Ok(value) => Ok(value),
        Err(error) => {
            let fault = suggest::told(error.message());
            // Not a number that some setting might want as a word, and not one in a list or a table.
            if is_number || fault.contains("expected a whole number") {
                Err(Some(fault))
            } else if !text.is_empty() && text.chars().all(is_plain) {
                Ok(Value::String(text.to_owned()))
            } else {
                Err(None)
            }
        }
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
            (
                "seed=99999999999999999999",
                "--set seed=99999999999999999999: seed: expected a whole number up to 9223372036854775807, found ",
            ),
            ("seed=9223372036854775808", "seed: expected a whole number up to 9223372036854775807"),
            (
                "level.grid=[99999999999999999999, 3]",
                "level.grid: expected a whole number up to 9223372036854775807",
            ),
            ("seed=007", "seed: unexpected leading zero"),
        ] {
            let fault = layer(said).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
