//! What can be typed after `theory`.

use super::examples;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use precipice::theory::Parameter;

use super::ThemeArgs;

/// `theory`
#[derive(Debug, Subcommand)]
pub enum TheoryCommand {
    /// Loss, p(correct), attention, gradient and Hessian at (beta, alpha, xi)
    Loss(LossArgs),
    /// Follow the gradient flow: t50, the edge of the cliff, the trajectory
    Flow(FlowArgs),
    /// Descend in steps of finite size, with noise if wanted
    Descent(DescentArgs),
    /// The surface over two parameters, with the flow on it: figure, rows or JSON
    Landscape(LandscapeArgs),
    /// When the cliff comes, against N, L or the readout's start, with fitted and derived exponents
    Scaling(ScalingArgs),
    /// In-context linear regression: closed forms of a spec's task, steps of descent, GD++, ridge
    Regression(RegressionArgs),
    /// Fit the formula's time scales to a stored run, and foretell its jump from before it
    Fit(FitArgs),
}

/// The context that the theory is about.
#[derive(Debug, ClapArgs)]
pub struct ContextArgs {
    /// Item-label pairs in the context
    #[arg(long, value_name = "N")]
    pub n: usize,
    /// Labels in all, at least N / B
    #[arg(long, value_name = "L")]
    pub labels: usize,
    /// Copies of the query's class in the context; divides N
    #[arg(long, value_name = "B", default_value_t = 1)]
    pub burstiness: usize,
    /// Within-class noise
    #[arg(long, value_name = "EPS", default_value_t = 0.0)]
    pub noise: f64,
    /// Preference of layer 2 for label tokens (beta_2); 0 in the three-parameter model
    #[arg(long, value_name = "B2", default_value_t = 0.0, allow_negative_numbers = true)]
    pub label_strength: f64,
}

/// A point that a path starts from.
#[derive(Debug, ClapArgs)]
pub struct StartArgs {
    /// Where it starts
    #[arg(
        long,
        value_name = "B,A,X",
        value_delimiter = ',',
        num_args = 1,
        default_value = "0,0,0",
        allow_hyphen_values = true
    )]
    pub start: Vec<f64>,
    /// Parameters that stand still
    #[arg(long, value_delimiter = ',')]
    pub freeze: Vec<ParameterArg>,
}

/// A parameter by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ParameterArg {
    /// Position-position strength, layer 1
    Beta,
    /// Content-buffer strength, layer 2
    Alpha,
    /// Label-readout overlap
    Xi,
}

impl From<ParameterArg> for Parameter {
    fn from(arg: ParameterArg) -> Self {
        match arg {
            ParameterArg::Beta => Parameter::Beta,
            ParameterArg::Alpha => Parameter::Alpha,
            ParameterArg::Xi => Parameter::Xi,
        }
    }
}

/// `theory loss`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_LOSS)]
pub struct LossArgs {
    #[command(flatten)]
    pub context: ContextArgs,
    /// Position-position strength, layer 1
    #[arg(long, allow_negative_numbers = true)]
    pub beta: f64,
    /// Content-buffer strength, layer 2
    #[arg(long, allow_negative_numbers = true)]
    pub alpha: f64,
    /// Label-readout overlap
    #[arg(long, allow_negative_numbers = true)]
    pub xi: f64,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `theory regression`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_REGRESSION)]
pub struct RegressionArgs {
    /// Built-in name or TOML file of the regression task
    #[arg(default_value = "regression")]
    pub spec: String,
    /// Override any field, for example task.regression.noise=0.25
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Steps of descent to report
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_value = "1,2,3,5,10")]
    pub steps: Vec<usize>,
    /// Contexts whose spectra are averaged over
    #[arg(long, value_name = "M", default_value_t = 8000)]
    pub contexts: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `theory flow`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_FLOW)]
pub struct FlowArgs {
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub start: StartArgs,
    /// How fast each parameter moves down its gradient
    #[arg(long, value_name = "B,A,X", value_delimiter = ',', num_args = 1, default_value = "1,1,1")]
    pub rates: Vec<f64>,
    /// Lead a parameter instead, linearly through time:value points, for example xi=0:0,50:4
    #[arg(long, value_name = "NAME=T:V,T:V", value_parser = parse_schedule)]
    pub schedule: Vec<(ParameterArg, Vec<(f64, f64)>)>,
    /// When it ends
    #[arg(long, value_name = "T", default_value_t = 1e6)]
    pub until: f64,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `theory descent`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_DESCENT)]
pub struct DescentArgs {
    #[command(flatten)]
    pub context: ContextArgs,
    #[command(flatten)]
    pub start: StartArgs,
    /// Learning rate of all parameters
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub learning_rate: f64,
    /// Standard deviation of the noise in each gradient
    #[arg(long, value_name = "SD", default_value_t = 0.0)]
    pub gradient_noise: f64,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Steps to make
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), default_value_t = 20_000)]
    pub steps: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `theory landscape`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_LANDSCAPE)]
pub struct LandscapeArgs {
    #[command(flatten)]
    pub context: ContextArgs,
    /// First axis
    #[arg(long, default_value = "alpha")]
    pub x: ParameterArg,
    /// Second axis
    #[arg(long, default_value = "xi")]
    pub y: ParameterArg,
    /// Range of the first axis [default: what the flow needs]
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_range, allow_hyphen_values = true)]
    pub x_range: Option<(f64, f64)>,
    /// Range of the second axis [default: what the flow needs]
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_range, allow_hyphen_values = true)]
    pub y_range: Option<(f64, f64)>,
    /// Hold the third parameter at a value, for example beta=2 [default: it follows the flow]
    #[arg(long, value_name = "NAME=V", value_parser = parse_fix, conflicts_with = "minimize")]
    pub fix: Option<(ParameterArg, f64)>,
    /// Give the third parameter the value in this range that has the least loss
    #[arg(long, value_name = "LOW,HIGH", value_parser = parse_range, allow_hyphen_values = true)]
    pub minimize: Option<(f64, f64)>,
    /// Where the flow starts
    #[arg(
        long,
        value_name = "B,A,X",
        value_delimiter = ',',
        num_args = 1,
        default_value = "0,0,0",
        allow_hyphen_values = true
    )]
    pub start: Vec<f64>,
    /// Points a side, 2 to 4096
    #[arg(long, default_value_t = 256)]
    pub grid: usize,
    /// Figure to write, .svg, .png or .pdf, or - for SVG on standard output [default: landscape.svg in the current folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub page: ThemeArgs,
    /// Replace the file
    #[arg(long)]
    pub force: bool,
    /// Print the surface as comma-separated rows instead of drawing it
    #[arg(long, conflicts_with_all = ["output", "json"])]
    pub rows: bool,
    /// Print one JSON object instead of drawing
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

/// What `theory scaling` varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverArg {
    /// N, with --labels-per-exemplar
    N,
    /// L, at --n
    Labels,
    /// xi0 of a frozen readout, at --n and --labels
    FrozenXi,
    /// xi0 of a readout that goes on learning, at --n and --labels
    StartXi,
}

/// `theory scaling`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_SCALING)]
pub struct ScalingArgs {
    /// What varies
    #[arg(long, default_value = "n")]
    pub over: OverArg,
    /// Its values
    #[arg(long, value_delimiter = ',', num_args = 1)]
    pub values: Vec<f64>,
    /// L / N where N varies
    #[arg(long, value_name = "R", default_value_t = 4.0)]
    pub labels_per_exemplar: f64,
    /// N where it stands still
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub n: usize,
    /// L where it stands still
    #[arg(long, value_name = "L", default_value_t = 32)]
    pub labels: usize,
    /// Figure to write, .svg, .png or .pdf, or - for SVG on standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub page: ThemeArgs,
    /// Replace the file
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// `theory fit`
#[derive(Debug, ClapArgs)]
#[command(after_help = examples::THEORY_FIT)]
pub struct FitArgs {
    /// Run directory, its name in runs/, or `latest`
    pub run: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

fn parse_number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

fn parse_range(text: &str) -> Result<(f64, f64), String> {
    let (low, high) = text.split_once(',').ok_or("expected LOW,HIGH, for example -1,7")?;
    Ok((parse_number(low)?, parse_number(high)?))
}

fn parse_name(text: &str) -> Result<ParameterArg, String> {
    ParameterArg::from_str(text, false).map_err(|_| format!("{text:?} is not one of beta, alpha, xi"))
}

fn parse_fix(text: &str) -> Result<(ParameterArg, f64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, for example beta=2")?;
    Ok((parse_name(name)?, parse_number(value)?))
}

fn parse_schedule(text: &str) -> Result<(ParameterArg, Vec<(f64, f64)>), String> {
    let (name, points) = text.split_once('=').ok_or("expected NAME=T:V,T:V, for example xi=0:0,50:4")?;
    let point = |text: &str| {
        let (t, value) = text.split_once(':').ok_or_else(|| format!("{text:?} is not TIME:VALUE"))?;
        Ok((parse_number(t)?, parse_number(value)?))
    };
    Ok((parse_name(name)?, points.split(',').map(point).collect::<Result<_, String>>()?))
}
