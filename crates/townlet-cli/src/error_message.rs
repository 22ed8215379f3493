//! An error and its causes as one message.

use townlet_text::escaped_lines;

use crate::suggest;

/// The message of an error followed by those of its causes, leaving out a cause whose words the message
/// before it already holds. Where a word is misspelt, the message says which was meant. Nothing in it controls a
/// terminal.
pub(crate) fn of(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(|cause| suggest::plainly(&cause.to_string())) {
        if message.is_empty() {
            message = cause;
        } else if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    escaped_lines(&message).into_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::of;

    #[test]
    fn causes_follow_once() {
        let error = anyhow!("no such file").context("cannot read a.toml: no such file").context("no run");
        assert_eq!(of(&error), "no run: cannot read a.toml: no such file");
        assert_eq!(of(&anyhow!("no file \u{1b}[31m:\n  a")), "no file \\u001b[31m:\n  a");
    }
}
