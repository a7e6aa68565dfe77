//! The runs of a claim, which are those of a sweep that is built in.

use std::path::PathBuf;

use precipice::measure::{Column, metric};
use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice_figures::{Figure, FigureError, dependence, phase_diagram};
use serde_json::Value;

use crate::claims::claim::{CaseRow, Lookout, Settings};
use crate::error::{LabError, SweepProblem};
use crate::run_figures::write;
use crate::store::RunDir;
use crate::sweep::{self, Axis, Plan, SweepOptions, SweepReport, SweepRow};

/// The runs of a sweep, and where its figures go.
#[derive(Clone)]
pub(super) struct Swept {
    pub plan: Plan,
    pub report: SweepReport,
    folder: PathBuf,
}

/// Makes the runs of a built-in sweep. All claims share one folder, so that equal runs are made once.
pub(super) fn swept(settings: &Settings, watcher: &mut Lookout<'_>, name: &str) -> Result<Swept, LabError> {
    run_plan(settings, watcher, Plan::load(name, settings.fast)?)
}

pub(super) fn run_plan(settings: &Settings, watcher: &mut Lookout<'_>, plan: Plan) -> Result<Swept, LabError> {
    let folder = settings.out.join("classification");
    let jobs = plan.jobs()?;
    let mut watch = watcher.begin_sweep(&plan.name, jobs.len());
    let report = sweep::sweep(jobs, &folder, &SweepOptions::of(settings.threads), &settings.stop, watch.as_mut())?;
    drop(watch);
    if report.was_stopped {
        return Err(LabError::Stopped { path: folder });
    }
    if let Some(failed) = report.failed.first() {
        let problem = SweepProblem::RunFailed { problem: failed.problem.clone() };
        return Err(LabError::sweep(&plan.name, problem));
    }
    Ok(Swept { plan, report, folder })
}

impl Swept {
    /// The runs whose swept fields have these values.
    pub fn at<'a>(&'a self, values: &[(&str, f64)]) -> Vec<&'a SweepRow> {
        let is_there = |run: &&SweepRow| {
            let value =
                |key: &str| run.swept.iter().find(|(name, _)| name.ends_with(key)).and_then(|(_, v)| v.as_f64());
            values.iter().all(|(key, wanted)| value(key) == Some(*wanted))
        };
        self.report.runs.iter().filter(is_there).collect()
    }

    /// The runs in which a yes-or-no field has this value.
    pub fn only(&self, key: &str, wanted: bool) -> Self {
        let is_there = |run: &&SweepRow| run.swept.get(key).and_then(Value::as_bool) == Some(wanted);
        let mut report = self.report.clone();
        report.runs = self.report.runs.iter().filter(is_there).cloned().collect();
        Self { plan: self.plan.clone(), report, folder: self.folder.clone() }
    }

    pub fn axis(&self, key: &str) -> &Axis {
        self.plan.axes.iter().find(|axis| axis.keys[0].ends_with(key)).expect("the sweep has this axis")
    }

    /// Values of an axis of numbers.
    pub fn values(&self, key: &str) -> Vec<f64> {
        sweep::numbers(self.axis(key)).unwrap_or_default()
    }

    /// Writes a figure into the folder.
    pub fn draw(&self, name: &str, figure: Result<Figure, FigureError>) -> Result<PathBuf, LabError> {
        let figure = figure.map_err(|e| LabError::figure(name, e))?;
        let path = self.folder.join(format!("{name}.svg"));
        write(&figure, &path)?;
        Ok(path)
    }

    /// Draws the two axes as a phase diagram.
    pub fn draw_phases(&self, name: &str, title: &str, x: &str, y: &str) -> Result<PathBuf, LabError> {
        let facts = sweep::facts_of(&self.report)?;
        let data = sweep::phase_data(title, self.axis(x), self.axis(y), &self.report, &facts)?;
        self.draw(name, phase_diagram(&data))
    }

    /// Draws what depends on one axis.
    pub fn draw_dependence(&self, name: &str, title: &str, x: &str) -> Result<PathBuf, LabError> {
        let facts = sweep::facts_of(&self.report)?;
        let data = sweep::dependence(title, self.axis(x), &self.report, &facts)?;
        self.draw(name, dependence(&data))
    }
}

/// A column of the last row.
pub(super) fn last(run: &SweepRow, column: &Column) -> f64 {
    run.final_row.get(column.name()).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The log of a run and its spec.
pub(super) fn log(run: &SweepRow) -> Result<(RunSpec, Vec<Row>), LabError> {
    let run_dir = RunDir::new(&run.run_dir);
    Ok((run_dir.spec()?, run_dir.rows()?))
}

/// The runs whose readout speaks, and in words how many are silent. A deep readout with one scalar bias a
/// layer can lose all its ReLUs. Its logits are then the same for every query to the end, whatever the rest does: the
/// loss is ln L, and the context's labels have the probability of that many labels.
pub(super) fn speaking<'a>(runs: &[&'a SweepRow]) -> Result<(Vec<&'a SweepRow>, String), LabError> {
    let mut kept = Vec::new();
    for run in runs {
        let facts = RunDir::new(&run.run_dir).spec()?.facts();
        let n_labels = facts.n_labels() as f64;
        let share = 1.0 / facts.progress.floor / n_labels;
        let is_silent = (last(run, &metric::LOSS.main()) - n_labels.ln()).abs() < 1e-3
            && (last(run, &metric::LOSS.on("ic_")) - n_labels.ln()).abs() < 1e-3
            && (last(run, &metric::CONTEXT_LABEL_MASS.on("ic_")) - share).abs() < 1e-4;
        kept.extend((!is_silent).then_some(*run));
    }
    let n_silent = runs.len() - kept.len();
    let words = if n_silent > 0 {
        format!("; silent readout, not judged: {n_silent} of {}", runs.len())
    } else {
        String::new()
    };
    Ok((kept, words))
}

pub(super) fn case(run: &SweepRow, words: &str, holds: bool, values: &[(&str, f64)]) -> CaseRow {
    let separator = if words.is_empty() { "" } else { ", " };
    CaseRow::new(format!("{words}{separator}seed {}", run.seed), Some(run.seed), holds, values)
}

/// Whether a run jumped within a quarter of the time to it, and when and how.
pub(super) fn abruptness(run: &SweepRow) -> (bool, [(&'static str, f64); 2]) {
    let (t50, width) = (run.t50.unwrap_or(f64::NAN), run.width_10_90.unwrap_or(f64::NAN));
    (width / t50 < 0.25, [("t50", t50), ("width", width)])
}
