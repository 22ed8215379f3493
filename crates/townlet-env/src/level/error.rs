//! What can be wrong with a level, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use townlet_text::{NameFault, escaped, printable, shortened};

use super::{Cell, Grid, Level};

/// Why there is no level.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LevelError {
    /// The file cannot be read.
    #[error("cannot read the level file {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No built-in level is called so.
    #[error(
        "there is no built-in level `{}`; expected {}, or load a level file by its path",
        printable(.name),
        Level::builtin_names().collect::<Vec<_>>().join(", ")
    )]
    NoSuchBuiltin {
        /// The name asked for.
        name: String,
    },
    /// The text is not TOML, or not the TOML of a level.
    #[error("{place}: {}", shortened(&escaped(.message)))]
    Malformed {
        /// Where.
        place: LevelPlace,
        /// What the parser expected and found.
        message: String,
    },
    /// A value that makes no world.
    #[error("{place}: {fault}")]
    Invalid {
        /// Where.
        place: LevelPlace,
        /// What is wrong with it.
        fault: Box<LevelFault>,
    },
}

/// A place in a level: `town.toml:12: affordances[3].cell`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelPlace {
    /// The file, or whatever else the text was called; empty for a level built in code.
    pub source_name: String,
    /// The line, from 1; none for a level built in code.
    pub line: Option<usize>,
    /// The path of the key, list entries counted from 0; empty where the text is not TOML.
    pub key: String,
}

impl fmt::Display for LevelPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source_name)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.source_name.is_empty() && !self.key.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&printable(&self.key))
    }
}

/// What is wrong with a value of a level.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LevelFault {
    /// A number outside its range.
    #[error("expected {expected}, found {found}")]
    OutOfRange {
        /// The range in words.
        expected: &'static str,
        /// The number.
        found: String,
    },
    /// Infinite, not a number, or too large for 32 bits.
    #[error("expected a finite number, found {found}")]
    NotFinite {
        /// The number.
        found: f32,
    },
    /// Two meters or two affordances with one name.
    #[error("the name `{}` is taken by {other}; give each its own", printable(.name))]
    DuplicateName {
        /// The name.
        name: String,
        /// The key of the one that has it.
        other: String,
    },
    /// A name or a description that cannot be shown or become a part of a file's name.
    #[error(transparent)]
    Name(NameFault),
    /// A reference to a meter that does not exist.
    #[error(
        "there is no meter `{}`; expected one of {}{}",
        printable(.name),
        escaped(&.meters.join(", ")),
        .nearest.as_ref().map(|name| format!(" (did you mean `{}`?)", printable(name))).unwrap_or_default()
    )]
    NoSuchMeter {
        /// The name used.
        name: String,
        /// The meters of the level.
        meters: Vec<String>,
        /// The meter whose name is most like it, if any is.
        nearest: Option<String>,
    },
    /// A price, and no meter to pay it from.
    #[error("a price needs a meter to pay it from; name it in `money`, or leave the price out")]
    PriceWithoutMoney,
    /// A shaped reward that the level does not say.
    #[error("a shaped reward needs a table `[reward.shaped]`; add one, or leave `mode` out")]
    NoShapedReward,
    /// A cell beside the grid.
    #[error(
        "{cell} lies off the {grid} grid; expected x from 0 to {} and y from 0 to {}",
        .grid.width - 1,
        .grid.height - 1
    )]
    OffGrid {
        /// The cell.
        cell: Cell,
        /// The grid.
        grid: Grid,
    },
    /// Two affordances on one cell.
    #[error("{cell} is taken by `{}`; move one of the two", printable(.other))]
    CellTaken {
        /// The cell.
        cell: Cell,
        /// The affordance that stands there.
        other: String,
    },
    /// A fixed layout needs a cell for each affordance.
    #[error("expected `cell = [x, y]`; leave it out only where `layout = \"shuffled\"`")]
    NoCell,
    /// More affordances than cells to put them on.
    #[error("{affordances} affordances do not fit on {cells} cells; make the grid larger or remove some")]
    NoRoom {
        /// The number of affordances.
        affordances: usize,
        /// The number of cells.
        cells: usize,
    },
    /// Opening hours in a level that has no time of day.
    #[error("opening hours need a clock; set `clock = true`, or leave the hours out")]
    HoursWithoutClock,
    /// Hours that open and close at once.
    #[error("opens and closes at {hour}; leave `hours` out for a place that is always open")]
    EmptyHours {
        /// The hour.
        hour: u8,
    },
}
