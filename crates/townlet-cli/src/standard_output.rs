//! The one place that writes to standard output: what was asked for.

use std::fmt::Display;
use std::io::{self, ErrorKind, StdoutLock, Write};

use anstream::AutoStream;
use anyhow::Result;
use townlet_text::Screen;

/// Standard output, which outlives its reader and its disk.
///
/// A reader who has seen enough (`townlet levels full | head -3`) is no failure: what is written after that goes
/// nowhere, and the command ends as it would have. Where nothing more can be written for another reason, a full
/// disk for one, the command does its work to the end as well, and [`finish`](Self::finish) tells. Whatever would
/// control a terminal is escaped.
pub(crate) struct StandardOutput {
    out: Screen<StdoutLock<'static>>,
    failure: Option<io::Error>,
}

impl StandardOutput {
    pub(crate) fn new() -> Self {
        Self { out: Screen::new(io::stdout().lock()), failure: None }
    }

    /// Writes text that has styles in it, which are left out where nobody wants or sees any.
    pub(crate) fn styled(&mut self, text: impl Display) -> Result<()> {
        let mut plain_or_not = AutoStream::new(Vec::new(), AutoStream::choice(&io::stdout()));
        write!(plain_or_not, "{text}")?;
        // The styles are ours, so they pass.
        if let Err(error) = self.out.get_mut().write_all(&plain_or_not.into_inner()) {
            self.remember(error);
        }
        Ok(())
    }

    /// Writes out what is left.
    ///
    /// # Errors
    ///
    /// Returns the first error that kept anything from being written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.failure.map_or(Ok(()), Err)
    }

    fn remember(&mut self, error: io::Error) {
        if error.kind() != ErrorKind::BrokenPipe {
            self.failure.get_or_insert(error);
        }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.remember(error);
                Ok(bytes.len())
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Err(error) = self.out.flush() {
            self.remember(error);
        }
        Ok(())
    }
}
