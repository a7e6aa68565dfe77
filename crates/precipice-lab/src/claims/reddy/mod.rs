//! Claims of Reddy 2024, "The mechanistic basis of data dependence and abrupt learning in an in-context
//! classification task" (arXiv:2312.03002), each on the runs of a sweep that is built in.

mod dependence;
mod dynamics;
mod minimal;

use std::path::PathBuf;

use precipice::record::Row;
use precipice::spec::RunSpec;
use precipice_figures::{Figure, FigureError, phase_diagram};
use serde_json::Value;

use super::{CaseRow, Claim, Lookout, Settings};
use crate::error::LabError;
use crate::run_figures::write;
use crate::store::RunDir;
use crate::sweep::{self, Axis, Plan, SweepReport, SweepRow};

const SOURCE: &str = "Reddy 2024, arXiv:2312.03002";

pub(super) fn claims() -> Vec<Claim> {
    let claim = |id, claim, band, check| Claim { id, claim, source: SOURCE, band, check };
    vec![
        claim(
            "reddy-1",
            "Fig. 1: in-context accuracy goes from 1/L through a slow phase to a jump; labels by heart never come",
            "every seed that speaks: jump with 10-90 % width < 25 % of t50, at the end ic and ic_swap > .95, iw < .2; median t50 \
             within 15 % of the reference run's (30,700 at rate .01, 2,010 at rate .2)",
            dynamics::reference,
        ),
        claim(
            "reddy-2",
            "Fig. 2: more classes, more copies and more noise favor reading the context, labels by heart recede; \
             both coexist near Zipf exponent 1",
            "medians over seeds monotone (to .03) in >= 90 % of neighboring cells; without bursty contexts ic <= 1/N; \
             at exponent 1 ic > .5 and iw at least .15 above exponent 0",
            dependence::data,
        ),
        claim(
            "reddy-3",
            "Figs. 3, 4: attention to all labels and the choice among them rise slowly, item-label and target \
             attention jump with the accuracy",
            "every seed that jumps: TILA2 half way within 5 % of t50; at .8 t50 CLA has made >= 50 % of its way, \
             ILA1 and TILA2 <= 20 %, TLA2 at least three times what TILA2 has",
            dynamics::progress,
        ),
        claim(
            "reddy-4",
            "Figs. 5, A.2, A.3: the minimal induction head, with three parameters and with two, does what the \
             network does",
            "every seed: jump with width < 25 % of t50, ic > .95; K x B as in reddy-2; linear readout on fresh items, \
             medians: alpha and xi within 6 % of .210, 1.771 at step 400 and of 1.068, 3.586 at step 800",
            minimal::heads,
        ),
        claim(
            "reddy-5",
            "Fig. A.1: with p_bursty = p_novel = .5, K = 512, B = 2 a network learns both solutions and keeps them",
            "every seed that speaks: ic and iw > .95 at the end, and > .9 over the last quarter",
            dependence::both,
        ),
        claim(
            "reddy-6",
            "Fig. A.5: L > N is learned robustly, L = N only rarely",
            "seeds of 6 that learn: at least 5 where L > N, at most 2 where L = N, none at L = N = 8",
            dependence::exemplars_and_labels,
        ),
        claim(
            "reddy-7",
            "memorization against in-context learning: few classes end as pure labels by heart, many as pure ic",
            "every seed that speaks within .1: K = 128, B = 1: iw 1.00, ic .04; K = 1024, B = 2: ic .97, iw .09",
            dependence::either,
        ),
    ]
}

/// The runs of a sweep, and where its figures go.
#[derive(Clone)]
struct Swept {
    plan: Plan,
    report: SweepReport,
    folder: PathBuf,
}

/// Makes the runs of a built-in sweep. All claims share one folder, so that equal runs are made once.
fn swept(settings: &Settings, watcher: &mut Lookout<'_>, name: &str) -> Result<Swept, LabError> {
    run_plan(settings, watcher, Plan::load(name, settings.fast)?)
}

fn run_plan(settings: &Settings, watcher: &mut Lookout<'_>, plan: Plan) -> Result<Swept, LabError> {
    let folder = settings.out.join("classification");
    let jobs = plan.jobs()?;
    let mut watch = watcher.begin_sweep(&plan.name, jobs.len());
    let report = sweep::sweep(jobs, &folder, settings.threads, &settings.stop, watch.as_mut())?;
    drop(watch);
    if report.was_stopped {
        return Err(LabError::Stopped { path: folder });
    }
    if let Some(failed) = report.failed.first() {
        return Err(LabError::Spec { origin: plan.name, problem: failed.problem.clone() });
    }
    Ok(Swept { plan, report, folder })
}

impl Swept {
    /// The runs whose swept fields have these values.
    fn at<'a>(&'a self, values: &[(&str, f64)]) -> Vec<&'a SweepRow> {
        let is_there = |run: &&SweepRow| {
            let value =
                |key: &str| run.swept.iter().find(|(name, _)| name.ends_with(key)).and_then(|(_, v)| v.as_f64());
            values.iter().all(|(key, wanted)| value(key) == Some(*wanted))
        };
        self.report.runs.iter().filter(is_there).collect()
    }

    /// The runs in which a yes-or-no field has this value.
    fn only(&self, key: &str, wanted: bool) -> Self {
        let is_there = |run: &&SweepRow| run.swept.get(key).and_then(Value::as_bool) == Some(wanted);
        let mut report = self.report.clone();
        report.runs = self.report.runs.iter().filter(is_there).cloned().collect();
        Self { plan: self.plan.clone(), report, folder: self.folder.clone() }
    }

    fn axis(&self, key: &str) -> &Axis {
        self.plan.axes.iter().find(|axis| axis.key.ends_with(key)).expect("the sweep has this axis")
    }

    /// Values of an axis of numbers.
    fn values(&self, key: &str) -> Vec<f64> {
        self.axis(key).values.iter().filter_map(|value| value.parse().ok()).collect()
    }

    /// Writes a figure into the folder.
    fn draw(&self, name: &str, figure: Result<Figure, FigureError>) -> Result<PathBuf, LabError> {
        let figure = figure.map_err(|e| LabError::Figure { kind: name.to_owned(), problem: e.to_string() })?;
        let path = self.folder.join(format!("{name}.svg"));
        write(&figure, &path)?;
        Ok(path)
    }

    /// Draws the two axes as a phase diagram.
    fn draw_phases(&self, name: &str, title: &str, x: &str, y: &str) -> Result<PathBuf, LabError> {
        let data = sweep::phase_data(title, self.axis(x), self.axis(y), &self.report);
        self.draw(name, phase_diagram(&data))
    }
}

/// A column of the last row.
fn last(run: &SweepRow, column: &str) -> f64 {
    run.final_row.get(column).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// The log of a run and its spec.
fn log(run: &SweepRow) -> Result<(RunSpec, Vec<Row>), LabError> {
    let run_dir = RunDir::new(&run.run_dir);
    Ok((run_dir.spec()?, run_dir.rows()?))
}

/// The runs whose readout speaks, and in words how many are silent. A deep readout with one scalar bias a
/// layer can lose all its ReLUs. Its logits are then the same for every query to the end, whatever the rest does: the
/// loss is ln L, and the context's labels have the probability of that many labels.
fn speaking<'a>(runs: &[&'a SweepRow]) -> Result<(Vec<&'a SweepRow>, String), LabError> {
    let mut kept = Vec::new();
    for run in runs {
        let task = RunDir::new(&run.run_dir).spec()?.task;
        let n_labels = task.n_labels() as f64;
        let share = 1.0 / task.context_guess() / n_labels;
        let is_silent = (last(run, "loss") - n_labels.ln()).abs() < 1e-3
            && (last(run, "ic_loss") - n_labels.ln()).abs() < 1e-3
            && (last(run, "ic_context_label_mass") - share).abs() < 1e-4;
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

fn case(run: &SweepRow, words: &str, holds: bool, values: &[(&str, f64)]) -> CaseRow {
    let separator = if words.is_empty() { "" } else { ", " };
    CaseRow::new(format!("{words}{separator}seed {}", run.seed), Some(run.seed), holds, values)
}

/// Whether a run jumped within a quarter of the time to it, and when and how.
fn abruptness(run: &SweepRow) -> (bool, [(&'static str, f64); 2]) {
    let (t50, width) = (run.t50.unwrap_or(f64::NAN), run.width_10_90.unwrap_or(f64::NAN));
    (width / t50 < 0.25, [("t50", t50), ("width", width)])
}
