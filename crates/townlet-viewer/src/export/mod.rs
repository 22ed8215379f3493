//! Episodes to take home: an animation, a picture, a page that plays offline.

mod canvas;
mod film;
mod layout;
mod page;
mod panels;
mod picture;
mod text;
mod town;

use std::borrow::Cow;
use std::io::{self, Write};

use gif::{DisposalMethod, Encoder, Repeat};
use thiserror::Error;

use crate::SessionError;
use canvas::{Canvas, UNCHANGED, palette};
pub use film::{Film, MOST_FRAMES};
pub use page::html;
use picture::Painter;

/// How long the last picture of an animation stays, in hundredths of a second.
const LAST: u16 = 250;

/// Writes a film as an animated GIF, at `speed` steps a second.
///
/// # Errors
///
/// Where the speed is not 1 to 50, which is what browsers play, or the output cannot be written.
pub fn gif(film: &Film, speed: u16, out: impl Write) -> Result<(), ExportError> {
    if !(1..=50).contains(&speed) {
        return Err(ExportError::Speed { found: speed });
    }
    let mut painter = Painter::new(film);
    let (width, height) = painter.size();
    let mut encoder = Encoder::new(out, width, height, &palette())?;
    encoder.set_repeat(Repeat::Infinite)?;
    let mut before: Option<Canvas> = None;
    for (index, frame) in film.frames.iter().enumerate() {
        let canvas = painter.paint(frame);
        let delay = if index + 1 == film.frames.len() { LAST } else { 100 / speed };
        // Only what has changed is written; the rest of the last picture stays.
        let changed = canvas.changed_since(before.as_ref());
        encoder.write_frame(&gif::Frame {
            delay,
            dispose: DisposalMethod::Keep,
            transparent: before.is_some().then_some(UNCHANGED),
            left: changed.left,
            top: changed.top,
            width: changed.width,
            height: changed.height,
            buffer: Cow::Owned(canvas.part(changed, before.as_ref())),
            ..gif::Frame::default()
        })?;
        before = Some(canvas);
    }
    Ok(())
}

/// Writes one moment of a film as a PNG: that after `step` steps.
///
/// # Errors
///
/// Where the film has no such step, or the output cannot be written.
pub fn png(film: &Film, step: u32, out: impl Write) -> Result<(), ExportError> {
    let Some(until) = film.frames.get(..=step as usize) else {
        let last = film.frames.len().saturating_sub(1) as u32;
        return Err(ExportError::NoSuchStep { step, last });
    };
    let mut painter = Painter::new(film);
    let mut canvas = None;
    // The memory of the moments before is in the picture too.
    for frame in until {
        canvas = Some(painter.paint(frame));
    }
    let (width, height) = painter.size();
    let mut encoder = ::png::Encoder::new(out, width.into(), height.into());
    encoder.set_color(::png::ColorType::Indexed);
    encoder.set_depth(::png::BitDepth::Eight);
    encoder.set_palette(palette());
    let mut writer = encoder.write_header()?;
    if let Some(canvas) = canvas {
        writer.write_image_data(canvas.pixels())?;
    }
    writer.finish()?;
    Ok(())
}

/// Why an episode was not exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A step that the episode does not have.
    #[error("the episode has no step {step}; expected 0 to {last}")]
    NoSuchStep {
        /// The step asked for.
        step: u32,
        /// The last one.
        last: u32,
    },
    /// An episode that the recording does not have.
    #[error("the recording has no episode {episode}; expected 0 to {last}")]
    NoSuchEpisode {
        /// The index of the episode asked for.
        episode: usize,
        /// The last one.
        last: usize,
    },
    /// A speed that an animation cannot have.
    #[error("expected a speed of 1 to 50 steps a second, found {found}")]
    Speed {
        /// The speed asked for.
        found: u16,
    },
    /// More than a page can hold.
    #[error("the episode has more than {MOST_FRAMES} steps, which is too long to export; replay it instead")]
    TooLong,
    /// A session that does not play.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No more room, or no such place.
    #[error("cannot write the picture: {0}")]
    Write(#[from] io::Error),
}

impl From<gif::EncodingError> for ExportError {
    fn from(error: gif::EncodingError) -> Self {
        Self::Write(match error {
            gif::EncodingError::Io(error) => error,
            error => io::Error::other(error),
        })
    }
}

impl From<::png::EncodingError> for ExportError {
    fn from(error: ::png::EncodingError) -> Self {
        Self::Write(error.into())
    }
}
