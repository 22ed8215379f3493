//! `townlet config`: what the settings of a run come to, and whether files of settings are right.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use toml::Table;
use townlet_env::Level;

use crate::error_message;
use crate::messages;
use crate::settings::{self, Resolved, SchemaKind, SettingsArguments};
use crate::study::Study;

/// Show settings, and check files of them
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet config show --recipe r2d2 --set learner.discount=0.99
  townlet config check mine.toml my-level.toml my-study.toml
  townlet config schema > townlet.schema.json")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Show(ShowArguments),
    Check(CheckArguments),
    Schema(SchemaArguments),
}

/// Print the settings that `townlet train` would train with, and where each is from
///
/// Takes the arguments of `townlet train`, and prints its run.toml.
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet config show
  townlet config show --config mine.toml --agents 8 --set learner.n_step=3
  townlet config show --config mine.yaml --plain")]
struct ShowArguments {
    #[command(flatten)]
    settings: SettingsArguments,

    /// Leave out where settings are from
    #[arg(long)]
    plain: bool,
}

/// Say what is wrong with files, if anything is
///
/// Reads --config files (over the recipe that they name), training files of the Python implementation (.yaml),
/// level files and study files. A fault has its file, line and key.
#[derive(Args)]
#[command(after_help = "Example: townlet config check mine.toml docs/studies/*.toml")]
struct CheckArguments {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// What the files are [default: found out for each]
    #[arg(long = "as", value_name = "KIND", value_enum)]
    kind: Option<SchemaKind>,
}

/// Print the JSON schema of a kind of file, for editors
#[derive(Args)]
#[command(after_help = "\
Example: townlet config schema level > townlet-level.schema.json

Editors that use Taplo (Even Better TOML, for example) look for the schema that the first line of a
file names:
  #:schema ./townlet-level.schema.json")]
struct SchemaArguments {
    /// The kind of file
    #[arg(value_enum, default_value_t)]
    kind: SchemaKind,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        match &self.what {
            What::Show(arguments) => arguments.run(out),
            What::Check(arguments) => arguments.run(out),
            What::Schema(arguments) => Ok(out.write_all(settings::schema(arguments.kind)?.as_bytes())?),
        }
    }
}

impl ShowArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let resolved = self.settings.resolve()?;
        for note in &resolved.notes {
            messages::note(note);
        }
        let text = if self.plain {
            toml::to_string(&resolved.config).context("cannot write the configuration as TOML")?
        } else {
            settings::show(&resolved)?
        };
        Ok(out.write_all(text.as_bytes())?)
    }
}

impl CheckArguments {
    fn run(&self, out: &mut impl Write) -> Result<()> {
        let mut faults = Vec::new();
        for file in &self.files {
            match check(file, self.kind) {
                Ok(found) => writeln!(out, "{}: fine; {found}", file.display())?,
                Err(error) => faults.push(error_message::of(&error)),
            }
        }
        match faults.as_slice() {
            [] => Ok(()),
            [fault] => bail!("{fault}"),
            faults => bail!(
                "{} of {} files have faults:\n  {}",
                faults.len(),
                self.files.len(),
                faults.join("\n  ")
            ),
        }
    }
}

/// What the file is, where nothing is wrong with it.
fn check(path: &Path, kind: Option<SchemaKind>) -> Result<String> {
    let kind = match kind {
        Some(kind) => kind,
        None => kind_of(path)?,
    };
    Ok(match kind {
        SchemaKind::Level => format!("the level {}", Level::load(path)?.name),
        SchemaKind::Study => {
            let study = Study::read(path)?;
            format!("a study (arms: {}, seeds: {})", study.num_arms(), study.num_seeds())
        }
        SchemaKind::Config => {
            let Resolved { config, notes, .. } = settings::resolve(vec![settings::read(path)?])?;
            let mut found =
                format!("settings over the recipe {}, level {}", config.recipe.name(), config.level.name);
            for note in notes {
                found += "\n  ";
                found += &note;
            }
            found
        }
    })
}

/// What a file is by the keys that only its kind has.
fn kind_of(path: &Path) -> Result<SchemaKind> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // What is no TOML is told to be none by whoever reads settings.
    let table: Table = text.parse().unwrap_or_default();
    Ok(if table.contains_key("arms") || table.contains_key("seeds") {
        SchemaKind::Study
    } else if table.contains_key("meters") || table.contains_key("affordances") {
        SchemaKind::Level
    } else {
        SchemaKind::Config
    })
}
