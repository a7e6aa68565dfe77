//! `precipice completions` and `precipice man`: what shells and manuals are told, from the arguments themselves.

use std::fs;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use precipice_lab::store::output;

use crate::Ending;
use crate::args::{Args, CompletionsArgs, ManArgs};
use crate::output::{put, say};

pub fn completions(args: CompletionsArgs) -> anyhow::Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "precipice", &mut script);
    put("-".as_ref(), &script, false)?;
    Ok(Ending::Done)
}

pub fn man(args: ManArgs) -> anyhow::Result<Ending> {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = args.out else {
        put("-".as_ref(), &page(&command)?, false)?;
        return Ok(Ending::Done);
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, bytes) in pages(&command)? {
        let path = folder.join(name);
        output::write(&path, &bytes, args.force)?;
        say(&path.display().to_string())?;
    }
    Ok(Ending::Done)
}

/// The page of a command.
fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Man::new(command.clone()).render(&mut bytes)?;
    Ok(bytes)
}

/// Pages of a command and of all below it, with their files' names.
fn pages(command: &Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut all = vec![(format!("{name}.1"), page(command)?)];
    for inner in command.get_subcommands() {
        all.extend(pages(inner)?);
    }
    Ok(all)
}
