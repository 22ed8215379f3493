//! Words as a shell reads them.

use std::path::Path;

/// A path that can be pasted into a shell, whatever bytes are in it.
pub(crate) fn quoted(path: &Path) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:\\".contains(c);
    match path.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => byte_by_byte(path),
    }
}

/// A path with bytes that cannot be shown, as `$'...'`, which bash, zsh and ksh read.
#[cfg(unix)]
fn byte_by_byte(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;

    let escaped: String = path
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|&byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(not(unix))]
fn byte_by_byte(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_is_quoted() {
        assert_eq!(quoted(Path::new("runs/first")), "runs/first");
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_cannot_be_shown_can_be_pasted() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let path = Path::new(OsStr::from_bytes(b"bad\xffname"));
        assert_eq!(quoted(path), r"$'bad\xffname'");
        assert_eq!(quoted(Path::new("a\u{1b}'b")), r"$'a\x1b\'b'");
    }
}
