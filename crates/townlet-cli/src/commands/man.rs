//! `townlet man`: manual pages.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;

/// Print the manual page of the program, or write one for each command
#[derive(Args)]
#[command(after_help = "\
Examples:
  townlet man | man -l -
  townlet man --out ~/.local/share/man/man1")]
pub(crate) struct Arguments {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// `program` is the whole command line.
    pub(crate) fn run(&self, program: Command, out: &mut impl Write) -> Result<()> {
        let pages = pages(program)?;
        let Some(directory) = &self.out else {
            return Ok(out.write_all(&pages[0].1)?);
        };
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, page) in &pages {
            let file = directory.join(name);
            townlet_files::write(&file, page)?;
        }
        writeln!(out, "{} holds {} manual pages, from townlet.1 on.", directory.display(), pages.len())?;
        Ok(())
    }
}

/// The file name and the text of every page, that of the program first.
fn pages(mut program: Command) -> Result<Vec<(String, Vec<u8>)>> {
    program.build();
    let mut pages = Vec::new();
    let mut commands = vec![&program];
    while let Some(command) = commands.pop() {
        if command.get_name() == "help" {
            continue;
        }
        let man = Man::new(command.clone());
        let mut page = Vec::new();
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
        commands.extend(command.get_subcommands().collect::<Vec<_>>().into_iter().rev());
    }
    Ok(pages)
}
