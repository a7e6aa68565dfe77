//! What can be typed.

mod examples;
mod theory;

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use precipice_figures::Theme;
use precipice_lab::input::built_in::{BUILT_IN_SWEEPS, BUILT_INS};
use precipice_lab::run_figures::Kind;
use precipice_lab::runs::threads;
use precipice_lab::sweep::{self, Axis, SweepKind};
use precipice_num::Arithmetic;

pub use theory::{
    ContextArgs, DescentArgs, FitArgs, FlowArgs, LandscapeArgs, LossArgs, OverArg, ParameterArg, RegressionArgs,
    ScalingArgs, TheoryCommand,
};

/// A laboratory for the abrupt emergence of in-context learning.
#[derive(Debug, Parser)]
#[command(name = "precipice", version, propagate_version = true, max_term_width = 80)]
#[command(after_help = "Exit codes: 0 done; 1 the work ran and failed its check, diverged or was stopped; \
                        2 wrong usage, bad input, or the system refused.")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train one network: watch the plateau, the jump, and the induction head
    Run(RunArgs),
    /// List the built-in experiments
    Specs(SpecsArgs),
    /// Print a spec with every default filled in
    Show(ShowArgs),
    /// The three nested soft-maxes: loss, gradient flow over the cliff, landscape, scaling laws
    Theory {
        /// What of the theory.
        #[command(subcommand)]
        command: TheoryCommand,
    },
    /// Look inside a trained network: attention, nine interactions, order parameters; of regression, gradient descent
    Probe(ProbeArgs),
    /// Follow a run or a sweep that goes on, from another terminal
    Watch(WatchArgs),
    /// Draw a figure of stored runs
    Figure(FigureArgs),
    /// Write a run's rows or tensors for other tools
    Export(ExportArgs),
    /// Run a finished run again and compare bits
    Verify(VerifyArgs),
    /// Train many networks: a grid over any fields times seeds, resumable run by run
    Sweep(SweepArgs),
    /// Check claims of the literature by running them
    Reproduce(ReproduceArgs),
    /// Time training steps: steps per second, operations, share of this machine's limit
    Bench(BenchArgs),
    /// Print what makes a shell complete commands, options and names
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all subcommands
    Man(ManArgs),
}

/// Which spec, and what to change in it.
#[derive(Debug, ClapArgs)]
pub struct SpecArgs {
    /// Built-in name (see `precipice specs`) or path of a TOML file
    #[arg(default_value = "copying", value_parser = SpecName { has_sweeps: false }, hide_possible_values = true)]
    pub spec: String,
    /// Override a field, for example -s task.copying.n_labels=16. It counts more than --seed and --steps, and the later
    /// of two for one field more than the earlier
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set all four seeds; -s seeds.data=3 on top of it sets one
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Set train.steps; -s train.steps=N counts more
    #[arg(long)]
    pub steps: Option<u64>,
}

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
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
}

/// Where the items of a stored run are now.
#[derive(Debug, ClapArgs)]
pub struct MovedArgs {
    /// File of the run's items, if it has been moved; its content must be the same
    #[arg(long, value_name = "PATH")]
    pub items: Option<PathBuf>,
}

/// How a new run computes.
#[derive(Debug, ClapArgs)]
pub struct ArithmeticArgs {
    /// Arithmetic of a new run: fused (as this processor has it, faster) or portable (the same on every processor)
    /// [default: what this processor has]
    #[arg(long, value_name = "KIND", value_parser = arithmetics(), hide_possible_values = true)]
    pub arithmetic: Option<Arithmetic>,
}

/// The page that a figure is made for.
#[derive(Debug, ClapArgs)]
pub struct ThemeArgs {
    /// Page of the figure: light, dark or transparent (the light colors without a page)
    #[arg(long, value_name = "THEME", default_value = "light", value_parser = themes(), hide_possible_values = true)]
    pub theme: Theme,
}

/// Number of threads.
#[derive(Debug, ClapArgs)]
pub struct ThreadArgs {
    /// Threads; the result does not depend on them [default: all cores, at most 8]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl ThreadArgs {
    /// More than a batch has shards would have nothing to do.
    pub fn count(&self) -> usize {
        self.threads.map_or_else(threads::available, |n| usize::from(n).min(threads::THREADS_MAX))
    }
}

/// `specs`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SPECS)]
pub struct SpecsArgs {
    /// Print a JSON array instead of text
    #[arg(long)]
    pub json: bool,
}

/// `show`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SHOW)]
pub struct ShowArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Print JSON instead of TOML
    #[arg(long)]
    pub json: bool,
}

/// `probe`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::PROBE)]
pub struct ProbeArgs {
    /// Run directory, its name in runs/, or `latest`
    pub run: PathBuf,
    /// Checkpoint to look at [default: the last]
    #[arg(long)]
    pub step: Option<u64>,
    /// Heads to take out, each by itself, numbered from 0: accuracy with the head's output replaced by nothing, and by
    /// its mean
    #[arg(long = "ablate", value_name = "LAYER:HEAD,...", value_delimiter = ',', value_parser = parse_head)]
    pub ablate: Vec<(usize, usize)>,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `watch`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::WATCH)]
pub struct WatchArgs {
    /// Run directory, its name in runs/, or `latest`; or folder of a sweep. Where there is none yet, it is waited for
    pub run: PathBuf,
    /// Print how far it is and end, as where standard output is no terminal
    #[arg(long)]
    pub once: bool,
}

/// `figure`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::FIGURE)]
pub struct FigureArgs {
    /// What to draw
    #[arg(value_parser = kinds(), value_name = "KIND", help = kinds_help(), hide_possible_values = true)]
    pub kind: Drawn,
    /// Run directories, their names in runs/, or `latest`; of ensemble, phase-diagram and dependence the folder of a
    /// sweep. `argument` takes one run and trains its companion with L = N beside it, or both; `learning-curve` with -o
    /// draws up to six in one figure
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// File to write, .svg, .png or .pdf, or - for SVG on standard output [default: RUN/figures/KIND.svg, of a sweep
    /// SWEEP/KIND.svg]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file that -o names
    #[arg(long)]
    pub force: bool,
    /// Heads that attention shows, a row each, numbered from 0 as in `probe` [default: all of up to
    /// eight, else the leading one of each layer]
    #[arg(long = "head", value_name = "LAYER.HEAD,...", value_delimiter = ',', value_parser = parse_head)]
    pub heads: Vec<(usize, usize)>,
    /// Stored steps that attention and contexts show [default: before, in and after the jump]
    #[arg(long = "step", value_name = "STEP,...", value_delimiter = ',')]
    pub steps: Vec<u64>,
    #[command(flatten)]
    pub page: ThemeArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

fn parse_head(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once(['.', ':']).and_then(|(layer, head)| Some((layer.parse().ok()?, head.parse().ok()?)));
    numbers.ok_or_else(|| "expected LAYER:HEAD, for example 0:1".to_owned())
}

/// A figure of runs or of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Of runs.
    Run(Kind),
    /// Of a sweep.
    Sweep(SweepKind),
}

fn kinds_help() -> String {
    let (runs, sweeps) = (Kind::ALL.map(Kind::name).join(", "), SweepKind::ALL.map(SweepKind::name).join(", "));
    format!("What to draw: {runs}; of the folder of a sweep {sweeps}")
}

/// The name of a spec, of which a shell completes those that are built in, or a path.
#[derive(Clone)]
struct SpecName {
    has_sweeps: bool,
}

impl TypedValueParser for SpecName {
    type Value = String;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&clap::Arg>, text: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, text)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let sweeps = BUILT_IN_SWEEPS.iter().filter(|_| self.has_sweeps);
        Some(Box::new(BUILT_INS.iter().chain(sweeps).map(|(name, _)| PossibleValue::new(*name))))
    }
}

/// Names that a shell completes, and of which the nearest is named.
fn one_of<T: Copy + Send + Sync + 'static>(known: Vec<(&'static str, T)>) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(known.iter().map(|(name, _)| *name)).try_map(move |text| {
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.ok_or("expected one of these names")
    })
}

fn kinds() -> impl TypedValueParser<Value = Drawn> {
    let runs = Kind::ALL.map(|kind| (kind.name(), Drawn::Run(kind)));
    let sweeps = SweepKind::ALL.map(|kind| (kind.name(), Drawn::Sweep(kind)));
    one_of(runs.into_iter().chain(sweeps).collect())
}

fn themes() -> impl TypedValueParser<Value = Theme> {
    one_of(Theme::ALL.map(|theme| (theme.name(), theme)).to_vec())
}

fn arithmetics() -> impl TypedValueParser<Value = Arithmetic> {
    one_of([Arithmetic::Fused, Arithmetic::Portable].map(|kind| (kind.name(), kind)).to_vec())
}

/// `export`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::EXPORT)]
pub struct ExportArgs {
    /// Run directory, its name in runs/, or `latest`; or folder of a sweep
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Rows as parquet, csv or npz; contexts as npz; parameters of a run as safetensors
    #[arg(long, value_enum)]
    pub to: ExportFormat,
    /// Checkpoints whose parameters (one) or contexts (several, or `all`) to export [default: the last]
    #[arg(long, value_name = "STEP,...", value_parser = parse_steps)]
    pub step: Option<Steps>,
    /// Instead of the rows: contexts of an evaluation set with items, labels, answers, and the logits and the attention
    /// of every layer and head at each --step (npz)
    #[arg(long, conflicts_with = "curves")]
    pub contexts: bool,
    /// How many contexts, the first of the set [default: 100]
    #[arg(long, value_name = "S", requires = "contexts", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub sequences: Option<u32>,
    /// Evaluation set of the contexts, named as its columns begin, or main [default: the set that `probe` looks at]
    #[arg(long, value_name = "SET", requires = "contexts")]
    pub on: Option<String>,
    /// Of a sweep: the rows of all its logs with run, swept fields and seed, instead of one row a run
    #[arg(long)]
    pub curves: bool,
    /// File to write, or - for standard output [default: in the current folder <name>-<hash8>.<format>, with
    /// -step-<step> before the point for parameters and -contexts for contexts; of a sweep <folder>.<format> or
    /// <folder>-curves.<format>]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Checkpoints that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Every one that is stored.
    All,
    /// These.
    These(Vec<u64>),
}

fn parse_steps(text: &str) -> Result<Steps, String> {
    if text == "all" {
        return Ok(Steps::All);
    }
    let steps: Option<Vec<u64>> = text.split(',').map(|step| step.trim().parse().ok()).collect();
    steps.map(Steps::These).ok_or_else(|| "expected steps, for example 0,600, or all".to_owned())
}

/// Formats of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Rows, opens in pandas, polars, DuckDB
    Parquet,
    /// Rows as text
    Csv,
    /// Rows or contexts as NumPy arrays
    Npz,
    /// Parameters and label vectors, opens with the safetensors package
    Safetensors,
}

impl ExportFormat {
    /// File extension.
    pub fn extension(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Csv => "csv",
            ExportFormat::Npz => "npz",
            ExportFormat::Safetensors => "safetensors",
        }
    }
}

/// `verify`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::VERIFY)]
pub struct VerifyArgs {
    /// Run directory, its name in runs/, or `latest`
    pub run: PathBuf,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
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
    /// Print a JSON array instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
}

/// `sweep`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::SWEEP)]
pub struct SweepArgs {
    /// Built-in sweep or spec (see `precipice specs`), or path of a sweep file or a spec
    #[arg(default_value = "copying", value_parser = SpecName { has_sweeps: true }, hide_possible_values = true)]
    pub spec: String,
    /// The smaller settings that a sweep file has for a first look
    #[arg(long)]
    pub fast: bool,
    /// A field and its values, for example -g task.copying.n_labels=16,32,64; repeat it for a grid. Fields that go
    /// together: -g task.copying.n_exemplars,task.copying.n_labels=[4,16],[8,32]. Replaces the values that a sweep file
    /// has for the field
    #[arg(short = 'g', long = "grid", value_name = "KEY=V1,V2", value_parser = Axis::parse)]
    pub grid: Vec<Axis>,
    /// Override a field of every run, on top of what a sweep file sets and of --steps; not one that is swept
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set train.steps
    #[arg(long)]
    pub steps: Option<u64>,
    /// Seeds of every point of the grid: 0..31 (with both ends), or 0,3,7 [default: those of the sweep file, or 0..7]
    #[arg(long, value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Runs at a time [default: all cores]
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Folder of the runs and the table [default: runs/sweep-<name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub how: ArithmeticArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// No progress display
    #[arg(short, long)]
    pub quiet: bool,
}

/// Seeds of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    sweep::parse_seeds(text).map(Seeds)
}

/// `bench`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::BENCH)]
pub struct BenchArgs {
    /// Timed tasks (copying, copying-small, wide-8, wide-8-mlp, wide-16, wide-32,
    /// class-8, class-32, class-novel), other built-in specs, or TOML
    /// files [default: all timed tasks]
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// Numbers of threads to time with
    #[arg(long, value_name = "T,T", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Vec<u16>,
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Seconds of each round
    #[arg(long, default_value_t = 1.0, value_parser = parse_seconds)]
    pub seconds: f64,
    /// Say which form of the network is computed and what it saves
    #[arg(long)]
    pub plan: bool,
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

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("expected seconds above 0 and at most 3600".to_owned()),
    }
}

#[cfg(test)]
#[path = "../tests/documents/collect.rs"]
mod collect;

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Error, Parser};

    use super::Args;
    use super::collect::{documents, words};

    /// Names and defaults of every subcommand agree with each other.
    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }

    /// What a document tells to type is understood, whether or not a test has the time to run it.
    #[test]
    fn commands_in_the_documents_are_understood() {
        let (mut n_commands, mut failed) = (0, Vec::new());
        for document in documents() {
            let lines = document.blocks.iter().filter(|block| block.info.starts_with("sh"));
            let lines = lines.flat_map(|block| &block.lines).filter(|line| line.starts_with("precipice"));
            for command in lines.chain(&document.inline) {
                // Names in capitals stand for something, a single letter for a number.
                let meant = |word: String| match &*word {
                    "COMMAND" => "run".to_owned(),
                    "KIND" => "attention".to_owned(),
                    _ if word.len() == 1 && word.chars().all(|c| c.is_ascii_uppercase()) => "1".to_owned(),
                    _ => word,
                };
                // In text a command may stand without what has to follow it.
                let is_wrong = |error: &Error| error.use_stderr() && error.kind() != ErrorKind::MissingRequiredArgument;
                let error = Args::try_parse_from(words(command).into_iter().map(meant)).err().filter(is_wrong);
                failed.extend(error.map(|error| format!("{}: {command}\n{error}", document.name)));
                n_commands += 1;
            }
        }
        assert!(n_commands > 50 && failed.is_empty(), "{n_commands}\n{}", failed.join("\n"));
    }
}
