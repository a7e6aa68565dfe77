//! What a sweep runs: from the command line, a sweep file, or a sweep that is built in.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{LabError, SweepProblem};
use crate::input::spec_file::{self, Changes, nearest, toml_error};

/// Sweeps that are part of the program.
pub const BUILT_IN_SWEEPS: [(&str, &str); 14] = [
    ("reddy-reference", include_str!("../../../../specs/sweeps/reddy-reference.toml")),
    ("reddy-frozen-biases", include_str!("../../../../specs/sweeps/reddy-frozen-biases.toml")),
    ("reddy-classes-burstiness", include_str!("../../../../specs/sweeps/reddy-classes-burstiness.toml")),
    ("reddy-noise", include_str!("../../../../specs/sweeps/reddy-noise.toml")),
    ("reddy-zipf", include_str!("../../../../specs/sweeps/reddy-zipf.toml")),
    ("reddy-minimal", include_str!("../../../../specs/sweeps/reddy-minimal.toml")),
    ("reddy-minimal-classes", include_str!("../../../../specs/sweeps/reddy-minimal-classes.toml")),
    ("reddy-bursty-novel", include_str!("../../../../specs/sweeps/reddy-bursty-novel.toml")),
    ("reddy-exemplars-labels", include_str!("../../../../specs/sweeps/reddy-exemplars-labels.toml")),
    ("reddy-interventions", include_str!("../../../../specs/sweeps/reddy-interventions.toml")),
    ("oswald-exemplars", include_str!("../../../../specs/sweeps/oswald-exemplars.toml")),
    ("oswald-heads", include_str!("../../../../specs/sweeps/oswald-heads.toml")),
    ("oswald-misread", include_str!("../../../../specs/sweeps/oswald-misread.toml")),
    ("han-classes-burstiness", include_str!("../../../../specs/sweeps/han-classes-burstiness.toml")),
];

/// A field and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// `key.sub`, as in `-s`.
    pub key: String,
    /// As typed.
    pub values: Vec<String>,
}

/// A grid of runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Half of the folder's name.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Built-in name or path.
    pub spec: String,
    /// Of every run.
    pub changes: Changes,
    /// The grid.
    pub axes: Vec<Axis>,
    /// Of every point.
    pub seeds: Vec<u64>,
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
    key: String,
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
        let built_in = BUILT_IN_SWEEPS.iter().find(|(name, _)| *name == name_or_path);
        let text = match built_in {
            Some((_, text)) => Some((*text).to_owned()),
            None => sweep_file(Path::new(name_or_path)),
        };
        if let Some(text) = text {
            return Self::from_toml(name_or_path, &text, is_fast);
        }
        let error = |problem| LabError::sweep(name_or_path, problem);
        if is_fast {
            return Err(error(SweepProblem::NotASweepFile));
        }
        let is_spec = Path::new(name_or_path).exists() || spec_file::is_built_in(name_or_path);
        let names = || BUILT_IN_SWEEPS.iter().map(|(name, _)| *name);
        if let (false, Some(name)) = (is_spec, nearest(name_or_path, names())) {
            let there_are = names().collect();
            return Err(error(SweepProblem::Unknown { nearest: name.to_owned(), there_are }));
        }
        let spec = spec_file::load(name_or_path, &Changes::default())?;
        Ok(Self {
            name: spec.name,
            description: spec.description,
            spec: name_or_path.to_owned(),
            changes: Changes::default(),
            axes: Vec::new(),
            seeds: parse_seeds(SEEDS).expect("a valid range"),
            skips_invalid: false,
            is_of_one_spec: true,
        })
    }

    fn from_toml(origin: &str, text: &str, is_fast: bool) -> Result<Self, LabError> {
        let file: SweepFile = toml::from_str(text).map_err(|e| toml_error(origin, &e))?;
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
        let folder = Path::new(origin).parent().filter(|_| !spec_file::is_built_in(&spec));
        let spec = folder.map_or(spec.clone(), |folder| folder.join(&spec).display().to_string());
        let as_typed = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let axis = |axis: GridAxis| Axis { key: axis.key, values: axis.values.iter().map(as_typed).collect() };
        let axes: Vec<Axis> = grid.into_iter().map(axis).collect();
        if let Some(empty) = axes.iter().find(|axis| axis.values.is_empty()) {
            return Err(error(SweepProblem::NoValues { key: empty.key.clone() }));
        }
        let changes = Changes { overrides: set, ..Changes::default() };
        Ok(Self { name, description, spec, changes, axes, seeds, skips_invalid, is_of_one_spec: false })
    }

    /// Replaces the values of an axis, or adds one.
    pub fn set_axis(&mut self, axis: Axis) {
        match self.axes.iter_mut().find(|other| other.key == axis.key) {
            Some(other) => *other = axis,
            None => self.axes.push(axis),
        }
    }
}

/// The text of a file that is a sweep and not a spec.
fn sweep_file(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let table = text.parse::<toml::Table>().ok()?;
    (table.contains_key("grid") || table.contains_key("spec")).then_some(text)
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
        let axis = |key: &str, values: &[&str]| Axis {
            key: key.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let mut plan = Plan::load("copying-small", false).unwrap();
        plan.set_axis(axis("task.copying.n_exemplars", &["2", "4"]));
        plan.set_axis(axis("task.copying.n_labels", &["2", "4"]));
        assert!(plan.jobs().unwrap_err().to_string().contains("n_labels"));
        plan.skips_invalid = true;
        assert_eq!(plan.jobs().unwrap().len(), 3 * 8);
        // A misspelled field is a mistake, not a point without a spec.
        plan.set_axis(axis("train.step", &["4"]));
        assert!(plan.jobs().unwrap_err().to_string().contains("did you mean"));
    }
}
