//! "Did you mean": the known word that is most like an unknown one.

use strsim::damerau_levenshtein;

/// The candidate that `word` is most likely a misspelling of; none where nothing is much like it.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, candidate)| 3 * distance <= candidate.chars().count().max(3))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

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
        format!("{}unknown {} `{}`; did you mean `{meant}`?", self.before, self.what, self.word)
    }
}

/// A message of serde in words for whoever wrote the file, with a guess where a word is misspelt.
pub(crate) fn plainly(message: &str) -> String {
    let message = message.trim_end();
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
    fn a_word_is_guessed_only_where_it_is_much_like_another() {
        let keys = ["discount", "learning_rate", "learning_rate_end"];
        assert_eq!(nearest("lerning_rate", keys), Some("learning_rate"));
        assert_eq!(nearest("laerning_rate", keys), Some("learning_rate"));
        assert_eq!(nearest("momentum", keys), None);
        assert_eq!(nearest("mse", ["mse2", "huber"]), Some("mse2"));
    }

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
        let placed =
            plainly("a.toml:1: level: unknown field `step_limt`, expected one of `name`, `step_limit`");
        assert_eq!(placed, "a.toml:1: level: unknown field `step_limt`; did you mean `step_limit`?");
    }
}
