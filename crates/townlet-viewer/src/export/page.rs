//! One file that plays an episode in any browser, without a server and without a network.

use std::fmt::Write;

use super::Film;
use crate::web;

/// The page that plays a film: style, program and episode in one file, which asks for nothing else.
///
/// # Panics
///
/// Never: a film has string keys and plain values only.
pub fn html(film: &Film) -> String {
    // `<` stands in strings only, where it can be written so that no browser sees a tag in it.
    let json = serde_json::to_string(film).expect("a film can be written").replace('<', "\\u003c");
    let mut page = String::with_capacity(json.len() + 100_000);
    let style = web::STYLE.body;
    let title = escape(&film.source);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        r##"<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
  <title>Townlet: {title}</title>
  <link rel="icon" href="data:,">
  <style>
{style}  </style>
</head>
<body>
  <a class="skip" href="#stage">Skip to the town</a>
  <header>
    <h1>Townlet</h1>
    <p id="connection"></p>
    <p id="headline"></p>
  </header>
  <nav id="controls" aria-label="Controls"></nav>
  <main id="stage" tabindex="-1"></main>
  <script type="application/json" id="film">{json}</script>
  <script type="module">
{program}  </script>
</body>
</html>
"##,
        program = program(),
    );
    page
}

/// All modules as one script: their imports are above them, so the lines that import can go.
fn program() -> String {
    let mut program = String::new();
    for file in web::SHARED_MODULES.iter().chain(web::OFFLINE_MODULES) {
        for line in file.body.lines().filter(|line| !line.starts_with("import ")) {
            program.push_str(line.strip_prefix("export ").unwrap_or(line));
            program.push('\n');
        }
    }
    program
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn modules_can_be_one_script() {
        let mut names = BTreeSet::new();
        let mut above: Vec<&str> = Vec::new();
        for file in web::SHARED_MODULES.iter().chain(web::OFFLINE_MODULES) {
            for line in file.body.lines() {
                if let Some(import) = line.strip_prefix("import ") {
                    let from = import.rsplit_once("\"./").unwrap().1.trim_end_matches("\";");
                    assert!(
                        above.iter().any(|path| path.ends_with(&format!("/{from}"))),
                        "{}: {line}",
                        file.path
                    );
                    assert!(!import.contains(" as "), "{}: names are the same everywhere: {line}", file.path);
                }
                let line = line.strip_prefix("export ").unwrap_or(line);
                let declared = ["function ", "const ", "let "].iter().find_map(|it| line.strip_prefix(it));
                for name in declared.into_iter().flat_map(|rest| {
                    let end = rest.find(['=', '(']).unwrap_or(rest.len());
                    rest[..end]
                        .trim()
                        .trim_matches(['[', ']', ';'])
                        .split(", ")
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                }) {
                    assert!(names.insert(name.clone()), "{} declares {name} again", file.path);
                }
            }
            above.push(file.path);
        }
        assert!(names.len() > 30 && names.contains("townPanel") && names.contains("HEIGHT"), "{names:?}");
        assert!(!program().contains("\nimport ") && !program().contains("\nexport "));
        assert!(!program().contains("</script"));
    }
}
