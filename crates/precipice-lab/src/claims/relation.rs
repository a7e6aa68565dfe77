//! Claims about relations in context: what is generalized, that it comes abruptly, and what it waits for.

use precipice::measure::metric;

use super::claim::{CaseRow, Claim, Evidence, Lookout, OPEN, Settings, summary};
use super::seeds::{Finished, run_seeds};
use crate::error::LabError;

pub(super) fn claims() -> Vec<Claim> {
    vec![
        Claim {
            id: "relation-1",
            claim: "trained on adjacent pairs of an order that stand in the context, a network does not infer the others",
            source: "Geerts et al. 2025",
            band: "adjacent > .95; pairs two apart and more, without the first and the last item, .5 +- .1; every seed",
            check: no_transitivity,
        },
        Claim {
            id: "relation-2",
            claim: "whether the reverse of a pair has its label or the other one is learned abruptly, led by counting labels",
            source: "this program",
            band: "left out > .95 and 10-90 % width < 25 % of t50 in 5 of 6 seeds of each sign; where contexts are all \
                   balanced, so that counting says nothing, no seed learns within 5,000 steps",
            check: abrupt_relation,
        },
        Claim {
            id: "relation-3",
            claim: "a relation that differs from context to context is read off the other pairs, after a second jump",
            source: "this program",
            band: OPEN,
            check: mixed_relation,
        },
    ]
}

fn n_seeds(settings: &Settings) -> u64 {
    if settings.fast { 3 } else { 6 }
}

/// Accuracy at the end on a set.
fn reached(run: &Finished, prefix: &str) -> f64 {
    run.last(&metric::ACCURACY.on(prefix))
}

fn no_transitivity(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let runs = run_seeds(settings, watcher, "relation-order", &[], n_seeds(settings))?;
    let mut cases = Vec::new();
    for run in &runs {
        let [stated, inner, outer] = ["stated_", "inner_", "outer_"].map(|prefix| reached(run, prefix));
        let holds = stated > 0.95 && (inner - 0.5).abs() <= 0.1;
        let left_out = reached(run, "left_out_");
        let values =
            [("adjacent", stated), ("inner", inner), ("with an end", outer), ("left out", left_out), ("t50", t50(run))];
        cases.push(run.row(holds, &values));
    }
    let over = |prefix: &str| runs.iter().map(|run| reached(run, prefix)).collect::<Vec<_>>();
    let named =
        [("adjacent", "stated_"), ("two apart, inner", "inner_"), ("with an end", "outer_"), ("left out", "left_out_")];
    let measured = named.map(|(name, prefix)| summary(name, &over(prefix))).join("; ");
    Ok(Evidence { measured, cases, figure: runs[0].figure("learning-curve") })
}

/// Whether a run answers what is left out, and came to it abruptly.
fn is_abrupt(run: &Finished) -> bool {
    let is_short = run.jump().is_some_and(|jump| jump.width_10_90 < 0.25 * jump.t50);
    is_short && reached(run, "left_out_") > 0.95
}

fn t50(run: &Finished) -> f64 {
    run.jump().map_or(f64::NAN, |jump| jump.t50)
}

/// Runs that count out of all, and when each jumped.
fn case(words: &str, runs: &[Finished], holds: bool, n_counted: usize) -> CaseRow {
    let names: Vec<String> = runs.iter().map(|run| format!("t50 of seed {}", run.seed())).collect();
    let times = names.iter().zip(runs).map(|(name, run)| (name.as_str(), t50(run)));
    let values: Vec<(&str, f64)> =
        [("learned", n_counted as f64), ("of", runs.len() as f64)].into_iter().chain(times).collect();
    CaseRow::new(words.to_owned(), None, holds, &values)
}

fn abrupt_relation(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let changed = |name: &str, changes: &[&str]| -> Vec<String> {
        let name = format!("name=relation-{name}");
        [&[name][..], &changes.iter().map(|change| (*change).to_owned()).collect::<Vec<_>>()].concat()
    };
    let other = changed("parent", &["task.relation.relation=anticommutative", "model.readout=mlp", "train.steps=8000"]);
    let (mut cases, mut measured, mut figure) = (Vec::new(), Vec::new(), None);
    for (words, changes) in [("reverse has its label", &[][..]), ("reverse has the other", &other)] {
        let runs = run_seeds(settings, watcher, "relation-marries", changes, n_seeds(settings))?;
        let n_abrupt = runs.iter().filter(|run| is_abrupt(run)).count();
        let times: Vec<f64> = runs.iter().map(t50).collect();
        let left_out: Vec<f64> = runs.iter().map(|run| reached(run, "left_out_")).collect();
        measured.push(format!("{words}: {}, {}", summary("t50", &times), summary("left out", &left_out)));
        cases.push(case(words, &runs, 6 * n_abrupt >= 5 * runs.len(), n_abrupt));
        figure = figure.or_else(|| runs[0].figure("learning-curve"));
    }
    let balanced = changed("balanced", &["task.relation.p_balanced=1"]);
    let runs = run_seeds(settings, watcher, "relation-marries", &balanced, n_seeds(settings))?;
    let highest: Vec<f64> = runs.iter().map(|run| reached(run, "left_out_")).collect();
    let n_learned = runs.iter().filter(|run| run.jump().is_some()).count();
    measured.push(summary("left out where all contexts are balanced", &highest));
    cases.push(case("all contexts balanced", &runs, n_learned == 0, n_learned));
    Ok(Evidence { measured: measured.join("; "), cases, figure })
}

fn mixed_relation(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let one_head = ["name=relation-mixed-one-head", "model.n_heads=1"].map(str::to_owned);
    let (mut cases, mut measured, mut figure) = (Vec::new(), Vec::new(), None);
    for (words, changes) in [("two heads", &[][..]), ("one head", &one_head)] {
        let runs = run_seeds(settings, watcher, "relation-mixed", changes, if settings.fast { 1 } else { 3 })?;
        let over = |prefix: &str| runs.iter().map(|run| reached(run, prefix)).collect::<Vec<_>>();
        let (stated, left_out) = (over("stated_"), over("left_out_"));
        measured.push(format!("{words}: {}, {}", summary("stated", &stated), summary("left out", &left_out)));
        let n_learned = left_out.iter().filter(|&&accuracy| accuracy > 0.95).count();
        cases.push(case(words, &runs, n_learned == runs.len(), n_learned));
        figure = figure.or_else(|| runs[0].figure("learning-curve"));
    }
    Ok(Evidence { measured: measured.join("; "), cases, figure })
}
