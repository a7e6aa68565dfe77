//! A claim, how it is checked, and what came of it.

use std::path::PathBuf;

use precipice::measure::transition::median;
use precipice::record::Recorder;
use precipice::spec::RunSpec;
use serde::Serialize;

use crate::error::LabError;
use crate::sweep::SweepWatcher;

/// The essay.
pub(super) const SOURCE: &str = "Reddy, essay on abrupt in-context learning, 2024";

/// The band of a question that nobody has settled: what comes of it is reported.
pub(super) const OPEN: &str = "open: reported, not judged";

/// How to check.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Settings that reach the same verdict in minutes.
    pub fast: bool,
    /// Threads.
    pub threads: usize,
    /// Folder of the runs, which are kept and not repeated.
    pub out: PathBuf,
    /// Whether to stop after the current steps.
    pub stop: fn() -> bool,
}

/// A statement with a number and a band that the number must lie in.
#[derive(Clone, Serialize)]
pub struct Claim {
    /// Name on the command line.
    pub id: &'static str,
    /// The statement.
    pub claim: &'static str,
    /// Where it is made.
    pub source: &'static str,
    /// What must be measured for it to count as reproduced.
    pub band: &'static str,
    #[serde(skip)]
    pub(super) check: fn(&Settings, &mut Lookout<'_>) -> Result<Evidence, LabError>,
}

/// Someone who is told which run begins, and who watches its steps.
pub trait Watcher {
    /// A run begins; what it returns watches it until it ends.
    fn begin(&mut self, label: &str, spec: &RunSpec) -> Box<dyn Recorder>;

    /// A sweep begins; what it returns is told of each run that ends.
    fn begin_sweep(&mut self, label: &str, n_runs: usize) -> Box<dyn SweepWatcher>;
}

/// A borrowed watcher.
pub type Lookout<'a> = dyn Watcher + 'a;

/// The verdict on one claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// Every case lies in the band.
    #[serde(rename = "reproduced")]
    Reproduced,
    /// A case lies outside.
    #[serde(rename = "not reproduced")]
    NotReproduced,
    /// Too few cases, or an open question.
    #[serde(rename = "not decided")]
    NotDecided,
}

impl Verdict {
    /// As printed.
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Reproduced => "reproduced",
            Verdict::NotReproduced => "not reproduced",
            Verdict::NotDecided => "not decided",
        }
    }
}

/// What the runs of a claim gave.
pub(super) struct Evidence {
    pub measured: String,
    /// One line a case: whether it lies in the band, and what was measured.
    pub cases: Vec<CaseRow>,
    pub figure: Option<PathBuf>,
}

/// What one seed or one setting of the formula gave.
#[derive(Clone, Debug, Serialize)]
pub struct CaseRow {
    /// "seed 3", "formula, N = 8, L = 32".
    pub case: String,
    /// The seed; none for the formula, which has none.
    pub seed: Option<u64>,
    /// Whether it lies in the band.
    pub holds: bool,
    /// Numbers by name; null where undefined.
    pub values: Vec<(String, Option<f64>)>,
}

/// A checked claim.
#[derive(Clone, Debug, Serialize)]
pub struct ClaimReport {
    /// Name.
    pub id: String,
    /// The statement.
    pub claim: String,
    /// Where it is made.
    pub source: String,
    /// Medians over seeds, with their ranges.
    pub measured: String,
    /// What they must be.
    pub band: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Time that the check took.
    pub seconds: f64,
    /// The figure that shows it, if there is one.
    pub figure: Option<String>,
    /// All seeds and settings.
    pub seeds: Vec<CaseRow>,
}

impl CaseRow {
    /// Numbers by name; those that are not finite are undefined.
    pub(super) fn new(case: String, seed: Option<u64>, holds: bool, values: &[(&str, f64)]) -> Self {
        let named = |(name, value): &(&str, f64)| ((*name).to_owned(), value.is_finite().then_some(*value));
        Self { case, seed, holds, values: values.iter().map(named).collect() }
    }
}

/// `name median [min, max]`, or that it is undefined for some.
pub(super) fn summary(name: &str, values: &[f64]) -> String {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.first(), sorted.last()) {
        (Some(min), Some(max)) => {
            let note = if sorted.len() < values.len() {
                format!(" ({} undefined)", values.len() - sorted.len())
            } else {
                String::new()
            };
            format!("{name} {} [{}, {}]{note}", short(median(sorted.iter().copied())), short(*min), short(*max))
        }
        _ => format!("{name} undefined"),
    }
}

fn short(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}
