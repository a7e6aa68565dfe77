//! Values of arguments: what is understood, and what a shell completes.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use precipice_figures::Theme;
use precipice_lab::input::built_in::{BUILT_IN_SWEEPS, BUILT_INS};
use precipice_lab::run_figures::Kind;
use precipice_lab::sweep::{self, SweepKind, TWINS};
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

/// Checkpoints that are asked for.
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
