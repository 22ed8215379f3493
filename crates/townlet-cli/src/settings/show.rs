//! Resolved settings as TOML, with where each of them is from.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::Resolved;
use super::layers::Layers;
use crate::toml_place::TomlText;

/// The `run.toml` of a run with these settings, every value with a comment that says where it is from.
///
/// # Errors
///
/// Never in practice: every configuration can be written as TOML.
pub(crate) fn show(resolved: &Resolved) -> Result<String> {
    let text = toml::to_string(&resolved.config).context("cannot write the configuration as TOML")?;
    // Comments by the offset of the end of the line that they belong to.
    let mut comments: Vec<(usize, String)> = Vec::new();
    let end_of_line = |offset: usize| text[offset..].find('\n').map_or(text.len(), |length| offset + length);
    let written = TomlText { path: Path::new("run.toml"), text: &text };
    for (key, span) in written.leaves() {
        // A list of tables has a header for each of them; one comment is enough.
        let end = text.find(&format!("[[{key}]]")).unwrap_or(span.end);
        comments.push((end_of_line(end), source(&resolved.layers, &key)));
    }
    comments.sort();
    let mut shown = String::new();
    let mut from = 0;
    for (offset, comment) in comments {
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(shown, "{}  # {comment}", &text[from..offset])?;
        from = offset;
    }
    Ok(shown + &text[from..])
}

/// Where a value of `run.toml` is from.
fn source(layers: &Layers, key: &str) -> String {
    match key {
        "townlet" => "this program".to_owned(),
        "network.num_actions" => "the world".to_owned(),
        "network.layout" => "what agents see in the level".to_owned(),
        _ => {
            let key = key.strip_prefix("budget.").unwrap_or(key);
            layers.origin(key).describe(key)
        }
    }
}
