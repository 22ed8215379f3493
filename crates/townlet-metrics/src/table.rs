//! How a row is kept in the database: which table and columns, and in what order rows are read back.

use rusqlite::{Row, Statement};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::rows::{DeathRow, EpisodeRow, EvaluationRow, HeatRow, StageRow, SystemState, UpdateRow, VisitRow};

/// A number or text of a row, in one column.
pub(crate) trait Cell: Sized {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()>;
    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self>;
}

impl Cell for u64 {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, *self as i64)
    }

    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        row.get::<_, i64>(index).map(|value| value as u64)
    }
}

impl Cell for bool {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, *self)
    }

    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        row.get(index)
    }
}

/// SQLite knows no NaN: it is kept as a missing value.
impl Cell for f64 {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, (!self.is_nan()).then_some(*self))
    }

    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        row.get::<_, Option<f64>>(index).map(|value| value.unwrap_or(f64::NAN))
    }
}

impl Cell for Option<f64> {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, *self)
    }

    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        row.get(index)
    }
}

impl Cell for String {
    fn bind(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, self.as_str())
    }

    fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Self> {
        row.get(index)
    }
}

/// A row that has a table.
pub(crate) trait Stored: Sized {
    const TABLE: &'static str;
    /// The names of the columns, in order: those of the database, and of exported files.
    const COLUMNS: &'static [&'static str];
    /// Inserts a row, in place of one with the same key. A table with a timestamp has it as its last parameter.
    const INSERT: &'static str;
    /// Selects whole rows; to be followed by conditions and [`Self::ORDER`].
    const SELECT: &'static str;
    const ORDER: &'static str;

    fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()>;
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
    fn serialize_columns<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// A row by the names of its columns, as the database has them.
pub(crate) struct ByColumn<R>(pub(crate) R);

impl<R: Stored> Serialize for ByColumn<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_columns(serializer)
    }
}

macro_rules! placeholder {
    ($of:literal) => {
        ", ?"
    };
}

macro_rules! stored {
    ($row:ident in $table:literal by $order:literal $(with $stamp:literal)? {
        $first_column:literal = $first:ident $(, $column:literal = $field:ident)* $(,)?
    }) => {
        impl Stored for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$first_column $(, $column)*];
            const INSERT: &'static str = concat!(
                "INSERT OR REPLACE INTO ", $table, " (", $first_column $(, ", ", $column)* $(, ", ", $stamp)?,
                ") VALUES (?" $(, placeholder!($column))* $(, placeholder!($stamp))?, ")",
            );
            const SELECT: &'static str = concat!("SELECT ", $first_column $(, ", ", $column)*, " FROM ", $table);
            const ORDER: &'static str = concat!(" ORDER BY ", $order);

            fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
                let mut index = 1;
                self.$first.bind(statement, index)?;
                $(
                    index += 1;
                    self.$field.bind(statement, index)?;
                )*
                let _ = index;
                Ok(())
            }

            fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
                let mut index = 0;
                let $first = Cell::read(row, index)?;
                $(
                    index += 1;
                    let $field = Cell::read(row, index)?;
                )*
                let _ = index;
                Ok(Self { $first $(, $field)* })
            }

            fn serialize_columns<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut row = serializer.serialize_struct($table, Self::COLUMNS.len())?;
                row.serialize_field($first_column, &self.$first)?;
                $(row.serialize_field($column, &self.$field)?;)*
                row.end()
            }
        }
    };
}

stored!(EpisodeRow in "episodes" by "episode_id" with "timestamp" {
    "episode_id" = episode,
    "steps" = steps,
    "agent" = agent,
    "survival_time" = survival_time,
    "total_reward" = total_reward,
    "extrinsic_reward" = extrinsic_reward,
    "intrinsic_reward" = intrinsic_reward,
    "intrinsic_weight" = intrinsic_weight,
    "curriculum_stage" = curriculum_stage,
    "epsilon" = epsilon,
    "terminated" = terminated,
    "truncated" = truncated,
    "cause" = cause,
});

stored!(VisitRow in "affordance_visits" by "rowid" {
    "episode_id" = episode,
    "from_affordance" = from_affordance,
    "to_affordance" = to_affordance,
    "visit_count" = visit_count,
});

stored!(HeatRow in "position_heatmap" by "rowid" {
    "episode_id" = episode,
    "x" = x,
    "y" = y,
    "visit_count" = visit_count,
    "novelty_value" = novelty_value,
});

stored!(DeathRow in "deaths" by "episode_id" {
    "episode_id" = episode,
    "steps" = steps,
    "agent" = agent,
    "cause" = cause,
    "survival_time" = survival_time,
});

stored!(UpdateRow in "updates" by "update_id" {
    "update_id" = update,
    "steps" = steps,
    "loss" = loss,
    "grad_norm" = grad_norm,
    "mean_q" = mean_q,
    "mean_target" = mean_target,
    "epsilon" = epsilon,
    "learning_rate" = learning_rate,
});

stored!(EvaluationRow in "evaluations" by "steps" {
    "steps" = steps,
    "updates" = updates,
    "training_seconds" = training_seconds,
    "episodes" = episodes,
    "survival_mean" = survival_mean,
    "survival_standard_error" = survival_standard_error,
    "reached_limit" = reached_limit,
    "mean_return" = mean_return,
});

stored!(StageRow in "stages" by "steps, agent" {
    "steps" = steps,
    "agent" = agent,
    "from_stage" = from,
    "to_stage" = to,
    "survival" = survival,
    "entropy" = entropy,
});

stored!(SystemState in "system_state" by "key" {
    "key" = key,
    "value" = value,
});

/// The version of the tables below.
pub(crate) const FORMAT: i64 = 1;

/// Marks the file as one of Townlet's: "Town" in ASCII.
pub(crate) const APPLICATION_ID: i64 = 0x546f_776e;

/// Makes the tables. Those that the reference has begin with its columns, in its order.
pub(crate) const SCHEMA: &str = "
CREATE TABLE episodes (
    episode_id INTEGER PRIMARY KEY,
    timestamp REAL NOT NULL,
    survival_time INTEGER NOT NULL,
    total_reward REAL NOT NULL,
    extrinsic_reward REAL NOT NULL,
    intrinsic_reward REAL NOT NULL,
    intrinsic_weight REAL NOT NULL,
    curriculum_stage INTEGER NOT NULL,
    epsilon REAL NOT NULL,
    steps INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    terminated INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    cause TEXT NOT NULL
);
CREATE INDEX idx_episodes_timestamp ON episodes (timestamp);

CREATE TABLE affordance_visits (
    episode_id INTEGER NOT NULL REFERENCES episodes (episode_id) ON DELETE CASCADE,
    from_affordance TEXT NOT NULL,
    to_affordance TEXT NOT NULL,
    visit_count INTEGER NOT NULL
);
CREATE INDEX idx_affordance_visits_episode ON affordance_visits (episode_id);

CREATE TABLE position_heatmap (
    episode_id INTEGER NOT NULL REFERENCES episodes (episode_id) ON DELETE CASCADE,
    x INTEGER NOT NULL,
    y INTEGER NOT NULL,
    visit_count INTEGER NOT NULL,
    novelty_value REAL
);
CREATE INDEX idx_position_heatmap_episode ON position_heatmap (episode_id);

CREATE TABLE system_state (
    key TEXT PRIMARY KEY,
    value TEXT
);

CREATE TABLE deaths (
    episode_id INTEGER PRIMARY KEY,
    steps INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    cause TEXT NOT NULL,
    survival_time INTEGER NOT NULL
);

CREATE TABLE updates (
    update_id INTEGER PRIMARY KEY,
    steps INTEGER NOT NULL,
    loss REAL,
    grad_norm REAL,
    mean_q REAL,
    mean_target REAL,
    epsilon REAL,
    learning_rate REAL
);

CREATE TABLE evaluations (
    steps INTEGER PRIMARY KEY,
    updates INTEGER NOT NULL,
    training_seconds REAL,
    episodes INTEGER NOT NULL,
    survival_mean REAL,
    survival_standard_error REAL,
    reached_limit REAL,
    mean_return REAL
);

CREATE TABLE stages (
    steps INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    from_stage INTEGER NOT NULL,
    to_stage INTEGER NOT NULL,
    survival REAL,
    entropy REAL,
    PRIMARY KEY (steps, agent)
) WITHOUT ROWID;
";
