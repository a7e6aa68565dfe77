//! Arguments of what shells and manuals are told by.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::Shell;

use super::examples;

/// `completions`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `man`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::MAN)]
pub struct ManArgs {
    /// Folder for a page of every subcommand
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace pages that are there
    #[arg(long, requires = "out")]
    pub force: bool,
}
