//! Any text as a part of a file's name.

use std::fmt::Write;

/// The most bytes, so that there is room for more around it in the 255 that file systems allow.
const MOST_BYTES: usize = 120;
/// What Windows keeps for devices, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// `text` as a part of a file's name that every system takes: the bytes that some system refuses, or that would lead
/// out of the folder, become `%` and two digits, so different texts stay different names. One that is too long ends
/// in a checksum of the whole.
///
/// ```
/// # use townlet_text::file_name;
/// assert_eq!(file_name("pomdp-shuffled"), "pomdp-shuffled");
/// assert_eq!(file_name("../a:b"), "%2E.%2Fa%3Ab");
/// ```
pub fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (index, character) in text.chars().enumerate() {
        let at_edge = index == 0 && character == '.' || index == last && matches!(character, '.' | ' ');
        let refused = "/\\:*?\"<>|%".contains(character) || crate::printable::is_harmful(character);
        if at_edge || refused {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                write!(name, "%{byte:02X}").expect("writing to a string");
            }
        } else {
            name.push(character);
        }
    }
    if name.is_empty() {
        name.push('%');
    } else if is_device(&name) {
        name.replace_range(..1, &format!("%{:02X}", name.as_bytes()[0]));
    }
    if name.len() > MOST_BYTES {
        let end = (0..=MOST_BYTES).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        let sum = checksum(&name);
        name.truncate(end);
        write!(name, "-{sum:016x}").expect("writing to a string");
    }
    name
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let word = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = stem.len() - word.len();
    DEVICES.contains(&word) && digits == usize::from(matches!(word, "com" | "lpt"))
}

/// FNV-1a: the same on every machine and in every version.
fn checksum(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_some_system_refuses_is_written_otherwise() {
        for (text, name) in [
            ("mine/v2", "mine%2Fv2"),
            ("mine%2Fv2", "mine%252Fv2"),
            ("", "%"),
            ("..", "%2E%2E"),
            ("a. ", "a.%20"),
            ("NUL.txt", "%4EUL.txt"),
            ("com1", "%63om1"),
            ("com", "com"),
            ("console", "console"),
            ("\u{1b}a", "%1Ba"),
            ("é", "é"),
        ] {
            assert_eq!(file_name(text), name);
        }
        let long = |end: &str| file_name(&format!("{}{end}", "é".repeat(200)));
        assert!(long("a") != long("b") && long("a").len() <= MOST_BYTES + 17);
    }

    proptest! {
        #[test]
        fn every_text_names_one_file_in_its_folder(text: String) {
            let name = file_name(&text);
            let parts: Vec<_> = Path::new(&name).components().collect();
            prop_assert!(matches!(parts.as_slice(), [Component::Normal(_)]), "{}", name);
        }

        #[test]
        fn different_texts_are_different_names(a in "[a./%_ ]{0,4}", b in "[a./%_ ]{0,4}") {
            prop_assert_eq!(file_name(&a) == file_name(&b), a == b);
        }
    }
}
