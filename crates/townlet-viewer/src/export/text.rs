//! Texts in pictures: their fonts hold printable ASCII, and every character is as wide as every other.

use embedded_graphics::mono_font::MonoFont;

/// The characters that the fonts have.
pub(super) fn ascii(text: &str) -> String {
    text.chars().map(|it| if it.is_ascii_graphic() || it == ' ' { it } else { '?' }).collect()
}

/// As much of a text as fits into so many pixels; where it is cut, it ends in a dot.
pub(super) fn fitting(text: &str, width: u32, font: &MonoFont<'_>) -> String {
    let most = (width / font.character_size.width) as usize;
    let mut text = ascii(text);
    if text.len() > most {
        text.truncate(most.saturating_sub(1));
        if most > 0 {
            text.push('.');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use embedded_graphics::mono_font::ascii::FONT_6X10;

    use super::*;

    #[test]
    fn a_text_is_never_wider_than_its_room() {
        assert_eq!(fitting("Bed", 18, &FONT_6X10), "Bed");
        assert_eq!(fitting("LuxuryBed", 30, &FONT_6X10), "Luxu.");
        assert_eq!(fitting("Bücherei", 600, &FONT_6X10), "B?cherei");
        assert_eq!(fitting("Bed", 5, &FONT_6X10), "");
    }
}
