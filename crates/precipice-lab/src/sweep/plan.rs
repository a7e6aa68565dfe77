//! What a sweep runs: from the command line, a sweep file, or a sweep that is built in.

use std::path::Path;

use precipice::field::name as name_of_folder;
use precipice_num::Arithmetic;
use serde::Deserialize;

use crate::error::{LabError, SweepProblem, excerpt};
use crate::input::built_in;
pub use crate::input::built_in::BUILT_IN_SWEEPS;
use crate::input::change::{parse_axis, parse_key, together};
use crate::input::fields::dotted;
use crate::input::spec_file::{self, Changes};
use crate::input::told::{self, nearest};
use crate::store::spec_text;

/// A field and the values that it takes, or fields that go together.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// `key.sub`, as in `-s`.
    pub keys: Vec<String>,
    /// For each point of the axis the values of its fields.
    pub points: Vec<Vec<toml::Value>>,
    /// Where it was said, for errors.
    pub(super) said: Said,
}

/// Where an axis was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// By `-g`.
    OnTheCommandLine,
    /// In `[[grid]]`.
    InTheFile,
}

impl Axis {
    /// One field.
    pub fn of(key: &str, values: impl IntoIterator<Item = impl Into<toml::Value>>) -> Self {
        let points = values.into_iter().map(|value| vec![value.into()]).collect();
        Self { keys: vec![key.to_owned()], points, said: Said::OnTheCommandLine }
    }

    /// Fields that go together, with their values at each point.
    pub(super) fn together(keys: Vec<String>, points: Vec<Vec<toml::Value>>) -> Self {
        Self { keys, points, said: Said::InTheFile }
    }

    /// `KEY=V1,V2`, or `KEY1,KEY2=[A1,B1],[A2,B2]` of fields that go together, as typed.
    ///
    /// # Errors
    /// What was expected.
    ///
    /// ```
    /// use precipice_lab::sweep::Axis;
    /// assert_eq!(Axis::parse("train.steps=3,4")?, Axis::of("train.steps", [3, 4]));
    /// let axis = Axis::parse("task.copying.n_exemplars,task.copying.n_labels=[4,16],[8,32]")?;
    /// assert_eq!((axis.keys.len(), axis.points.len()), (2, 2));
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let (keys, points) = parse_axis(text)?;
        Self { keys, points, said: Said::OnTheCommandLine }.checked()
    }

    /// Seeds have an option of their own, and no field stands twice in an axis.
    fn checked(self) -> Result<Self, String> {
        for (i, key) in self.keys.iter().enumerate() {
            let path = parse_key(key).map_err(|problem| problem.to_string())?;
            if path[0] == "seeds" {
                return Err("seeds are given by --seeds".to_owned());
            }
            if self.keys[..i].contains(key) {
                return Err(format!("{} is named twice", excerpt(key)));
            }
        }
        Ok(self)
    }
}

/// A grid of runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Half of the folder's name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Built-in name or path of the sweep file, or of the spec where there is none.
    pub origin: String,
    /// Built-in name or path.
    pub spec: String,
    /// What a sweep file sets in every run.
    pub set: Vec<String>,
    /// What else is changed in every run.
    pub changes: Changes,
    /// The grid.
    pub axes: Vec<Axis>,
    /// Of every point.
    pub seeds: Vec<u64>,
    /// Of every run; default that of this processor.
    pub arithmetic: Option<Arithmetic>,
    /// Whether points of the grid that are no valid specs are left out.
    pub skips_invalid: bool,
    /// Whether it was made of a spec and not of a sweep file.
    pub is_of_one_spec: bool,
}

/// A sweep file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepFile {
    name: String,
    #[serde(default)]
    description: String,
    spec: String,
    seeds: String,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    grid: Vec<GridAxis>,
    #[serde(default)]
    skips_invalid: bool,
    fast: Option<FastPart>,
}

/// What is different where minutes must do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FastPart {
    seeds: Option<String>,
    #[serde(default)]
    set: Vec<String>,
    grid: Option<Vec<GridAxis>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GridAxis {
    key: Option<String>,
    #[serde(default)]
    keys: Vec<String>,
    values: Vec<toml::Value>,
}

/// Seeds of a sweep where nobody names any.
const SEEDS: &str = "0..7";

impl Plan {
    /// A sweep that is built in, a sweep file (it has a `grid`), or any spec with an empty grid.
    ///
    /// # Errors
    /// If a sweep file cannot be read or lacks a field, or a plain spec is asked for its fast form.
    ///
    /// ```
    /// use precipice_lab::sweep::Plan;
    /// let plan = Plan::load("reddy-classes-burstiness", true)?;
    /// assert_eq!(plan.axes.len(), 2);
    /// assert_eq!(plan.jobs()?.len() % plan.seeds.len(), 0);
    /// # Ok::<(), precipice_lab::error::LabError>(())
    /// ```
    pub fn load(name_or_path: &str, is_fast: bool) -> Result<Self, LabError> {
        if let Some(text) = source(name_or_path)? {
            return Self::from_toml(name_or_path, &text, is_fast);
        }
        let error = |problem| LabError::sweep(name_or_path, problem);
        if is_fast {
            return Err(error(SweepProblem::NotASweepFile));
        }
        let is_there = Path::new(name_or_path).exists() || spec_text::packed(name_or_path)?.is_some();
        let is_spec = is_there || built_in::is_built_in(name_or_path);
        let names = || BUILT_IN_SWEEPS.iter().map(|(name, _)| *name);
        if let (false, Some(name)) = (is_spec, nearest(name_or_path, names())) {
            let there_are = names().collect();
            return Err(error(SweepProblem::Unknown { nearest: name.to_owned(), there_are }));
        }
        let spec = spec_text::load(name_or_path, &Changes::default())?;
        Ok(Self {
            name: spec.name,
            description: spec.description,
            origin: name_or_path.to_owned(),
            spec: name_or_path.to_owned(),
            set: Vec::new(),
            changes: Changes::default(),
            axes: Vec::new(),
            seeds: parse_seeds(SEEDS).expect("a valid range"),
            arithmetic: None,
            skips_invalid: false,
            is_of_one_spec: true,
        })
    }

    fn from_toml(origin: &str, text: &str, is_fast: bool) -> Result<Self, LabError> {
        let file: SweepFile = told::deserialize(origin, text, told::table_of(origin, text)?)?;
        let SweepFile { name, description, spec, mut seeds, mut set, mut grid, skips_invalid, fast } = file;
        let error = |problem| LabError::sweep(origin, problem);
        if is_fast {
            let fast = fast.ok_or_else(|| error(SweepProblem::NoFastPart))?;
            seeds = fast.seeds.unwrap_or(seeds);
            set.extend(fast.set);
            grid = fast.grid.unwrap_or(grid);
        }
        let seeds =
            parse_seeds(&seeds).map_err(|expected| error(SweepProblem::Seeds { text: seeds.clone(), expected }))?;
        // A path is relative to the file that names it.
        let folder = Path::new(origin).parent().filter(|_| !built_in::is_built_in(&spec));
        let spec = folder.map_or(spec.clone(), |folder| folder.join(&spec).display().to_string());
        name_of_folder("name", &name).map_err(|e| error(SweepProblem::Name(e)))?;
        let axes = grid.into_iter().map(axis_of).collect::<Result<Vec<_>, _>>().map_err(error)?;
        let (origin, changes) = (origin.to_owned(), Changes::default());
        Ok(Self {
            name,
            description,
            origin,
            spec,
            set,
            changes,
            axes,
            seeds,
            arithmetic: None,
            skips_invalid,
            is_of_one_spec: false,
        })
    }

    /// Adds axes. One of fields that the sweep has an axis of replaces that one.
    ///
    /// # Errors
    /// If a field is named by two of them, or a field that goes together with a replaced one by none.
    pub fn set_axes(&mut self, axes: Vec<Axis>) -> Result<(), LabError> {
        let error = |problem| Err(LabError::sweep(&self.origin, problem));
        for (i, axis) in axes.iter().enumerate() {
            let is_named = |key: &&String| axes[..i].iter().any(|other| other.keys.contains(key));
            if let Some(key) = axis.keys.iter().find(is_named) {
                return error(SweepProblem::SweptTwice { key: excerpt(key) });
            }
            for replaced in self.axes.iter().filter(|other| other.keys.iter().any(|key| axis.keys.contains(key))) {
                if let Some(key) = replaced.keys.iter().find(|key| !axis.keys.contains(key)) {
                    let together = replaced.keys.join(",");
                    return error(SweepProblem::GoesTogether { key: key.clone(), together });
                }
            }
        }
        axes.into_iter().for_each(|axis| self.set_axis(axis));
        Ok(())
    }

    /// Replaces the axes that have fields of this one, or adds it.
    pub fn set_axis(&mut self, axis: Axis) {
        let is_replaced = |other: &Axis| other.keys.iter().any(|key| axis.keys.contains(key));
        let place = self.axes.iter().position(is_replaced).unwrap_or(self.axes.len());
        self.axes.retain(|other| !is_replaced(other));
        self.axes.insert(place, axis);
    }
}

fn axis_of(GridAxis { key, keys, values }: GridAxis) -> Result<Axis, SweepProblem> {
    let keys: Vec<String> = key.into_iter().chain(keys).collect();
    let problem = |expected| SweepProblem::Axis { key: excerpt(&keys.join(", ")), expected };
    if keys.is_empty() {
        return Err(problem("expected a key, or keys of fields that go together".to_owned()));
    }
    if values.is_empty() {
        return Err(SweepProblem::NoValues { key: excerpt(&keys.join(", ")) });
    }
    // As typed on the command line, so that both mean the same.
    let bare = keys.iter().map(|key| parse_key(key).map(|path| dotted(&path))).collect::<Result<Vec<_>, _>>();
    let bare = bare.map_err(|e| problem(e.to_string()))?;
    let points = values.into_iter().map(|value| together(&bare, value)).collect::<Result<_, _>>();
    let points = points.map_err(problem)?;
    Axis { keys: bare, points, said: Said::InTheFile }.checked().map_err(problem)
}

/// The text of a sweep that is built in, or of a file that is a sweep and not a spec.
///
/// # Errors
/// If there is such a file and it is no text.
pub fn source(name_or_path: &str) -> Result<Option<String>, LabError> {
    if let Some(text) = built_in::sweep(name_or_path) {
        return Ok(Some(text.to_owned()));
    }
    let is_file =
        || Path::new(name_or_path).exists() && spec_text::packed(name_or_path).is_ok_and(|text| text.is_none());
    if built_in::is_built_in(name_or_path) || !is_file() {
        return Ok(None);
    }
    let text = spec_file::text_of(name_or_path)?;
    Ok(text.parse::<toml::Table>().is_ok_and(|table| spec_file::is_sweep(&table)).then_some(text))
}

/// The same as JSON.
///
/// # Errors
/// If it is no TOML.
pub fn as_json(source: &str) -> Result<serde_json::Value, LabError> {
    let table = told::table_of("sweep", source)?;
    Ok(serde_json::to_value(table).expect("TOML is plain data"))
}

/// Seeds that a sweep may have.
const SEEDS_MAX: u64 = 1_000_000;

/// Seeds from `0..31`, with both ends, or `0,3,7`.
///
/// # Errors
/// What was expected.
///
/// ```
/// use precipice_lab::sweep::parse_seeds;
/// assert_eq!(parse_seeds("0..3"), Ok(vec![0, 1, 2, 3]));
/// assert_eq!(parse_seeds("7,5"), Ok(vec![7, 5]));
/// assert!(parse_seeds("3..0").is_err());
/// ```
pub fn parse_seeds(text: &str) -> Result<Vec<u64>, String> {
    let number = |text: &str| {
        let expected = "expected seeds as 0..31 (with both ends) or 0,3,7";
        text.trim().parse::<u64>().ok().filter(|&n| n <= i64::MAX as u64).ok_or(expected)
    };
    if let Some((first, last)) = text.split_once("..") {
        let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
        if last < first || last - first >= SEEDS_MAX {
            return Err(format!("expected a rising range of at most {SEEDS_MAX} seeds"));
        }
        return Ok((first..=last).collect());
    }
    let seeds = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = seeds.iter().enumerate().find_map(|(i, seed)| seeds[..i].contains(seed).then_some(seed)) {
        return Err(format!("seed {twice} is named twice"));
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_sweep_has_runs_in_both_forms() {
        for (name, _) in BUILT_IN_SWEEPS {
            for is_fast in [false, true] {
                let plan = Plan::load(name, is_fast).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(plan.name, name);
                assert!(!plan.jobs().unwrap_or_else(|e| panic!("{name}: {e}")).is_empty());
            }
        }
    }

    #[test]
    fn mistakes_in_a_file_are_named() {
        let told = |text: &str, is_fast| Plan::from_toml("file", text, is_fast).unwrap_err().to_string();
        let good = "name = \"a\"\nspec = \"copying\"\nseeds = \"0..1\"\n";
        assert!(told("name = \"a\"\nspec = \"copying\"\n", false).contains("seeds"));
        assert!(told(&good.replace("0..1", "1..0"), false).contains("rising"));
        assert!(told(&format!("{good}sets = []\n"), false).contains("did you mean `set`"));
        assert!(told(&format!("{good}[[grid]]\nkey = \"train.steps\"\nvalues = []\n"), false).contains("no values"));
        assert!(told(good, true).contains("[fast]"));
        assert!(Plan::load("reddy-nois", false).unwrap_err().to_string().contains("reddy-noise"));
    }

    #[test]
    fn points_that_are_no_specs_are_left_out_where_that_is_asked_for() {
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.set_axis(Axis::of("task.copying.n_exemplars", [2, 4]));
        plan.set_axis(Axis::of("task.copying.n_labels", [2, 4]));
        assert!(plan.jobs().unwrap_err().to_string().contains("n_labels"));
        plan.skips_invalid = true;
        assert_eq!(plan.jobs().unwrap().len(), 3 * 8);
        // A misspelled field is a mistake, not a point without a spec.
        plan.set_axis(Axis::of("train.step", [4]));
        assert!(plan.jobs().unwrap_err().to_string().contains("did you mean"));
    }
}
