//! Colours, sizes and numbers, the same in every picture.

use plotters::style::RGBColor;

/// How finely places are told apart: plotters knows whole numbers only.
pub(crate) const UNIT: i32 = 4;

/// How wide a picture is. Sizes of text are meant for this width: it is read on a telephone held upright, and
/// two pictures stand side by side on a desk.
pub(crate) const WIDTH: i32 = 420;

/// Room at the sides of everything.
pub(crate) const MARGIN: i32 = 10;

pub(crate) const TITLE: i32 = 16;
pub(crate) const TEXT: i32 = 13;

/// Titles and whatever else is read first.
pub(crate) const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
/// Labels.
pub(crate) const MUTED: RGBColor = RGBColor(0x59, 0x62, 0x6e);
/// Lines that carry nothing.
pub(crate) const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe6);

/// The palette of Okabe and Ito, which people with any colour vision tell apart, without its black, and without
/// its yellow, which is too pale for a line.
pub(crate) const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// The colour of line `index`; they repeat.
pub(crate) fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// From dark to bright with growing `share` from 0 to 1, evenly to the eye: five stops of viridis.
pub(crate) fn ramp(share: f64) -> RGBColor {
    const STOPS: [[f64; 3]; 5] = [
        [68.0, 1.0, 84.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let at = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let below = (at as usize).min(STOPS.len() - 2);
    let [r, g, b] = [0, 1, 2].map(|channel| {
        let (from, to) = (STOPS[below][channel], STOPS[below + 1][channel]);
        (from + (to - from) * (at - below as f64)).round() as u8
    });
    RGBColor(r, g, b)
}

/// A number with few digits: 250k, 1.5M, 0.03.
pub(crate) fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        size if size >= 999_950.0 => (value / 1e6, "M"),
        size if size >= 10_000.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        size if size >= 0.01 => 3,
        _ => return format!("{value:.1e}{suffix}").replace(".0e", "e"),
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    // Zero has no sign to a reader.
    format!("{}{suffix}", if text == "-0" { "0" } else { text })
}

/// The text, cut to so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// About how wide a text is; the font that will be used is not known.
pub(crate) fn text_width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.6).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = [
            0.0,
            -0.000_2,
            0.031_62,
            0.25,
            7.0,
            99.5,
            350.0,
            9_999.0,
            10_000.0,
            250_000.0,
            999_999.0,
            1_500_000.0,
            -2e6,
        ];
        let texts =
            ["0", "-2e-4", "0.032", "0.25", "7", "99.5", "350", "9999", "10k", "250k", "1M", "1.5M", "-2M"];
        assert_eq!(numbers.map(short), texts);
    }

    #[test]
    fn the_ramp_goes_from_dark_to_bright() {
        let brightness = |share| {
            let RGBColor(r, g, b) = ramp(share);
            0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
        };
        assert!((0..=20).map(|i| brightness(f64::from(i) / 20.0)).is_sorted());
        assert_eq!(ramp(f64::INFINITY), ramp(1.0));
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("läng", 4), "läng");
        assert_eq!(cut("länger", 4), "län…");
    }
}
