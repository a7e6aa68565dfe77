//! Arguments of the commands that read what is there.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::values::{Drawn, StepRange, Steps, kinds, kinds_help, parse_head, parse_range, parse_steps};
use super::{MovedArgs, SaidArgs, SpecArgs, ThemeArgs, ThreadArgs, examples};

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
    /// Step to look at, any that the run made; from one that is not stored it is replayed [default: the last stored]
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
    /// Run directory, its name in runs/, or `latest`; or folder of a sweep. Where the directory is not there yet, it is waited for
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
    /// draws up to six in one figure; `twins` takes two and needs -o
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
    /// Steps that attention and contexts show, any that the run made [default: stored ones before, in and after the jump]
    #[arg(long = "step", value_name = "STEP,...", value_delimiter = ',')]
    pub steps: Vec<u64>,
    #[command(flatten)]
    pub page: ThemeArgs,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    #[command(flatten)]
    pub said: SaidArgs,
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
    /// Steps whose parameters (one) or contexts (several, or `all` that are stored) to export; any that the run made
    /// [default: the last stored]
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
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `at`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::AT)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["step", "steps"]))]
pub struct AtArgs {
    /// Run directory, its name in runs/, or `latest`
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Any step that the run made: from the nearest one that is stored it is replayed
    #[arg(long, value_name = "S")]
    pub step: Option<u64>,
    /// A film: steps A, A + K ... up to B, in one pass
    #[arg(long, value_name = "A..B:K", value_parser = parse_range)]
    pub steps: Option<StepRange>,
    /// File to write, .npz or .safetensors, or - for npz on standard output [default: in the current folder
    /// <name>-<hash8>-at-<step>.npz, of a film <name>-<hash8>-at-<first>-<last>.npz]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How many contexts the network is shown, the first of the set [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    pub sequences: Option<u32>,
    /// Evaluation set of the contexts, named as its columns begin, or main [default: the set that `probe` looks at]
    #[arg(long, value_name = "SET")]
    pub on: Option<String>,
    /// Replace the file
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
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
    /// Run directories, their names in runs/, or `latest`; or files of certificates
    #[arg(required = true, value_name = "RUN|FILE")]
    pub runs: Vec<PathBuf>,
    /// Of certificates only the runs of these names
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}

/// `diff`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::DIFF)]
pub struct DiffArgs {
    /// Run directory, its name in runs/, or `latest`; finished or not
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The run that is held against it
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Draw both progress curves, and below their difference, into this file, .svg, .png or .pdf (as `figure twins` does)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file that -o names
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub threads: ThreadArgs,
    #[command(flatten)]
    pub moved: MovedArgs,
    #[command(flatten)]
    pub said: SaidArgs,
}
