//! What may be a name.

use thiserror::Error;

use crate::printable::{is_harmful, printable};

/// The most characters of a name.
pub const MAX_NAME: usize = 100;
/// The most characters of a description.
pub const MAX_PROSE: usize = 2_000;

/// Why a text is no name, or no description.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// Nothing, or nothing but spaces.
    #[error("expected a name, found an empty string")]
    Empty,
    /// Longer than [`MAX_NAME`] or [`MAX_PROSE`].
    #[error("expected at most {most} characters, found {found}")]
    Long {
        /// How many it may have.
        most: usize,
        /// How many it has.
        found: usize,
    },
    /// A character that controls terminals or turns text round.
    #[error("`{}` has the character U+{:04X}, which {why}; take it out", printable(.text), u32::from(*.character))]
    Character {
        /// The text.
        text: String,
        /// The character.
        character: char,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Checks that `text` can be a name: something that is shown in tables, on one line. Where it becomes a part of a
/// file's name, [`file_name`](crate::file_name) takes care of slashes and whatever else systems refuse.
///
/// # Errors
///
/// Returns an error if it is empty, has more than [`MAX_NAME`] characters, or has a control character or a character
/// that turns text round.
pub fn check_name(text: &str) -> Result<(), NameFault> {
    if text.trim().is_empty() {
        return Err(NameFault::Empty);
    }
    within(text, MAX_NAME)?;
    without(text, harm)
}

/// Checks that `text` can be a description: sentences, on several lines if need be.
///
/// # Errors
///
/// Returns an error if it has more than [`MAX_PROSE`] characters, or a control character other than the ends of
/// lines and tabs.
pub fn check_prose(text: &str) -> Result<(), NameFault> {
    within(text, MAX_PROSE)?;
    without(text, |c| if matches!(c, '\n' | '\r' | '\t') { None } else { harm(c) })
}

fn within(text: &str, most: usize) -> Result<(), NameFault> {
    let found = text.chars().count();
    if found <= most { Ok(()) } else { Err(NameFault::Long { most, found }) }
}

fn harm(character: char) -> Option<&'static str> {
    match character {
        _ if character.is_control() => Some("controls terminals"),
        _ if is_harmful(character) => Some("changes the order or the lines of the text around it"),
        _ => None,
    }
}

fn without(text: &str, why: impl Fn(char) -> Option<&'static str>) -> Result<(), NameFault> {
    match text.chars().find_map(|character| Some((character, why(character)?))) {
        None => Ok(()),
        Some((character, why)) => Err(NameFault::Character { text: text.to_owned(), character, why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["pomdp", "Job (office)", "café", "中文", "mine/v2: a\\b", &"n".repeat(MAX_NAME)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let message = |name: &str| check_name(name).unwrap_err().to_string();
        assert_eq!(message(" "), "expected a name, found an empty string");
        assert_eq!(message(&"n".repeat(101)), "expected at most 100 characters, found 101");
        assert_eq!(
            message("\u{1b}[31mred"),
            r"`\u001b[31mred` has the character U+001B, which controls terminals; take it out"
        );
        for name in ["a\nb", "a\tb", "a\u{202e}b", "a\u{9b}b", "a\u{2028}b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn descriptions_may_have_lines() {
        assert_eq!(check_prose(""), Ok(()));
        assert_eq!(check_prose("One/two.\r\n\tThree."), Ok(()));
        assert!(check_prose("\u{1b}c").is_err() && check_prose("\u{202e}").is_err());
        assert!(matches!(check_prose(&"d".repeat(2_001)), Err(NameFault::Long { most: MAX_PROSE, .. })));
    }
}
