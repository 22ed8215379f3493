//! What of a saved state cannot be so.

use thiserror::Error;

/// A field of a saved state that says what cannot be so in the run that the state belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} is {found}, expected {expected}")]
pub struct StateFault {
    /// The field, such as `novelty.moments.means`.
    pub field: String,
    /// What it says.
    pub found: String,
    /// What it can say.
    pub expected: String,
}

impl StateFault {
    /// Checks that something `holds` of a field.
    ///
    /// # Errors
    ///
    /// Returns a fault that says what was found and expected if it does not.
    #[allow(clippy::needless_pass_by_value, reason = "what is said is put together where it is passed")]
    pub fn ensure(
        holds: bool,
        field: &str,
        found: impl ToString,
        expected: impl ToString,
    ) -> Result<(), Self> {
        if holds {
            return Ok(());
        }
        Err(Self { field: field.to_owned(), found: found.to_string(), expected: expected.to_string() })
    }

    /// Checks that a field says the same as the run.
    ///
    /// # Errors
    ///
    /// Returns a fault if it does not.
    pub fn same<T: PartialEq + std::fmt::Debug>(field: &str, found: &T, expected: &T) -> Result<(), Self> {
        Self::ensure(found == expected, field, format!("{found:?}"), format!("{expected:?}"))
    }

    /// Checks that a list has so many entries.
    ///
    /// # Errors
    ///
    /// Returns a fault if it has not.
    pub fn length(field: &str, found: usize, expected: usize) -> Result<(), Self> {
        Self::ensure(
            found == expected,
            field,
            format_args!("a list of {found}"),
            format_args!("{expected} entries"),
        )
    }

    /// Checks every entry of a list.
    ///
    /// # Errors
    ///
    /// Returns a fault that names the first entry of which `holds` is not true.
    pub fn each<T: ToString + Copy>(
        field: &str,
        entries: impl IntoIterator<Item = T>,
        holds: impl Fn(T) -> bool,
        expected: &str,
    ) -> Result<(), Self> {
        match entries.into_iter().enumerate().find(|(_, entry)| !holds(*entry)) {
            None => Ok(()),
            Some((index, entry)) => Self::ensure(false, &format!("{field}[{index}]"), entry, expected),
        }
    }

    /// Checks that every entry of a list is a finite number.
    ///
    /// # Errors
    ///
    /// Returns a fault that names the first entry that is not.
    pub fn finite<T: Into<f64> + Copy>(
        field: &str,
        entries: impl IntoIterator<Item = T>,
    ) -> Result<(), Self> {
        Self::each(field, entries.into_iter().map(Into::into), f64::is_finite, "a finite number")
    }

    /// The same fault, of a field inside of `parent`.
    #[must_use]
    pub fn of(self, parent: &str) -> Self {
        Self { field: format!("{parent}.{}", self.field), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_what_and_what_else() {
        let fault = StateFault::finite("means", [0.5_f32, f32::NAN]).unwrap_err().of("novelty");
        assert_eq!(fault.to_string(), "novelty.means[1] is NaN, expected a finite number");
        let fault = StateFault::length("agents", 3, 4).unwrap_err();
        assert_eq!(fault.to_string(), "agents is a list of 3, expected 4 entries");
        StateFault::same("seed", &5, &5).unwrap();
    }
}
