//! "Did you mean": the known word that is most like an unknown one.

use townlet_text::{escaped, nearest, printable, shortened};

/// What serde says of a word that it does not know: "unknown field `lerning_rate`, expected one of ...".
pub(crate) struct Unknown<'a> {
    /// "field" or "variant".
    pub(crate) what: &'a str,
    pub(crate) word: &'a str,
    pub(crate) candidates: Vec<&'a str>,
    before: &'a str,
}

impl<'a> Unknown<'a> {
    /// What `message` says, if it says that a word is unknown.
    pub(crate) fn find(message: &'a str) -> Option<Self> {
        let (what, start) = ["field", "variant"].into_iter().find_map(|what| {
            let start = message.find(&format!("unknown {what} `"))?;
            Some((what, start))
        })?;
        let (word, rest) = message[start + "unknown  `".len() + what.len()..].split_once('`')?;
        let expected = rest.strip_prefix(", expected ").unwrap_or_default();
        let candidates = expected.split('`').skip(1).step_by(2).collect();
        Some(Self { what, word, candidates, before: &message[..start] })
    }

    /// The message with a guess at what was meant in the place of all that could have been.
    pub(crate) fn guessed(&self, meant: &str) -> String {
        format!("{}unknown {} `{}`; did you mean `{meant}`?", self.before, self.what, printable(self.word))
    }
}

/// What serde says of one value, in words for whoever wrote the file, with a guess where a word is misspelt. It is one
/// line, whatever the file holds.
pub(crate) fn told(message: &str) -> String {
    escaped(&plainly(message)).into_owned()
}

/// A message that may hold one of serde, in words as [`told`] puts it.
pub(crate) fn plainly(message: &str) -> String {
    let message = message.trim_end();
    if let Some((before, found)) = beyond_64_bits(message) {
        return format!("{before}expected a whole number up to {}, found {}", i64::MAX, printable(found));
    }
    shortened(&in_words(message)).into_owned()
}

/// What TOML's reader says in three ways of an integer beyond its 64 bits: what stands before, and the number as far as
/// it is known.
fn beyond_64_bits(message: &str) -> Option<(&str, &str)> {
    for said in ["u64 value was too large", "integer number overflowed"] {
        if let Some(before) = message.strip_suffix(said) {
            return Some((before, "a larger one"));
        }
    }
    let (before, rest) = message.split_once("invalid type: integer `")?;
    let (number, rest) = rest.split_once('`')?;
    [" as i128,", " as u128,"].iter().any(|kind| rest.starts_with(kind)).then_some((before, number))
}

fn in_words(message: &str) -> String {
    if let Some(unknown) = Unknown::find(message)
        && let Some(meant) = nearest(unknown.word, unknown.candidates.iter().copied())
    {
        return unknown.guessed(meant);
    }
    let Some((before, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let plain = match expected {
        "f64" | "f32" => "a number",
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of 0 or more",
        "i64" => "a whole number",
        "a boolean" => "true or false",
        _ if expected.contains("internally tagged enum") => {
            let said = before.split_once("string \"").and_then(|(_, said)| said.strip_suffix('"'));
            let example = said.map(|said| format!(", such as {{ kind = \"{said}\" }}")).unwrap_or_default();
            return format!("{before}, expected a table with a kind{example}");
        }
        _ => return message.to_owned(),
    };
    format!("{before}, expected {plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_put_plainly() {
        for (said, plain) in [
            (
                "unknown field `agnets`, expected one of `agents`, `steps`",
                "unknown field `agnets`; did you mean `agents`?",
            ),
            (
                "unknown variant `hubber`, expected `mse` or `huber`\n",
                "unknown variant `hubber`; did you mean `huber`?",
            ),
            (
                "unknown field `x`, expected one of `agents`, `steps`",
                "unknown field `x`, expected one of `agents`, `steps`",
            ),
            ("unknown field `x`, there are no fields", "unknown field `x`, there are no fields"),
            ("invalid type: string \"a\", expected f64", "invalid type: string \"a\", expected a number"),
            (
                "invalid value: integer `-1`, expected usize",
                "invalid value: integer `-1`, expected a whole number of 0 or more",
            ),
            ("missing field `kind`", "missing field `kind`"),
        ] {
            assert_eq!(plainly(said), plain);
        }
        assert_eq!(
            plainly(
                "a.toml:1: seed: invalid type: integer `99999999999999999999` as i128, expected any valid TOML value"
            ),
            "a.toml:1: seed: expected a whole number up to 9223372036854775807, found 99999999999999999999"
        );
        let endless = plainly(&format!("invalid type: string \"{}\", expected u64", "x".repeat(300_000)));
        assert!(endless.len() < 5_000 && endless.ends_with("expected a whole number of 0 or more"));
        assert_eq!(told("unknown field `\u{1b}[31m`"), r"unknown field `\u001b[31m`");
        let placed =
            plainly("a.toml:1: level: unknown field `step_limt`, expected one of `name`, `step_limit`");
        assert_eq!(placed, "a.toml:1: level: unknown field `step_limt`; did you mean `step_limit`?");
    }
}
