//! Text as it can be shown: nothing in it moves a cursor, turns a line round or fills a screen.

use std::borrow::Cow;
use std::fmt::Write;

/// The most characters of one value in a message.
const MOST_OF_A_VALUE: usize = 120;
/// The most characters of a whole message.
const MOST_OF_A_MESSAGE: usize = 4_000;

/// Whether a terminal, a browser or XML takes `character` for something else than a sign to show.
pub(crate) fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// `text` on one line, with everything harmful escaped.
///
/// ```
/// assert_eq!(townlet_text::escaped("a\nb"), r"a\u000ab");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    escape_all(text, is_harmful)
}

/// A text of several lines with everything harmful escaped, except the ends of lines and tabs.
///
/// ```
/// assert_eq!(townlet_text::escaped_lines("a\u{1b}\nb"), "a\\u001b\nb");
/// ```
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escape_all(text, |c| is_harmful(c) && c != '\n' && c != '\t')
}

fn escape_all(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if harmful(character) {
            // All that is harmful lies below U+10000.
            write!(shown, "\\u{:04x}", u32::from(character)).expect("writing to a string");
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// One value in a message: [`escaped`], and shortened where it is long.
///
/// ```
/// let shown = townlet_text::printable(&"a".repeat(300_000)).into_owned();
/// assert!(shown.starts_with("aaa") && shown.ends_with("... (300000 characters)"));
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST_OF_A_VALUE) {
        None => escaped(text),
        Some((end, _)) => {
            Cow::Owned(format!("{}... ({} characters)", escaped(&text[..end]), text.chars().count()))
        }
    }
}

/// A whole message without the middle of it where it is very long: its beginning says where the fault is, and its
/// end what was expected.
pub fn shortened(message: &str) -> Cow<'_, str> {
    let count = message.chars().count();
    if count <= MOST_OF_A_MESSAGE {
        return Cow::Borrowed(message);
    }
    let half = MOST_OF_A_MESSAGE / 2;
    let offset = |index: usize| message.char_indices().nth(index).map_or(message.len(), |(offset, _)| offset);
    let (head, tail) = (&message[..offset(half)], &message[offset(count - half)..]);
    Cow::Owned(format!("{head} ... ({} characters left out) ... {tail}", count - 2 * half))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_left_as_it_is() {
        for text in ["", "pomdp", "Ünïcödé 中文 ± 95 %", "a\u{200f}b"] {
            assert!(matches!(escaped(text), Cow::Borrowed(_)), "{text}");
            assert_eq!(printable(text), text);
            assert_eq!(shortened(text), text);
        }
    }

    #[test]
    fn what_controls_a_terminal_or_turns_text_round_is_escaped() {
        assert_eq!(escaped("\u{1b}[31mred\r\n\t"), r"\u001b[31mred\u000d\u000a\u0009");
        assert_eq!(escaped("\u{7f}\u{9b}31m"), r"\u007f\u009b31m");
        assert_eq!(escaped("\u{202e}txt.exe\u{2066}"), r"\u202etxt.exe\u2066");
        assert_eq!(escaped("a\u{2028}b"), r"a\u2028b");
    }

    #[test]
    fn a_message_keeps_both_ends() {
        let message = format!("a.toml:1: key: found {}, expected a number", "x".repeat(300_000));
        let short = shortened(&message);
        assert!(short.starts_with("a.toml:1: key") && short.ends_with("expected a number"), "{short}");
        assert!(short.chars().count() < MOST_OF_A_MESSAGE + 60 && short.contains("characters left out"));
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text: String) {
            prop_assert!(!escaped(&text).contains(is_harmful));
            prop_assert!(!printable(&text).contains(is_harmful));
        }

        #[test]
        fn every_text_can_be_shortened(text in "\\PC{3990,4010}") {
            prop_assert!(shortened(&text).chars().count() < MOST_OF_A_MESSAGE + 60);
        }
    }
}
