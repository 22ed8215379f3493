//! "Did you mean": the known word that is most like an unknown one.

use strsim::damerau_levenshtein;

/// The candidate that `word` is most likely a misspelling of; none if nothing is much like it. A candidate is at most
/// a third of its length away.
///
/// ```
/// # use townlet_text::nearest;
/// assert_eq!(nearest("mony", ["energy", "money"]), Some("money"));
/// assert_eq!(nearest("hunger", ["energy", "money"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let own = candidate.chars().count();
            let most = own.max(3) / 3;
            // A distance is at least the difference in length. Comparing takes the product of the two, which is hours
            // for words that somebody made long on purpose.
            if length.abs_diff(own) > most || own > 1_000 {
                return None;
            }
            let distance = damerau_levenshtein(word, candidate);
            (distance <= most).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
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
        assert_eq!(nearest("b", ["a"]), Some("a"), "one edit is always near");
    }

    #[test]
    fn a_very_long_word_is_like_nothing() {
        let long = "x".repeat(300_000);
        assert_eq!(nearest(&long, ["discount", &long]), None);
    }
}
