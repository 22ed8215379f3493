//! From a key to its line in the text, and from a place in the text to its key.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{LevelError, LevelPlace};

/// The error of a text that does not parse, with the key that the parser stood at.
pub(super) fn malformed(text: &str, source_name: &str, error: &toml::de::Error) -> LevelError {
    let offset = error.span().map(|span| span.start);
    let place = LevelPlace {
        source_name: source_name.to_owned(),
        line: offset.map(|offset| line_of(text, offset)),
        key: offset.map(|offset| key_at(text, offset)).unwrap_or_default(),
    };
    LevelError::Malformed { place, message: error.message().to_owned() }
}

/// Gives a fault that knows its key the name of the text and the line where that key stands.
pub(super) fn in_source(text: &str, source_name: &str, mut error: LevelError) -> LevelError {
    if let LevelError::Invalid { place, .. } = &mut error {
        source_name.clone_into(&mut place.source_name);
        place.line = Some(line_of(text, offset_of(text, &place.key)));
    }
    error
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// The offset of the entry called `key`, or of the innermost table around it that the text has.
fn offset_of(text: &str, key: &str) -> usize {
    let mut found = (0, 0);
    visit(text, &mut |path, span| {
        let rest = key.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if rest.is_some() && path.len() > found.0 {
            found = (path.len(), span.start);
        }
    });
    found.1
}

/// The key whose entry, of all that cover `offset`, is the shortest, and the innermost of those.
fn key_at(text: &str, offset: usize) -> String {
    let mut found = (usize::MAX, String::new());
    visit(text, &mut |path, span| {
        if span.contains(&offset) && span.len() <= found.0 {
            found = (span.len(), path.to_owned());
        }
    });
    found.1
}

/// Shows every entry of a TOML text, its path and its span. An entry with a key is shown twice: with the
/// span of the key first, and then with that of the value.
fn visit(text: &str, see: &mut impl FnMut(&str, Range<usize>)) {
    let (table, _) = DeTable::parse_recoverable(text);
    visit_table("", table.get_ref(), see);
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
