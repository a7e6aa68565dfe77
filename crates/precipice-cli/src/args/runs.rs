//! Arguments of the commands that look after the runs there are.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use precipice_lab::inventory::Condition;

use super::{MovedArgs, SaidArgs, ThreadArgs, examples};

/// `runs`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::RUNS, args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
    /// What to do instead of listing them.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    #[command(flatten)]
    pub list: ListArgs,
}

/// What is done with runs; a folder of one of these names is listed as `./rm`.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Remove runs: what they wrote, and nothing else
    Rm(RmArgs),
    /// Remove checkpoints that replay makes again: of finished runs all but the first and the last
    Gc(GcArgs),
}

/// Which runs are listed, and how.
#[derive(Debug, ClapArgs)]
pub struct ListArgs {
    /// Folder whose runs, and those of the folders in it, are listed [default: runs]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    pub chosen: WhereArgs,
    /// Sort by a field, what has none last [default: by path]
    #[arg(long, value_name = "FIELD")]
    pub sort: Option<String>,
    /// The other way round
    #[arg(long)]
    pub reverse: bool,
    /// Print a JSON array with all that is known instead of text
    #[arg(long)]
    pub json: bool,
}

/// Which runs are meant.
#[derive(Debug, ClapArgs)]
pub struct WhereArgs {
    /// Only runs of which this is true: a field, = != < <= > >= or ~ (contains), and a value, for example 't50<3000'; of
    /// several all must be. Fields: path, name, hash, outcome, t50, steps, digest, parent, size (10MB), age (2h), …,
    /// final.COLUMN, and those of the spec by their path, as train.steps
    #[arg(long = "where", value_name = "EXPR", value_parser = condition)]
    pub conditions: Vec<Condition>,
}

fn condition(text: &str) -> Result<Condition, String> {
    Condition::parse(text).map_err(|problem| problem.to_string())
}

/// `runs rm`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::RUNS_RM)]
pub struct RmArgs {
    /// Run directories, their names in runs/, or `latest`; with --where also folders whose runs are meant, for example runs
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub chosen: WhereArgs,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Remove runs of a sweep, too
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `runs gc`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::RUNS_GC)]
pub struct GcArgs {
    /// Run directories, their names in runs/, `latest`, or folders whose runs are meant [default: runs]
    #[arg(value_name = "RUN|DIR")]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub chosen: WhereArgs,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `certify`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::CERTIFY)]
pub struct CertifyArgs {
    /// Run directories, their names in runs/, or `latest`; all must be finished
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Steps whose parameters are certified, besides the end [default: the start, and before, in and after the jump]
    #[arg(long, value_name = "STEP,...", value_delimiter = ',')]
    pub steps: Option<Vec<u64>>,
    /// Replace the file
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}
