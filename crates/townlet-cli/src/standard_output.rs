//! Standard output that outlives its reader.

use std::io::{self, ErrorKind, StdoutLock, Write};

/// Standard output, except that a reader who has seen enough (`townlet levels full | head -3`) is no
/// failure: what is written after that goes nowhere, and the command ends as it would have.
pub(crate) struct StandardOutput {
    out: StdoutLock<'static>,
}

impl StandardOutput {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout().lock() }
    }
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.out.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
