//! Reading back what was recorded, while the run goes on or afterwards.

use std::ops::Range;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Params, Row};
use serde::{Deserialize, Serialize};

use crate::error::MetricsError;
use crate::rows::{DeathRow, EpisodeRow, EvaluationRow, HeatRow, StageRow, SystemState, UpdateRow, VisitRow};
use crate::sqlite::{FILE_NAME, open};
use crate::table::Stored;

/// The recorded metrics of a run, to be read only.
///
/// A run may be recorded meanwhile: each query sees what was committed when it began, which is at most about a
/// second old.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    connection: Connection,
}

/// How many there are of something with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The name of a cause of death or of an affordance.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// One cell of a heat map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatCell {
    /// Column of the grid, from 0.
    pub x: u64,
    /// Row of the grid, from 0 at the top.
    pub y: u64,
    /// How many steps ended there.
    pub visit_count: u64,
    /// The mean of what novelty paid there in an episode, where it was measured.
    pub novelty_value: Option<f64>,
}

impl Metrics {
    /// Opens the metrics in a run's folder.
    ///
    /// # Errors
    /// Where there are none, where they are in another format, or where the file is something else.
    pub fn open(folder: &Path) -> Result<Self, MetricsError> {
        let path = folder.join(FILE_NAME);
        let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { path, connection })
    }

    /// All episodes, in order of finishing.
    ///
    /// # Errors
    /// Where the file cannot be read. This holds for every query.
    pub fn episodes(&self) -> Result<Vec<EpisodeRow>, MetricsError> {
        self.rows("", [])
    }

    /// At most `most` episodes at equal distances, the first one among them. None at all for 0.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn thinned_episodes(&self, most: u64) -> Result<Vec<EpisodeRow>, MetricsError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let every = self.episode_count()?.div_ceil(most).max(1);
        self.rows(" WHERE episode_id % ?1 = 0", [every as i64])
    }

    /// How many episodes have finished.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn episode_count(&self) -> Result<u64, MetricsError> {
        self.query("SELECT COALESCE(MAX(episode_id) + 1, 0) FROM episodes", [], |row| row.get::<_, i64>(0))
            .map(|counts| counts[0] as u64)
    }

    /// The last episode, if one has finished.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn last_episode(&self) -> Result<Option<EpisodeRow>, MetricsError> {
        self.rows(" WHERE episode_id = (SELECT MAX(episode_id) FROM episodes)", [])
            .map(|mut rows: Vec<_>| rows.pop())
    }

    /// All updates, in order.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn updates(&self) -> Result<Vec<UpdateRow>, MetricsError> {
        self.rows("", [])
    }

    /// All evaluations, in order.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn evaluations(&self) -> Result<Vec<EvaluationRow>, MetricsError> {
        self.rows("", [])
    }

    /// All deaths, in order of the episodes that they ended.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn deaths(&self) -> Result<Vec<DeathRow>, MetricsError> {
        self.rows("", [])
    }

    /// All changes of stage, in order.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn stages(&self) -> Result<Vec<StageRow>, MetricsError> {
        self.rows("", [])
    }

    /// Every fact about the run as a whole, in order of the keys.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn system_state(&self) -> Result<Vec<SystemState>, MetricsError> {
        self.rows("", [])
    }

    /// What was used after what in one episode.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn visits(&self, episode: u64) -> Result<Vec<VisitRow>, MetricsError> {
        self.rows(" WHERE episode_id = ?1", [episode as i64])
    }

    /// Where the agent of one episode was.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn heat(&self, episode: u64) -> Result<Vec<HeatRow>, MetricsError> {
        self.rows(" WHERE episode_id = ?1", [episode as i64])
    }

    /// How many of these episodes ended in a death of which cause: the most frequent one first, equals by name.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn deaths_by_cause(&self, episodes: Range<u64>) -> Result<Vec<Count>, MetricsError> {
        let sql = "SELECT cause, COUNT(*) FROM deaths WHERE episode_id >= ?1 AND episode_id < ?2 \
                   GROUP BY cause ORDER BY 2 DESC, 1";
        self.query(sql, bounds(&episodes), count)
    }

    /// How often these episodes used which affordance: the most used one first, equals by name.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn affordance_use(&self, episodes: Range<u64>) -> Result<Vec<Count>, MetricsError> {
        let sql = "SELECT to_affordance, SUM(visit_count) FROM affordance_visits \
                   WHERE episode_id >= ?1 AND episode_id < ?2 GROUP BY to_affordance ORDER BY 2 DESC, 1";
        self.query(sql, bounds(&episodes), count)
    }

    /// How often these episodes were where, row by row of the grid. Cells where nobody was are left out.
    ///
    /// # Errors
    /// As [`episodes`](Self::episodes).
    pub fn heat_map(&self, episodes: Range<u64>) -> Result<Vec<HeatCell>, MetricsError> {
        let sql = "SELECT x, y, SUM(visit_count), AVG(novelty_value) FROM position_heatmap \
                   WHERE episode_id >= ?1 AND episode_id < ?2 GROUP BY y, x ORDER BY y, x";
        self.query(sql, bounds(&episodes), |row| {
            Ok(HeatCell {
                x: row.get::<_, i64>(0)? as u64,
                y: row.get::<_, i64>(1)? as u64,
                visit_count: row.get::<_, i64>(2)? as u64,
                novelty_value: row.get(3)?,
            })
        })
    }

    /// Hands all rows of a table over one by one, and stops at the first error.
    pub(crate) fn for_each<R: Stored>(
        &self,
        mut each: impl FnMut(R) -> Result<(), MetricsError>,
    ) -> Result<(), MetricsError> {
        let sql = format!("{}{}", R::SELECT, R::ORDER);
        let mut statement = self.connection.prepare(&sql).map_err(MetricsError::sqlite(&self.path))?;
        let rows = statement.query_map([], R::read).map_err(MetricsError::sqlite(&self.path))?;
        for row in rows {
            each(row.map_err(MetricsError::sqlite(&self.path))?)?;
        }
        Ok(())
    }

    /// Lets every query see the same state of a run that is being recorded, until the result is dropped.
    pub(crate) fn snapshot(&self) -> Result<rusqlite::Transaction<'_>, MetricsError> {
        self.connection.unchecked_transaction().map_err(MetricsError::sqlite(&self.path))
    }

    fn rows<R: Stored>(&self, condition: &str, parameters: impl Params) -> Result<Vec<R>, MetricsError> {
        self.query(&format!("{}{condition}{}", R::SELECT, R::ORDER), parameters, R::read)
    }

    fn query<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, MetricsError> {
        let rows: rusqlite::Result<_> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(parameters, read)?.collect());
        rows.map_err(MetricsError::sqlite(&self.path))
    }
}

fn bounds(episodes: &Range<u64>) -> impl Params {
    // A range without an end is written with the largest number, which SQLite does not have.
    let bound = |episode: u64| i64::try_from(episode).unwrap_or(i64::MAX);
    [bound(episodes.start), bound(episodes.end)]
}

fn count(row: &Row<'_>) -> rusqlite::Result<Count> {
    Ok(Count { name: row.get(0)?, count: row.get::<_, i64>(1)? as u64 })
}
