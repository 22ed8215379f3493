//! Signals that end a program, and the way out when the terminal is gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::sync::atomic::Ordering;

/// Listens for signals that end a program, until it is dropped.
///
/// Whoever shows something looks at [`heard`](Self::heard) and gives the terminal back. When the terminal itself
/// is gone, reading keys may never return (crossterm's reader goes round and round at the end of its input);
/// the program then ends anyway, a moment later.
pub(super) struct EndSignals {
    /// Whether one has come.
    pub(super) heard: Arc<AtomicBool>,
    #[cfg(unix)]
    over: Arc<AtomicBool>,
    #[cfg(unix)]
    listener: signal_hook::iterator::Handle,
}

#[cfg(unix)]
impl EndSignals {
    /// # Errors
    ///
    /// Where the system allows no handler.
    pub(super) fn listen() -> io::Result<Self> {
        use std::thread;
        use std::time::Duration;

        use ratatui::crossterm::cursor::Show;
        use ratatui::crossterm::execute;
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        use signal_hook::iterator::Signals;
        use signal_hook::low_level::emulate_default_handler;

        /// How long the loop has to notice and to give the terminal back: many times what it takes.
        const GRACE: Duration = Duration::from_millis(1_500);

        let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT])?;
        let (heard, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let this = Self { heard: heard.clone(), over: over.clone(), listener: signals.handle() };
        thread::Builder::new().name("end-signals".to_owned()).spawn(move || {
            // None once the listener is closed.
            let Some(signal) = signals.forever().next() else { return };
            heard.store(true, Ordering::Relaxed);
            thread::sleep(GRACE);
            if !over.load(Ordering::Acquire) {
                // As far as there is a terminal to give back: whoever is stuck may hold its lock.
                thread::spawn(|| {
                    let _ = ratatui::try_restore();
                    let _ = execute!(io::stdout(), Show);
                });
                thread::sleep(GRACE / 10);
                let _ = emulate_default_handler(signal);
            }
        })?;
        Ok(this)
    }
}

#[cfg(unix)]
impl Drop for EndSignals {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        self.listener.close();
    }
}

#[cfg(not(unix))]
impl EndSignals {
    #[expect(clippy::unnecessary_wraps, reason = "the signature that it has elsewhere")]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { heard: Arc::new(AtomicBool::new(false)) })
    }
}
