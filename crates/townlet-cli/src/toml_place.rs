//! Where in a TOML file something is wrong.

use std::ops::Range;
use std::path::Path;

use anyhow::{Result, anyhow};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use townlet_text::printable;

use crate::suggest;

/// A TOML text and the file that it was read from.
pub(crate) struct TomlText<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl TomlText<'_> {
    /// Reads the text as a `T`.
    ///
    /// # Errors
    ///
    /// The first fault, with the file, the line and the key.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(self.text).map_err(|error| {
            let message = suggest::told(error.message());
            let path = self.path.display();
            let Some(span) = error.span() else {
                return anyhow!("{path}: {message}");
            };
            let line = self.line_of(span.start);
            match self.key_at(span.start) {
                Some(key) => anyhow!("{path}:{line}: {}: {message}", printable(&key)),
                None => anyhow!("{path}:{line}: {message}"),
            }
        })
    }

    /// An error about the value of `key`. Where the text has no such key, the innermost table around it
    /// that the text has is pointed at.
    pub(crate) fn fault(&self, key: &str, message: &str) -> anyhow::Error {
        anyhow!("{}: {}: {message}", self.place(key), printable(key))
    }

    /// The file and the line of `key`, or of the innermost table around it that the text has.
    pub(crate) fn place(&self, key: &str) -> String {
        let path = self.path.display();
        match self.offset_of(key) {
            Some(offset) => format!("{path}:{}", self.line_of(offset)),
            None => path.to_string(),
        }
    }

    /// The key and the span of every value that is no table, in the order of keys.
    pub(crate) fn leaves(&self) -> Vec<(String, Range<usize>)> {
        let mut leaves = Vec::new();
        let mut tables = vec![(String::new(), DeTable::parse_recoverable(self.text).0.into_inner())];
        while let Some((path, table)) = tables.pop() {
            for (key, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", key.get_ref());
                let span = value.span();
                match value.into_inner() {
                    DeValue::Table(table) => tables.push((path, table)),
                    _ => leaves.push((path, span)),
                }
            }
        }
        leaves
    }

    fn line_of(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn offset_of(&self, key: &str) -> Option<usize> {
        let mut found: Option<(usize, usize)> = None;
        self.visit(&mut |path, span| {
            let rest = key.strip_prefix(path);
            let around = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            if around && found.is_none_or(|(length, _)| path.len() > length) {
                found = Some((path.len(), span.start));
            }
        });
        found.map(|(_, offset)| offset)
    }

    /// The key whose entry, of all that cover `offset`, is the shortest.
    fn key_at(&self, offset: usize) -> Option<String> {
        let mut found: Option<(usize, String)> = None;
        self.visit(&mut |path, span| {
            if span.contains(&offset) && found.as_ref().is_none_or(|(length, _)| span.len() <= *length) {
                found = Some((span.len(), path.to_owned()));
            }
        });
        found.map(|(_, key)| key)
    }

    /// Shows every entry, its path and its span: first that of its key, then that of its value.
    fn visit(&self, see: &mut impl FnMut(&str, Range<usize>)) {
        let (table, _) = DeTable::parse_recoverable(self.text);
        visit_table("", table.get_ref(), see);
    }
}

fn visit_table(path: &str, table: &DeTable<'_>, see: &mut impl FnMut(&str, Range<usize>)) {
    for (key, value) in table {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", key.get_ref());
        see(&path, key.span());
        visit_value(&path, value, see);
    }
}

fn visit_value(path: &str, value: &Spanned<DeValue<'_>>, see: &mut impl FnMut(&str, Range<usize>)) {
    see(path, value.span());
    match value.get_ref() {
        DeValue::Table(table) => visit_table(path, table, see),
        DeValue::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                visit_value(&format!("{path}[{index}]"), value, see);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::TomlText;

    const TEXT: &str = "[learner]\ndiscount = 2.0\n\n[learner.schedule]\nupdate_every = 0\n";

    fn text() -> TomlText<'static> {
        TomlText { path: Path::new("a.toml"), text: TEXT }
    }

    #[test]
    fn a_fault_names_file_line_and_key() {
        let fault = |key| text().fault(key, "wrong").to_string();
        assert_eq!(fault("learner.discount"), "a.toml:2: learner.discount: wrong");
        assert_eq!(fault("learner.schedule.update_every"), "a.toml:5: learner.schedule.update_every: wrong");
    }

    #[test]
    fn a_missing_key_is_looked_for_in_its_table() {
        let fault = |key| text().fault(key, "wrong").to_string();
        assert_eq!(
            fault("learner.schedule.learning_starts"),
            "a.toml:4: learner.schedule.learning_starts: wrong"
        );
        assert_eq!(fault("network.hidden"), "a.toml: network.hidden: wrong");
    }
}
