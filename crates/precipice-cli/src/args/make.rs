//! Arguments of the commands that train.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::values::{GraftName, parse_graft, parse_seconds};
use super::{ArithmeticArgs, MovedArgs, SaidArgs, SpecArgs, ThreadArgs, examples};

/// `run`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Run directory [default: runs/<name>-<hash8>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Go on with an unfinished run, or with a finished one that had fewer steps; starts from the beginning where there
    /// is none
    #[arg(long)]
    pub resume: bool,
    /// Compute again what is already there
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    #[command(flatten)]
    pub how: ArithmeticArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// `branch`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::BRANCH)]
pub struct BranchArgs {
    /// The run that it begins as: run directory, its name in runs/, or `latest`
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Step of that run, any that it made
    #[arg(long, value_name = "S")]
    pub at: u64,
    /// Change a field from there on, for example -s train.clip_norm=1
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set train.steps, counted from step 0 of the first parent
    #[arg(long)]
    pub steps: Option<u64>,
    /// Begin a tensor afresh: its name, a dotted prefix of names (blocks.1.attn), or one head of these
    /// (blocks.1.attn.W_Q[0])
    #[arg(long, value_name = "TENSOR")]
    pub reset: Vec<String>,
    /// Set a tensor to 0, named likewise
    #[arg(long, value_name = "TENSOR")]
    pub zero: Vec<String>,
    /// Take a tensor from a step of another run, named likewise
    #[arg(long, value_name = "RUN:STEP:TENSOR", value_parser = parse_graft)]
    pub graft: Vec<GraftName>,
    /// Run directory [default: runs/<name>-<hash8>, the name that of the parent with step and change]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// Go on with an unfinished branch, or with a finished one that had fewer steps
    #[arg(long)]
    pub resume: bool,
    /// Compute again what is already there
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    #[command(flatten)]
    pub moved: MovedArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// `reproduce`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::REPRODUCE)]
pub struct ReproduceArgs {
    /// Claims to check, for example essay-1 [default: all]
    pub ids: Vec<String>,
    /// List the claims, and how long each takes, instead of checking them
    #[arg(long)]
    pub list: bool,
    /// Smaller experiments; how long each claim takes says --list
    #[arg(long)]
    pub fast: bool,
    /// Folder of the runs, which are kept and not repeated
    #[arg(long, value_name = "DIR", default_value = "runs/reproduce")]
    pub out: PathBuf,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// `bench`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::BENCH)]
pub struct BenchArgs {
    /// Timed tasks (copying, copying-small, wide-8, wide-8-mlp, wide-16, wide-32,
    /// heads-2, blocks-2, blocks-4, class-8, class-32, class-novel), other built-in
    /// specs, or TOML files [default: all timed tasks]
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// Numbers of threads to time with
    #[arg(long, value_name = "T,T", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Vec<u16>,
    /// Rounds, of which the median counts; in each the best matrix product of this
    /// machine is timed beside the steps, and `limit` is their share of it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Seconds of each round
    #[arg(long, default_value_t = 1.0, value_parser = parse_seconds)]
    pub seconds: f64,
    /// Say which form of the network is computed and what it saves
    #[arg(long)]
    pub plan: bool,
    /// Say where the time of a step goes instead, by stage and kernel, on one thread
    #[arg(long, conflicts_with_all = ["threads", "rounds", "plan", "growth"])]
    pub profile: bool,
    /// Time how the cost grows with context, width, batch and threads instead, and draw it
    #[arg(long, conflicts_with_all = ["tasks", "threads", "plan"])]
    pub growth: bool,
    /// Figure of --growth, .svg, .png or .pdf
    #[arg(short, long, value_name = "FILE", default_value = "cost-growth.svg", requires = "growth")]
    pub output: PathBuf,
    /// Replace that figure
    #[arg(long, requires = "growth")]
    pub force: bool,
    /// Print a JSON array instead of text
    #[arg(long)]
    pub json: bool,
}
