//! Pictures of runs, as SVG and PNG.

mod axes;
mod frame;
mod heat;
mod lines;
mod raster;
mod series;
mod shares;
mod style;

use std::io;

use plotters::drawing::DrawingAreaErrorKind;
use thiserror::Error;
use townlet_text::escaped;

pub use heat::{HeatMap, visit_heat_map};
pub use lines::{Over, epsilon, learning_curves, loss, training_survival, value_against_return};
pub use series::{Group, Series};
pub use shares::{Deaths, deaths_by_cause};

/// Why there is no picture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The picture could not be drawn.
    #[error("a picture cannot be drawn: {0}")]
    Draw(String),
    /// The picture could not be turned into pixels.
    #[error("a picture cannot be turned into {width} pixels' width: {reason}; ask for 100 to 10000")]
    Raster {
        /// The width that was asked for.
        width: u32,
        /// What is wrong.
        reason: String,
    },
}

impl From<DrawingAreaErrorKind<io::Error>> for PlotError {
    fn from(error: DrawingAreaErrorKind<io::Error>) -> Self {
        Self::Draw(error.to_string())
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    name: String,
    title: String,
    description: String,
    width: u32,
    height: u32,
    /// What is inside the SVG's outermost element.
    body: String,
}

impl Plot {
    /// What a file of it is called, without an ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title, which is also written in the picture.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What can be seen in it, for those who cannot see it and for a caption.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// As a file of its own: on white, as wide as the space that it is given.
    pub fn svg(&self) -> String {
        let Self { title, description, width, height, body, .. } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n{body}</svg>\n",
            escape(title),
            escape(description)
        )
    }

    /// As a part of an HTML page: without a background, as wide as the space that it is given.
    pub fn inline_svg(&self) -> String {
        let Self { title, width, height, body, .. } = self;
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n{body}</svg>\n",
            escape(title)
        )
    }

    /// As a PNG file, `width` pixels wide.
    ///
    /// # Errors
    /// Where the width is not between 100 and 10,000.
    pub fn png(&self, width: u32) -> Result<Vec<u8>, PlotError> {
        raster::png(&self.svg(), width)
    }
}

/// A text where SVG expects one.
fn escape(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in escaped(text).chars() {
        match character {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            other => written.push(other),
        }
    }
    written
}
