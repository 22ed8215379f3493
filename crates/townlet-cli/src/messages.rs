//! The one place that writes to standard error: notes, warnings, errors, and how things are going.
//!
//! Nobody reading is no reason to stop. Where standard error is closed, full, or a terminal that is gone, what
//! cannot be written is dropped, and the program goes on; `eprintln!` would panic instead.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use indicatif::ProgressDrawTarget;
use townlet_text::escaped_lines;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

use crate::error_message;

/// What is logged unless `RUST_LOG` asks for something else: warnings of this project alone, since graphics
/// drivers complain at length about what they are only asked whether they have.
const LOGGED: &str = "off,townlet=warn";

/// Standard error, where whatever cannot be written is dropped.
#[derive(Clone, Copy, Debug)]
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().lock().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}

/// Writes a line, in which nothing controls a terminal.
pub(crate) fn line(line: impl Display) {
    write(&escaped_lines(&format!("{line}\n")));
}

/// Writes something that is worth knowing.
pub(crate) fn note(note: impl Display) {
    line(format_args!("note: {note}"));
}

/// Writes what went wrong and did not stop the command.
pub(crate) fn warning(warning: impl Display) {
    line(format_args!("warning: {warning}"));
}

/// Writes what stopped the command, as clap writes its own errors.
pub(crate) fn error(error: &anyhow::Error) {
    let red: Style = AnsiColor::Red.on_default().bold();
    styled(format_args!("{red}error:{red:#} {}\n", error_message::of(error)));
}

/// Writes text that has styles in it, which are left out where nobody wants or sees any.
pub(crate) fn styled(text: impl Display) {
    let mut plain_or_not = AutoStream::new(Vec::new(), colours());
    // Into memory, where nothing fails.
    let _ = write!(plain_or_not, "{text}");
    let _ = StandardError.write(&plain_or_not.into_inner());
}

/// Whether somebody watches standard error as it is written.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Where a progress bar is drawn. It drops what it cannot draw.
pub(crate) fn bar_target() -> ProgressDrawTarget {
    ProgressDrawTarget::stderr()
}

/// Logs what `RUST_LOG` asks for.
pub(crate) fn start_logging() {
    let wanted = env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty());
    let (filter, refused) = filter(wanted.as_deref().unwrap_or(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| StandardError)
        .with_ansi(colours() != ColorChoice::Never)
        .log_internal_errors(false)
        .init();
    for refused in refused {
        warning(refused);
    }
}

/// The filter that `wanted` describes, and what is wrong with the parts of it that say nothing.
fn filter(wanted: &str) -> (EnvFilter, Vec<String>) {
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    for part in wanted.split(',').filter(|part| !part.is_empty()) {
        match part.parse::<Directive>() {
            Ok(_) => read.push(part),
            Err(error) => refused.push(format!("RUST_LOG: `{part}` is ignored: {error}")),
        }
    }
    // It prints what it cannot read, and nothing of that is left.
    (EnvFilter::builder().parse_lossy(read.join(",")), refused)
}

fn colours() -> ColorChoice {
    AutoStream::choice(&io::stderr())
}

/// One call for a whole text, so that lines of several processes do not mix.
fn write(text: &str) {
    let _ = StandardError.write(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn a_part_of_the_filter_that_says_nothing_is_named_and_the_others_hold() {
        let (read, refused) = filter("off,townlet=loud,wgpu=info");
        let text = read.to_string();
        assert!(text.contains("wgpu=info") && text.contains("off") && !text.contains("townlet"), "{text}");
        assert_eq!(refused.len(), 1);
        assert!(refused[0].contains("`townlet=loud`"), "{refused:?}");
    }
}
