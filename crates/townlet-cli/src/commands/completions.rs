//! `townlet completions`: what a shell needs to complete commands.

use std::io::Write;

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// Print a script that completes commands and flags in a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet completions bash > ~/.local/share/bash-completion/completions/townlet
  townlet completions zsh > ~/.zfunc/_townlet
  townlet completions fish > ~/.config/fish/completions/townlet.fish")]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Arguments {
    /// `program` is the whole command line.
    pub(crate) fn run(&self, mut program: Command, out: &mut impl Write) -> Result<()> {
        // Into memory first: the generator panics where a reader leaves.
        let mut script = Vec::new();
        generate(self.shell, &mut program, "townlet", &mut script);
        Ok(out.write_all(&script)?)
    }
}
