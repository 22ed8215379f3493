#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod file_name;
mod name;
mod nearest;
mod printable;
mod screen;

pub use file_name::file_name;
pub use name::{MAX_NAME, MAX_PROSE, NameFault, check_name, check_prose};
pub use nearest::nearest;
pub use printable::{escaped, escaped_lines, printable, shortened};
pub use screen::Screen;
