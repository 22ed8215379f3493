//! Being asked to stop, as a value that whatever takes long is given.

use std::error::Error;
use std::fmt;

/// Says whether to stop. Asked again and again, many times a second, by whatever takes long; once it says yes it
/// never says no.
pub(crate) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// Never asks anybody to stop.
pub(crate) const NEVER: Stop<'static> = &|| false;

/// Somebody asked this to stop before it was done. Not a fault, but not success either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl Error for Stopped {}
