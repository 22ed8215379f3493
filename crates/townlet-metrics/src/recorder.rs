//! One thread that writes, fed by a bounded queue.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::error::MetricsError;
use crate::recovery::Loss;
use crate::rows::{EpisodeRow, Position, Record};
use crate::sqlite::{COMPANIONS, Database, FILE_NAME, refuse_existing};
use crate::tensorboard::{EVENTS, EventFile, find};

/// Where timestamps come from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Clock {
    /// The system's time.
    #[default]
    System,
    /// Always the same time, in seconds since 1970: the same records then make the same files.
    Fixed(f64),
}

impl Clock {
    fn now(self) -> f64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0.0, |time| time.as_secs_f64()),
            Self::Fixed(time) => time,
        }
    }
}

/// How a run is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How many records may wait for the thread that writes; whoever records one more waits too.
    pub queue: usize,
    /// The longest time that a record is in memory only.
    pub commit_after: Duration,
    /// Whether a file of TensorBoard's events is written beside the database.
    pub tensorboard: bool,
    /// Where timestamps come from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 4096, commit_after: Duration::from_secs(1), tensorboard: true, clock: Clock::System }
    }
}

/// Records a run into `metrics.sqlite` and `events.out.tfevents.*` of its folder, on a thread of its own.
///
/// Dropping it writes what was recorded so far, as [`finish`](Self::finish) does, but tells no error.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    /// None once it is finished.
    queue: Option<SyncSender<Message>>,
    failure: Arc<OnceLock<MetricsError>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Record(Record),
    /// Asks for everything before it to be on the disk, and for an answer then.
    Sync(SyncSender<()>),
}

impl Recorder {
    /// Whether something was recorded in this folder.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(FILE_NAME).exists()
    }

    /// Begins to record a new run. The folder is made if it is not there.
    ///
    /// # Errors
    /// Where the folder holds metrics already, or cannot be written to.
    pub fn create(folder: &Path, options: Options) -> Result<Self, MetricsError> {
        fs::create_dir_all(folder).map_err(MetricsError::io(folder))?;
        // Before anything is made, so that a refusal leaves nothing behind.
        refuse_existing(folder)?;
        let events =
            options.tensorboard.then(|| EventFile::create(folder, options.clock.now())).transpose()?;
        let database = Database::create(folder)?;
        Self::start(folder, options, database, events)
    }

    /// Goes on recording a run from where it stood at `at`, as if it had never gone any further: whatever was
    /// recorded later is discarded. Facts about the run as a whole ([`SystemState`](crate::SystemState)) have
    /// no place in time, and stay.
    ///
    /// Positions between steps are not told apart: `at` is the run after everything that its last step led to.
    ///
    /// # Errors
    /// Where the folder has no metrics, where they are in another format, or damaged, or end before `at`. Then
    /// nothing is discarded.
    pub fn resume(folder: &Path, at: Position, options: Options) -> Result<Self, MetricsError> {
        let mut database = Database::resume(folder, at)?;
        let events = if options.tensorboard {
            Some(EventFile::resume(folder, at, options.clock.now())?)
        } else {
            // Events that are not so any more would be in the way of a later resumption.
            EventFile::cut(folder, at)?;
            None
        };
        database.commit()?;
        Self::start(folder, options, database, events)
    }

    /// Goes on recording a run as [`resume`](Self::resume) does, also where its records were lost or damaged: then
    /// they are set aside under another name, new ones are begun from `at` on, and what was lost is returned.
    ///
    /// # Errors
    /// If files cannot be read, written or renamed. Records that are whole are as they were then.
    pub fn recover(folder: &Path, at: Position, options: Options) -> Result<(Self, Vec<Loss>), MetricsError> {
        let mut losses = Vec::new();
        let path = folder.join(FILE_NAME);
        let mut database = match Database::resume(folder, at) {
            Ok(database) => database,
            Err(error) if error.is_loss() => {
                let loss = Loss::set_aside(&path, error.loss(), &COMPANIONS)?;
                // A run that is at its beginning has nothing to lose.
                if at != Position::default() || loss.set_aside.is_some() {
                    losses.push(loss);
                }
                let database = Database::create(folder)?;
                if at != Position::default() {
                    database.begin_at(at)?;
                }
                database
            }
            Err(error) => return Err(error),
        };
        let now = options.clock.now();
        let events = match (find(folder)?, options.tensorboard) {
            (None, false) => None,
            (None, true) => {
                if at != Position::default() {
                    let reason = "it is not there".to_owned();
                    losses.push(Loss { path: folder.join(EVENTS), reason, set_aside: None });
                }
                Some(EventFile::create_at(folder, at, now)?)
            }
            (Some(path), wanted) => {
                let resumed = if wanted {
                    EventFile::resume(folder, at, now).map(Some)
                } else {
                    EventFile::cut(folder, at).map(|_| None)
                };
                match resumed {
                    Err(error) if error.is_loss() => {
                        losses.push(Loss::set_aside(&path, error.loss(), &[])?);
                        wanted.then(|| EventFile::create_at(folder, at, now)).transpose()?
                    }
                    resumed => resumed?,
                }
            }
        };
        database.commit()?;
        Ok((Self::start(folder, options, database, events)?, losses))
    }

    fn start(
        folder: &Path,
        options: Options,
        database: Database,
        events: Option<EventFile>,
    ) -> Result<Self, MetricsError> {
        let (queue, messages) = sync_channel(options.queue);
        let failure = Arc::new(OnceLock::new());
        let writer = Writer {
            files: Some(Files { database, events }),
            failure: Arc::clone(&failure),
            options,
            commit_at: None,
        };
        let thread = Builder::new()
            .name("metrics".to_owned())
            .spawn(move || writer.run(&messages))
            .map_err(MetricsError::io(folder))?;
        Ok(Self { folder: folder.to_path_buf(), queue: Some(queue), failure, thread: Some(thread) })
    }

    /// Hands a record over to be written. Waits only where the queue is full.
    ///
    /// # Errors
    /// The first error of the thread that writes, from then on; such as a full disk. What was on the disk by
    /// then is intact. [`MetricsError::NotANumber`] is about this record alone, which then is not written.
    pub fn record(&self, record: impl Into<Record>) -> Result<(), MetricsError> {
        let mut record = record.into();
        if let Record::Episode(episode) = &mut record {
            check_numbers(&episode.row)?;
            let number = episode.row.episode;
            episode.visits.iter_mut().for_each(|visit| visit.episode = number);
            episode.heat.iter_mut().for_each(|place| place.episode = number);
        }
        self.send(Message::Record(record))
    }

    /// Returns when everything that was recorded so far is on the disk, safe from a power cut.
    ///
    /// # Errors
    /// The first error of the thread that writes.
    pub fn sync(&self) -> Result<(), MetricsError> {
        let (done, wait) = sync_channel(1);
        self.send(Message::Sync(done))?;
        // Without an answer the thread is gone, which `failed` tells.
        let answered = wait.recv().is_ok();
        if answered && self.failure.get().is_none() { Ok(()) } else { Err(self.failed()) }
    }

    /// Writes what is left, puts it on the disk and closes the files.
    ///
    /// # Errors
    /// The first error of the thread that writes.
    pub fn finish(mut self) -> Result<(), MetricsError> {
        let ended = self.end();
        if ended && self.failure.get().is_none() { Ok(()) } else { Err(self.failed()) }
    }

    fn send(&self, message: Message) -> Result<(), MetricsError> {
        if self.failure.get().is_some() {
            return Err(self.failed());
        }
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send(message).is_ok());
        if sent { Ok(()) } else { Err(self.failed()) }
    }

    fn failed(&self) -> MetricsError {
        self.failure.get().cloned().unwrap_or_else(|| MetricsError::Stopped { path: self.folder.clone() })
    }

    /// Lets the thread come to its end. Whether it came there by itself.
    fn end(&mut self) -> bool {
        self.queue = None;
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// SQLite knows no NaN, and these columns may not be empty.
fn check_numbers(row: &EpisodeRow) -> Result<(), MetricsError> {
    let numbers = [
        ("total_reward", row.total_reward),
        ("extrinsic_reward", row.extrinsic_reward),
        ("intrinsic_reward", row.intrinsic_reward),
        ("intrinsic_weight", row.intrinsic_weight),
        ("epsilon", row.epsilon),
    ];
    match numbers.into_iter().find(|(_, number)| number.is_nan()) {
        None => Ok(()),
        Some((key, _)) => Err(MetricsError::NotANumber { episode: row.episode, key }),
    }
}

struct Files {
    database: Database,
    events: Option<EventFile>,
}

impl Files {
    fn write(&mut self, record: &Record, now: f64) -> Result<(), MetricsError> {
        self.database.write(record, now)?;
        self.events.as_mut().map_or(Ok(()), |events| events.write(record, now))
    }

    fn commit(&mut self) -> Result<(), MetricsError> {
        self.database.commit()?;
        self.events.as_mut().map_or(Ok(()), EventFile::flush)
    }

    fn sync(&mut self) -> Result<(), MetricsError> {
        self.database.commit()?;
        self.events.as_mut().map_or(Ok(()), EventFile::sync)
    }

    fn finish(mut self) -> Result<(), MetricsError> {
        self.sync()?;
        self.database.finish()
    }
}

/// The other end of the queue.
struct Writer {
    /// None after the first error.
    files: Option<Files>,
    failure: Arc<OnceLock<MetricsError>>,
    options: Options,
    /// When what is in memory has to be committed, if anything is.
    commit_at: Option<Instant>,
}

impl Writer {
    /// Writes until nobody can record any more. After an error it goes on emptying the queue, so that whoever
    /// waits on a full one gets the error and not a standstill.
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match self.next(messages) {
                Ok(Message::Record(record)) => {
                    let now = self.options.clock.now();
                    self.attempt(|files| files.write(&record, now));
                    let commit_at =
                        *self.commit_at.get_or_insert_with(|| Instant::now() + self.options.commit_after);
                    if Instant::now() >= commit_at {
                        self.commit();
                    }
                }
                Ok(Message::Sync(done)) => {
                    self.attempt(Files::sync);
                    self.commit_at = None;
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.commit(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Some(Err(error)) = self.files.take().map(Files::finish) {
            let _ = self.failure.set(error);
        }
    }

    fn next(&self, messages: &Receiver<Message>) -> Result<Message, RecvTimeoutError> {
        match self.commit_at {
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
        }
    }

    fn commit(&mut self) {
        self.attempt(Files::commit);
        self.commit_at = None;
    }

    /// Does something with the files unless something failed already. An error lets go of them, and with that
    /// of the transaction that was open.
    fn attempt(&mut self, action: impl FnOnce(&mut Files) -> Result<(), MetricsError>) {
        let Some(files) = &mut self.files else { return };
        if let Err(error) = action(files) {
            let _ = self.failure.set(error);
            self.files = None;
        }
    }
}
