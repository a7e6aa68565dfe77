//! The minimal heads beside the full network.

use precipice::measure::transition::median;
use precipice::measure::{Column, metric};
use precipice::record::Row;
use precipice_figures::{BandPanel, Bands, bands};

use super::dependence::classes_and_copies;
use super::dynamics::{OVER, guesses, has_jump, measures};
use super::swept::{abruptness, case, last, log, run_plan, swept};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::error::LabError;
use crate::input::spec_file::Changes;
use crate::sweep::{Plan, SweepRow, aligned_curves};

const TRAINS_BETA_2: &str = "model.minimal.trains_beta_2";
const HEADS: [(bool, &str); 2] = [(true, "three parameters"), (false, "two parameters, β₂ = 0")];

pub(super) fn heads(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let network = swept(settings, watcher, "reddy-reference")?;
    let minimal = swept(settings, watcher, "reddy-minimal")?;
    let grid = swept(settings, watcher, "reddy-minimal-classes")?;
    let (mut cases, mut measured) = (Vec::new(), Vec::new());
    for (trains_beta_2, name) in HEADS {
        let runs = minimal.only(TRAINS_BETA_2, trains_beta_2).report.runs;
        for run in &runs {
            let (is_abrupt, [t50, width]) = abruptness(run);
            let ic = last(run, &metric::ACCURACY.on("ic_"));
            cases.push(case(run, name, is_abrupt && ic > 0.95, &[t50, width, ("ic", ic)]));
        }
        let times: Vec<f64> = runs.iter().map(|run| run.t50.unwrap_or(f64::NAN)).collect();
        measured.push(format!("{name}: {}", summary("t50", &times)));
        cases.extend(classes_and_copies(&format!("{name}, K x B"), &grid.only(TRAINS_BETA_2, trains_beta_2)));
    }
    let linear = run_plan(settings, watcher, linear_plan()?)?;
    cases.push(along_the_formula(&linear.report.runs)?);

    let groups = HEADS
        .map(|(trains_beta_2, name)| (format!("minimal head, {name}"), minimal.only(TRAINS_BETA_2, trains_beta_2)));
    let mut panels = Vec::new();
    for (name, group) in [("the network".to_owned(), network.clone())].into_iter().chain(groups) {
        let runs: Vec<&SweepRow> = group.report.runs.iter().collect();
        if !has_jump(&runs) {
            return Ok(Evidence { measured: measured.join("; "), cases, figure: None });
        }
        panels.push(panel(&name, &runs)?);
    }
    for (trains_beta_2, name) in HEADS {
        let of_head = grid.only(TRAINS_BETA_2, trains_beta_2);
        let stem = if trains_beta_2 { "reddy-4-three" } else { "reddy-4-two" };
        of_head.draw_phases(stem, &format!("Minimal head, {name}"), "burstiness", "n_classes")?;
    }
    let title = "Network and minimal heads · median and range of the seeds that jump".to_owned();
    let figure = network.draw("reddy-4", bands(&Bands { title, x_name: Some(OVER.to_owned()), panels }))?;
    Ok(Evidence { measured: measured.join("; "), cases, figure: Some(figure) })
}

fn panel(heading: &str, runs: &[&SweepRow]) -> Result<BandPanel, LabError> {
    let [_, tla2, ila1, tila2] = measures();
    let named = [("ic accuracy", metric::ACCURACY.on("ic_")), tla2, ila1, tila2];
    Ok(BandPanel {
        heading: heading.to_owned(),
        y_name: "share".to_owned(),
        series: aligned_curves(runs, &named)?,
        references: guesses(runs)?,
        marks: Vec::new(),
        mark_words: String::new(),
    })
}

/// The two-parameter head with a linear readout, at unit rates, on fresh items.
fn linear_plan() -> Result<Plan, LabError> {
    let overrides = ["train.steps=1000", "eval.every=200"].map(str::to_owned).to_vec();
    let changes = Changes { overrides, ..Changes::default() };
    Ok(Plan { changes, seeds: (0..6).collect(), ..Plan::load("minimal-head", false)? })
}

/// Medians of alpha and xi at steps 400 and 800 beside those of an independent implementation.
fn along_the_formula(runs: &[SweepRow]) -> Result<CaseRow, LabError> {
    let logs = runs.iter().map(log).collect::<Result<Vec<_>, _>>()?;
    let at = |step: u64, column: &Column| {
        let value = |rows: &[Row]| rows.iter().find(|row| row.step == step).map_or(f64::NAN, |row| row.get(column));
        median(logs.iter().map(|(_, rows)| value(rows)))
    };
    let (beta, alpha, xi) = (metric::BETA.main(), metric::ALPHA.main(), metric::XI.main());
    let wanted = [(400, &alpha, 0.210), (400, &xi, 1.771), (800, &alpha, 1.068), (800, &xi, 3.586)];
    let holds = wanted.iter().all(|&(step, column, value)| (at(step, column) / value - 1.0).abs() <= 0.06);
    let values = [
        ("step 400: alpha", at(400, &alpha)),
        ("xi", at(400, &xi)),
        ("step 800: alpha", at(800, &alpha)),
        ("xi", at(800, &xi)),
        ("beta", at(800, &beta)),
        ("step 1000: beta", at(1000, &beta)),
        ("alpha", at(1000, &alpha)),
        ("xi", at(1000, &xi)),
    ];
    Ok(CaseRow::new("linear readout, medians".to_owned(), None, holds, &values))
}
