//! A writer before a terminal.

use std::io::{self, Write};

use crate::printable::escaped_lines;

/// Passes text on with everything [harmful](crate::escaped) in it escaped, except the ends of lines and tabs. So
/// whatever a command prints, a name in a file cannot control the terminal; and because the escapes are those of
/// JSON and TOML, either still reads back.
///
/// ```
/// use std::io::Write;
///
/// let mut screen = townlet_text::Screen::new(Vec::new());
/// writeln!(screen, "level \u{1b}[31mred")?;
/// assert_eq!(screen.into_inner(), b"level \\u001b[31mred\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    /// The beginning of a character whose end has not been written yet.
    begun: Vec<u8>,
}

impl<W: Write> Screen<W> {
    /// A writer before `out`.
    pub fn new(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }

    /// What it writes to, for what is to pass as it is.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.pass_text(chunk.valid())?;
            let unfinished =
                || str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if chunks.peek().is_none() && unfinished() {
                self.begun.extend_from_slice(chunk.invalid());
            } else if !chunk.invalid().is_empty() {
                self.pass_text("\u{fffd}")?;
            }
        }
        Ok(())
    }

    fn pass_text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(escaped_lines(text).as_bytes())
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.begun.is_empty() {
            self.pass(bytes)?;
        } else {
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(bytes);
            self.pass(&whole)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(pieces: &[&[u8]]) -> String {
        let mut screen = Screen::new(Vec::new());
        for piece in pieces {
            screen.write_all(piece).unwrap();
        }
        String::from_utf8(screen.into_inner()).unwrap()
    }

    #[test]
    fn lines_and_tabs_pass_and_all_that_controls_a_terminal_does_not() {
        assert_eq!(shown(&[b"a\tb\n", b"\x1b[2Jc\rd\n"]), "a\tb\n\\u001b[2Jc\\u000dd\n");
        assert_eq!(shown(&["\u{9b}31m \u{202e}".as_bytes()]), "\\u009b31m \\u202e");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let (first, second) = "\u{202e}".as_bytes().split_at(1);
        assert_eq!(shown(&[b"a", first, second, b"b"]), "a\\u202eb");
        assert_eq!(shown(&[b"\xff\xfea"]), "\u{fffd}\u{fffd}a");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_text_is_cut(text: String, at: prop::sample::Index) {
            let at = at.index(text.len() + 1);
            let (first, second) = text.as_bytes().split_at(at);
            prop_assert_eq!(shown(&[first, second]), shown(&[text.as_bytes()]));
        }
    }
}
