//! The YAML of a training file: sections of keys with one value each, and the line of everything.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use townlet_text::printable;

/// How deep sections may lie in one another.
const MAX_DEPTH: usize = 16;

/// What stands after a key.
#[derive(Debug)]
pub(super) enum Node {
    /// One value. Only a plain one, without quotes, can be a number or a truth.
    Scalar { text: String, plain: bool },
    /// Keys with values.
    Section(Vec<Entry>),
    /// A list, of which no setting is one.
    List,
}

/// A key and what stands after it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) node: Node,
}

/// The entries of the only document of a text.
///
/// # Errors
///
/// Where the text is no YAML, says a key twice, or is anything but sections: with file and line.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Entry>> {
    let mut reader = Reader { path, events: Parser::new_from_str(text), line: 1 };
    loop {
        match reader.next()? {
            None | Some(Event::StreamEnd) => return Ok(Vec::new()),
            Some(Event::StreamStart | Event::DocumentStart(_)) => {}
            Some(Event::MappingStart(..)) => break,
            // An empty file.
            Some(Event::Scalar(text, ScalarStyle::Plain, ..)) if text.is_empty() || text == "~" => {
                return Ok(Vec::new());
            }
            Some(_) => return Err(reader.fault("expected sections such as `population:`")),
        }
    }
    let entries = reader.section(0)?;
    while let Some(event) = reader.next()? {
        if matches!(event, Event::DocumentStart(_)) {
            return Err(reader.fault("a second document begins here; expected one in a file"));
        }
    }
    Ok(entries)
}

struct Reader<'a, I> {
    path: &'a Path,
    events: I,
    line: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Reader<'a, I> {
    fn next(&mut self) -> Result<Option<Event<'a>>> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(Some(event))
            }
            Some(Err(error)) => {
                bail!("{}:{}: {}", self.path.display(), error.marker().line(), error.info())
            }
        }
    }

    fn fault(&self, message: &str) -> anyhow::Error {
        anyhow!("{}:{}: {message}", self.path.display(), self.line)
    }

    /// The entries of a section that has begun.
    fn section(&mut self, depth: usize) -> Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let key = match self.next()? {
                Some(Event::MappingEnd) => return Ok(entries),
                Some(Event::Scalar(key, ..)) => key.into_owned(),
                _ => return Err(self.fault("expected a key that is a word")),
            };
            let line = self.line;
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                return Err(self.fault(&format!(
                    "{}: was said in line {} already",
                    printable(&key),
                    first.line
                )));
            }
            let node = self.node(&key, depth)?;
            entries.push(Entry { key, line, node });
        }
    }

    fn node(&mut self, key: &str, depth: usize) -> Result<Node> {
        if depth == MAX_DEPTH {
            return Err(self.fault(&format!("{}: lies in more than {MAX_DEPTH} sections", printable(key))));
        }
        match self.next()? {
            Some(Event::Scalar(text, style, ..)) => {
                Ok(Node::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain })
            }
            Some(Event::MappingStart(..)) => Ok(Node::Section(self.section(depth + 1)?)),
            Some(Event::SequenceStart(..)) => {
                let mut open = 1;
                while open > 0 {
                    match self.next()? {
                        Some(Event::SequenceStart(..)) => open += 1,
                        Some(Event::SequenceEnd) => open -= 1,
                        Some(_) => {}
                        None => break,
                    }
                }
                Ok(Node::List)
            }
            _ => {
                let key = printable(key);
                Err(self.fault(&format!("{key}: expected a value; references to other places are not read")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse(Path::new("a.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn keys_have_lines_and_values() {
        let text =
            "# A file.\npopulation:\n  num_agents: 3 # Many.\n  name: \"3\"\n\nlist: [1, [2]]\nempty:\n";
        let entries = parse(Path::new("a.yaml"), text).unwrap();
        let lines: Vec<(&str, usize)> =
            entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("population", 2), ("list", 6), ("empty", 7)]);
        let Node::Section(population) = &entries[0].node else { panic!("{entries:?}") };
        assert_eq!((population[0].key.as_str(), population[0].line), ("num_agents", 3));
        assert!(matches!(&population[0].node, Node::Scalar { text, plain: true } if text == "3"));
        assert!(matches!(&population[1].node, Node::Scalar { text, plain: false } if text == "3"));
        assert!(matches!(entries[1].node, Node::List));
        assert!(parse(Path::new("a.yaml"), "").unwrap().is_empty());
        assert!(parse(Path::new("a.yaml"), "# Nothing.\n---\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_training_file_is_refused_with_its_line() {
        assert_eq!(fault("a: 1\nb: 2\na: 3\n"), "a.yaml:3: a: was said in line 1 already");
        assert_eq!(fault("- 1\n- 2\n"), "a.yaml:1: expected sections such as `population:`");
        assert_eq!(
            fault("a: 1\n---\nb: 1\n"),
            "a.yaml:2: a second document begins here; expected one in a file"
        );
        assert!(fault("a: &x 1\nb: *x\n").starts_with("a.yaml:2: b: expected a value"));
        assert!(fault("a: [1\nb: }\n").starts_with("a.yaml:"));
        let deep = (0..40).fold(String::new(), |text, depth| format!("{text}{}a:\n", " ".repeat(depth)));
        assert!(fault(&deep).contains("lies in more than 16 sections"));
    }
}
