//! Characters: a letter for each place, a shade for each unit of memory, a bar for each number.

use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Span;

/// A letter for each name: its first that no name before it has, as a capital where that is free.
pub(crate) fn letters<'a>(names: impl Iterator<Item = &'a str>) -> Vec<char> {
    let mut taken = Vec::new();
    for name in names {
        let own = || name.chars().filter(char::is_ascii_alphabetic);
        let wanted = own()
            .filter(char::is_ascii_uppercase)
            .chain(own().map(|letter| letter.to_ascii_uppercase()))
            .chain(own().map(|letter| letter.to_ascii_lowercase()))
            .chain('0'..='9');
        let letter = wanted.into_iter().find(|letter| !taken.contains(letter)).unwrap_or('#');
        taken.push(letter);
    }
    taken
}

/// A unit of memory, -1 to 1 of the strongest: the fuller the stronger, blue below zero and yellow above. The shape says as
/// much without colours.
pub(super) fn unit(value: f32) -> Span<'static> {
    let shade = match value.abs() {
        ..0.15 => " ",
        0.15..0.35 => "\u{2591}",
        0.35..0.6 => "\u{2592}",
        0.6..0.85 => "\u{2593}",
        _ => "\u{2588}",
    };
    let colour = if value < 0.0 { Color::Blue } else { Color::Yellow };
    Span::styled(shade, Style::new().fg(colour))
}

/// A bar of `width` characters, `share` of it full.
pub(super) fn bar(share: f32, width: usize, colour: Color) -> [Span<'static>; 2] {
    let full = ((share.clamp(0.0, 1.0) * width as f32).round() as usize).min(width);
    ["\u{2588}".repeat(full).fg(colour), "\u{00b7}".repeat(width - full).dim()]
}

/// With how many decimals numbers that are `spread` apart can be told apart.
pub(super) fn decimals(spread: f32) -> usize {
    if spread > 0.0 { (2.0 - spread.log10().floor()).clamp(0.0, 5.0) as usize } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_close_get_more_decimals() {
        let cases =
            [(0.0, 2), (300.0, 0), (20.0, 1), (5.0, 2), (0.3, 3), (0.02, 4), (1e-9, 5), (f32::NAN, 2)];
        for (spread, digits) in cases {
            assert_eq!(decimals(spread), digits, "{spread}");
        }
    }

    #[test]
    fn every_place_has_a_letter_of_its_own() {
        let names = ["Bed", "LuxuryBed", "Bar", "Labor", "b", "B", "Bed"];
        let letters = letters(names.into_iter());
        assert_eq!(letters[..4], ['B', 'L', 'A', 'O']);
        let mut distinct = letters.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), names.len(), "{letters:?}");
    }

    #[test]
    fn a_bar_is_as_wide_as_asked() {
        for share in [-1.0, 0.0, 0.333, 1.0, 7.0, f32::NAN] {
            let [full, rest] = bar(share, 12, Color::Green);
            assert_eq!(full.width() + rest.width(), 12);
        }
        assert_eq!(bar(0.5, 12, Color::Green)[0].width(), 6);
    }
}
