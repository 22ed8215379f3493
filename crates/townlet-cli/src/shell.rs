//! Words as a shell reads them.

/// A path that can be pasted into a shell.
pub(crate) fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:\\".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_with_a_space_is_quoted() {
        assert_eq!(quoted("runs/first"), "runs/first");
        assert_eq!(quoted("my runs/it's"), r"'my runs/it'\''s'");
    }
}
