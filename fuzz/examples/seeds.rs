//! Writes the inputs of the corpus that follow from the code: run it in the root of the repository after a format has
//! changed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use townlet_env::trace::TraceWriter;
use townlet_env::{Layout, Level, Town, VectorEnv, random_allowed, stream};

fn main() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a package has a folder")?;
    for name in Level::builtin_names() {
        let level = Level::builtin(name)?;
        put(&corpus, "level", &format!("{name}.toml"), level.to_toml().as_bytes())?;
        put(&corpus, "trace", &format!("{name}.jsonl"), &trace(&level)?)?;
    }
    let files = [
        ("settings", "crates/townlet-cli/recipes"),
        ("training_file", "crates/townlet-cli/tests/data"),
        ("study", "docs/studies"),
    ];
    for (target, folder) in files {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            let name = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
            let wanted = if target == "training_file" { ".yaml" } else { ".toml" };
            if name.ends_with(wanted) {
                put(&corpus, target, &name, without_comments(&fs::read_to_string(path)?).as_bytes())?;
            }
        }
    }
    Ok(())
}

fn put(corpus: &Path, target: &str, name: &str, contents: &[u8]) -> Result<()> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), contents)?)
}

/// Mutations of comments find nothing.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Two short episodes in a level.
fn trace(level: &Level) -> Result<Vec<u8>> {
    let level = Level { step_limit: 5, ..level.clone() };
    let shuffled = level.layout == Layout::Shuffled;
    let mut town = Town::new(level, 1)?;
    let mut trace = TraceWriter::new(Vec::new(), town.level(), "random")?;
    let episodes = if shuffled { 3 } else { 2 };
    for episode in 0..episodes {
        trace.begin(&format!("episode {episode}"), &town, 0)?;
        for step in 0..5 {
            let mut rng = stream(episode, "seeds", 0, step);
            let action = random_allowed(town.action_masks(), &mut rng);
            town.step(&[action])?;
            if !trace.step(&town, action)? {
                break;
            }
        }
    }
    Ok(trace.into_inner()?)
}
