//! Values of arguments: what is understood, and what a shell completes.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use precipice_figures::Theme;
use precipice_lab::input::built_in::{BUILT_IN_SWEEPS, BUILT_INS};
use precipice_lab::run_figures::Kind;
use precipice_lab::sweep::{self, SweepKind, System, TWINS};
use precipice_num::Arithmetic;

pub(super) fn parse_head(text: &str) -> Result<(usize, usize), String> {
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
    /// Of two runs.
    Twins,
}

pub(super) fn kinds_help() -> String {
    let (runs, sweeps) = (Kind::ALL.map(Kind::name).join(", "), SweepKind::ALL.map(SweepKind::name).join(", "));
    format!("What to draw: {runs}; of two runs {TWINS}; of the folder of a sweep {sweeps}")
}

/// The name of a spec, of which a shell completes those that are built in, or a path.
#[derive(Clone)]
pub(super) struct SpecName {
    /// Whether sweeps go, too.
    pub has_sweeps: bool,
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
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    known: Vec<(&'static str, T)>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(known.iter().map(|(name, _)| *name)).try_map(move |text| {
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.ok_or("expected one of these names")
    })
}

pub(super) fn kinds() -> impl TypedValueParser<Value = Drawn> {
    let runs = Kind::ALL.map(|kind| (kind.name(), Drawn::Run(kind)));
    let sweeps = SweepKind::ALL.map(|kind| (kind.name(), Drawn::Sweep(kind)));
    one_of(runs.into_iter().chain(sweeps).chain([(TWINS, Drawn::Twins)]).collect())
}

pub(super) fn themes() -> impl TypedValueParser<Value = Theme> {
    one_of(Theme::ALL.map(|theme| (theme.name(), theme)).to_vec())
}

pub(super) fn arithmetics() -> impl TypedValueParser<Value = Arithmetic> {
    one_of([Arithmetic::Fused, Arithmetic::Portable].map(|kind| (kind.name(), kind)).to_vec())
}

pub(super) fn systems() -> impl TypedValueParser<Value = System> {
    one_of(System::ALL.map(|system| (system.name(), system)).to_vec())
}

/// A time as Slurm has it. A minute before its end workers are told to save.
pub(super) fn parse_time(text: &str) -> Result<String, String> {
    let parts: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([hours, minutes, seconds])
            if *hours < 10_000 && *minutes < 60 && *seconds < 60 && hours * 3600 + minutes * 60 >= 120 =>
        {
            Ok(text.to_owned())
        }
        _ => Err("expected HH:MM:SS, at least two minutes, for example 04:00:00".to_owned()),
    }
}

/// Steps that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Every one that is stored.
    All,
    /// These.
    These(Vec<u64>),
}

pub(super) fn parse_steps(text: &str) -> Result<Steps, String> {
    if text == "all" {
        return Ok(Steps::All);
    }
    let steps: Option<Vec<u64>> = text.split(',').map(|step| step.trim().parse().ok()).collect();
    steps.map(Steps::These).ok_or_else(|| "expected steps, for example 0,600, or all".to_owned())
}

/// Steps from one to another, with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRange {
    /// The first.
    pub first: u64,
    /// The last, if it is met.
    pub last: u64,
    /// From one to the next.
    pub every: u64,
}

pub(super) fn parse_range(text: &str) -> Result<StepRange, String> {
    let (range, every) = text.split_once(':').unwrap_or((text, "1"));
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = range.split_once("..").and_then(|(first, last)| Some((number(first)?, number(last)?)));
    match (range, number(every)) {
        (Some((first, last)), Some(every)) if first <= last && every > 0 => Ok(StepRange { first, last, every }),
        _ => Err("expected a rising range of steps with both ends, for example 500..700 or 0..4000:100".to_owned()),
    }
}

/// Tensors of another run, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraftName {
    /// Directory or name.
    pub run: PathBuf,
    /// Updates that it had done.
    pub step: u64,
    /// Tensor, dotted prefix, or one head of them.
    pub tensor: String,
}

pub(super) fn parse_graft(text: &str) -> Result<GraftName, String> {
    let parts = text.rsplit_once(':').and_then(|(run, tensor)| Some((run.rsplit_once(':')?, tensor)));
    let graft = parts.and_then(|((run, step), tensor)| {
        let is_whole = !run.is_empty() && !tensor.is_empty();
        is_whole.then_some(GraftName { run: run.into(), step: step.parse().ok()?, tensor: tensor.to_owned() })
    });
    graft.ok_or_else(|| "expected RUN:STEP:TENSOR, for example latest:600:blocks.1.attn".to_owned())
}

/// Seeds of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

pub(super) fn parse_seeds(text: &str) -> Result<Seeds, String> {
    sweep::parse_seeds(text).map(Seeds)
}

pub(super) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => Ok(seconds),
        _ => Err("expected seconds above 0 and at most 3600".to_owned()),
    }
}
