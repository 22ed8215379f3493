//! The database `metrics.sqlite`: rows go in, in transactions of about a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use crate::error::MetricsError;
use crate::rows::{Position, Record, SystemState};
use crate::table::{APPLICATION_ID, FORMAT, SCHEMA, Stored};

/// The name of the database in a run's folder.
pub(crate) const FILE_NAME: &str = "metrics.sqlite";

/// What else belongs to a database: the ends of the names of its companions.
pub(crate) const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Facts about a database that does not begin where the run did.
const FROM_STEPS: &str = "recorded_from_steps";
const FROM_EPISODES: &str = "recorded_from_episodes";
const FROM_UPDATES: &str = "recorded_from_updates";

/// How long to wait for another connection that holds a lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database of a run that is being recorded.
pub(crate) struct Database {
    path: PathBuf,
    connection: Connection,
}

impl Database {
    /// Begins the database of a new run in the folder.
    pub(crate) fn create(folder: &Path) -> Result<Self, MetricsError> {
        refuse_existing(folder)?;
        let path = folder.join(FILE_NAME);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open_with_flags(&path, flags).map_err(MetricsError::sqlite(&path))?;
        let database = Self { path, connection };
        database.prepare()?;
        database.execute(&format!(
            "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?;
        Ok(database)
    }

    /// Goes on with the database in the folder, and takes out everything that was recorded after `at`: for good
    /// with the next [`commit`](Self::commit), and not at all if the run cannot be resumed after all.
    pub(crate) fn resume(folder: &Path, at: Position) -> Result<Self, MetricsError> {
        let path = folder.join(FILE_NAME);
        let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let database = Self { path, connection };
        database.check()?;
        database.prepare()?;
        database.discard_after(at)?;
        Ok(database)
    }

    /// Says where the run was when this database was begun, for a run that lost its records until then.
    pub(crate) fn begin_at(&self, at: Position) -> Result<(), MetricsError> {
        let insert = |key: &str, value: u64| {
            let state = SystemState { key: key.to_owned(), value: value.to_string() };
            self.insert(&state, None)
        };
        insert(FROM_STEPS, at.steps)
            .and_then(|()| insert(FROM_EPISODES, at.episodes))
            .and_then(|()| insert(FROM_UPDATES, at.updates))
            .map_err(MetricsError::sqlite(&self.path))
    }

    /// Makes sure that the database is whole, as far as can be told without reading every index.
    fn check(&self) -> Result<(), MetricsError> {
        let found: String = self
            .connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(MetricsError::sqlite(&self.path))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(MetricsError::Corrupt { path: self.path.clone(), reason: found })
        }
    }

    fn prepare(&self) -> Result<(), MetricsError> {
        // With `FULL` a transaction is on the disk, and not on its way there, when it is committed.
        self.connection
            .busy_timeout(PATIENCE)
            .and_then(|()| self.connection.pragma_update(None, "journal_mode", "WAL"))
            .and_then(|()| self.connection.pragma_update(None, "synchronous", "FULL"))
            .and_then(|()| self.connection.pragma_update(None, "foreign_keys", true))
            .map_err(MetricsError::sqlite(&self.path))
    }

    fn discard_after(&self, at: Position) -> Result<(), MetricsError> {
        let Position { steps, episodes, updates } = at;
        self.execute("BEGIN IMMEDIATE")?;
        let count = |key: &str, last: &str| -> rusqlite::Result<u64> {
            let begun = "SELECT MAX(CAST(value AS INTEGER)) FROM system_state WHERE key = ?1";
            let begun: Option<i64> = self.connection.query_row(begun, [key], |row| row.get(0))?;
            let found: i64 = self.connection.query_row(last, [], |row| row.get(0))?;
            Ok(found.max(begun.unwrap_or_default()) as u64)
        };
        let found: rusqlite::Result<[u64; 2]> = [
            ("DELETE FROM episodes WHERE steps > ?1 OR episode_id >= ?2", episodes),
            ("DELETE FROM deaths WHERE steps > ?1 OR episode_id >= ?2", episodes),
            ("DELETE FROM updates WHERE steps > ?1 OR update_id > ?2", updates),
            ("DELETE FROM evaluations WHERE steps > ?1 OR updates > ?2", updates),
        ]
        .into_iter()
        .try_for_each(|(delete, count)| {
            self.connection.execute(delete, params![steps as i64, count as i64]).map(drop)
        })
        .and_then(|()| self.connection.execute("DELETE FROM stages WHERE steps > ?1", [steps as i64]))
        .and_then(|_| {
            let updates = count(FROM_UPDATES, "SELECT COALESCE(MAX(update_id), 0) FROM updates")?;
            Ok([count(FROM_EPISODES, "SELECT COALESCE(MAX(episode_id) + 1, 0) FROM episodes")?, updates])
        });
        let found = found.map_err(MetricsError::sqlite(&self.path))?;
        let behind = |what, found, expected| {
            let path = self.path.clone();
            if found < expected { Err(MetricsError::Behind { path, what, found, expected }) } else { Ok(()) }
        };
        behind("episodes", found[0], episodes)?;
        behind("updates", found[1], updates)
    }

    /// Takes in a record, at `timestamp` in seconds since 1970. It is on the disk after the next
    /// [`commit`](Self::commit).
    pub(crate) fn write(&mut self, record: &Record, timestamp: f64) -> Result<(), MetricsError> {
        if self.connection.is_autocommit() {
            self.execute("BEGIN IMMEDIATE")?;
        }
        self.insert_record(record, timestamp).map_err(MetricsError::sqlite(&self.path))
    }

    fn insert_record(&self, record: &Record, timestamp: f64) -> rusqlite::Result<()> {
        match record {
            Record::Episode(episode) => {
                self.insert(&episode.row, Some(timestamp))?;
                episode.visits.iter().try_for_each(|row| self.insert(row, None))?;
                episode.heat.iter().try_for_each(|row| self.insert(row, None))
            }
            Record::Death(row) => self.insert(row, None),
            Record::Update(row) => self.insert(row, None),
            Record::Evaluation(row) => self.insert(row, None),
            Record::Stage(row) => self.insert(row, None),
            Record::State(row) => self.insert(row, None),
            Record::Histogram(_) => Ok(()),
        }
    }

    fn insert<R: Stored>(&self, row: &R, timestamp: Option<f64>) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(R::INSERT)?;
        row.bind(&mut statement)?;
        if let Some(timestamp) = timestamp {
            statement.raw_bind_parameter(R::COLUMNS.len() + 1, timestamp)?;
        }
        statement.raw_execute().map(drop)
    }

    /// Puts on the disk what was taken in so far.
    pub(crate) fn commit(&mut self) -> Result<(), MetricsError> {
        if self.connection.is_autocommit() { Ok(()) } else { self.execute("COMMIT") }
    }

    /// Commits and closes the file, which then has no companions.
    pub(crate) fn finish(mut self) -> Result<(), MetricsError> {
        self.commit()?;
        self.connection.close().map_err(|(_, error)| MetricsError::sqlite(&self.path)(error))
    }

    fn execute(&self, sql: &str) -> Result<(), MetricsError> {
        self.connection.execute_batch(sql).map_err(MetricsError::sqlite(&self.path))
    }
}

/// Refuses a folder that has a database of metrics.
pub(crate) fn refuse_existing(folder: &Path) -> Result<(), MetricsError> {
    let path = folder.join(FILE_NAME);
    if path.exists() { Err(MetricsError::AlreadyExists { path }) } else { Ok(()) }
}

/// Opens a database of metrics that is there, and refuses anything else.
pub(crate) fn open(path: &Path, access: OpenFlags) -> Result<Connection, MetricsError> {
    if !path.is_file() {
        return Err(MetricsError::Missing { path: path.to_path_buf() });
    }
    // Asked before SQLite, which would take it for a new database and remove its log.
    if path.metadata().is_ok_and(|file| file.len() == 0) {
        let found = "an empty file".to_owned();
        return Err(MetricsError::Foreign { path: path.into(), expected: "a database of metrics", found });
    }
    match open_checked(path, access) {
        // Nobody writes beside a database in a folder that cannot be written to, and SQLite has to be told so.
        Err(MetricsError::Sqlite { source, .. })
            if access.contains(OpenFlags::SQLITE_OPEN_READ_ONLY)
                && source.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen)
                && !path.with_file_name(format!("{FILE_NAME}-wal")).exists() =>
        {
            open_checked(&immutable(path), access | OpenFlags::SQLITE_OPEN_URI)
        }
        opened => opened,
    }
}

fn open_checked(path: &Path, access: OpenFlags) -> Result<Connection, MetricsError> {
    let connection = Connection::open_with_flags(path, access).map_err(MetricsError::sqlite(path))?;
    connection.busy_timeout(PATIENCE).map_err(MetricsError::sqlite(path))?;
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(MetricsError::sqlite(path))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(MetricsError::Foreign {
            path: path.to_path_buf(),
            expected: "a database of metrics",
            found: "a database that Townlet did not write".to_owned(),
        });
    }
    match pragma("user_version")? {
        FORMAT => Ok(connection),
        found => Err(MetricsError::Version { path: path.to_path_buf(), found, expected: FORMAT }),
    }
}

/// The address of a file that does not change while it is open.
fn immutable(path: &Path) -> PathBuf {
    let mut address = String::from("file:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => address.push_str("%25"),
            '?' => address.push_str("%3f"),
            '#' => address.push_str("%23"),
            other => address.push(other),
        }
    }
    address.push_str("?immutable=1");
    address.into()
}
