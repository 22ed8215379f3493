//! The levels that come with the crate.

use super::{Level, LevelError};

const BUILTIN: [(&str, &str); 4] = [
    ("full", include_str!("../../levels/full.toml")),
    ("pomdp", include_str!("../../levels/pomdp.toml")),
    ("temporal", include_str!("../../levels/temporal.toml")),
    ("pomdp-shuffled", include_str!("../../levels/pomdp-shuffled.toml")),
];

impl Level {
    /// The built-in level called `name`.
    ///
    /// # Errors
    ///
    /// [`LevelError::NoSuchBuiltin`] where none is called so.
    pub fn builtin(name: &str) -> Result<Self, LevelError> {
        Self::from_toml(Self::builtin_source(name)?, &format!("{name}.toml"))
    }

    /// The commented TOML text of the built-in level called `name`, to copy and change.
    ///
    /// # Errors
    ///
    /// [`LevelError::NoSuchBuiltin`] where none is called so.
    pub fn builtin_source(name: &str) -> Result<&'static str, LevelError> {
        BUILTIN
            .iter()
            .find_map(|&(found, source)| (found == name).then_some(source))
            .ok_or_else(|| LevelError::NoSuchBuiltin { name: name.to_owned() })
    }

    /// The names of the built-in levels.
    pub fn builtin_names() -> impl ExactSizeIterator<Item = &'static str> {
        BUILTIN.iter().map(|&(name, _)| name)
    }
}
