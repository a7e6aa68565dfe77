//! What the data decide: labels by heart, or from the context.

use precipice::measure::metric;
use precipice::measure::transition::median;
use precipice_figures::{BandPanel, Bands, bands};

use super::dynamics::guesses;
use super::swept::{Swept, case, last, log, speaking, swept};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::error::LabError;
use crate::sweep::{SweepRow, seed_curves};

/// Prefixes of the sets whose accuracy tells one solution from the other.
const BY_HEART: &str = "iw_";
const IN_CONTEXT: &str = "ic_";

/// Smaller differences of medians are not counted against a claim.
const TOLERANCE: f64 = 0.03;
/// Share of neighbors that must agree with a direction.
const AGREE: f64 = 0.9;

/// Seeds of a point that a verdict on it needs.
const SEEDS_MIN: usize = 2;

fn accuracy(run: &SweepRow, prefix: &str) -> f64 {
    last(run, &metric::ACCURACY.on(prefix))
}

/// Median accuracy over the seeds of a point.
fn middle(runs: &[&SweepRow], prefix: &str) -> f64 {
    median(runs.iter().map(|run| accuracy(run, prefix)))
}

/// Of rows of medians, each along a rising axis: the share of neighbors that go up (`sign` 1) or down.
fn agreeing(lines: &[Vec<f64>], sign: f64) -> (f64, usize) {
    let pairs: Vec<_> = lines.iter().flat_map(|line| line.windows(2)).collect();
    let agree = pairs.iter().filter(|pair| sign * (pair[1] - pair[0]) >= -TOLERANCE).count();
    (agree as f64 / pairs.len() as f64, pairs.len())
}

/// ic rises and iw falls along classes and copies.
pub(super) fn classes_and_copies(name: &str, swept: &Swept) -> Vec<CaseRow> {
    let (classes, copies) = (swept.values("n_classes"), swept.values("burstiness"));
    let at = |k: f64, b: f64, column: &str| middle(&swept.at(&[("n_classes", k), ("burstiness", b)]), column);
    let lines = |column: &str| -> Vec<Vec<f64>> {
        let along_classes = copies.iter().map(|&b| classes.iter().map(|&k| at(k, b, column)).collect());
        let along_copies = classes.iter().map(|&k| copies.iter().map(|&b| at(k, b, column)).collect());
        along_classes.chain(along_copies).collect()
    };
    direction(name, &lines(IN_CONTEXT), &lines(BY_HEART)).to_vec()
}

/// Two cases: ic rises, iw falls.
fn direction(name: &str, ic: &[Vec<f64>], iw: &[Vec<f64>]) -> [CaseRow; 2] {
    [("ic rises", agreeing(ic, 1.0)), ("iw falls", agreeing(iw, -1.0))].map(|(words, (share, n))| {
        let values = [("share of neighbors", share), ("neighbors", n as f64)];
        CaseRow::new(format!("{name}: {words}"), None, share >= AGREE, &values)
    })
}

pub(super) fn data(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let grid = swept(settings, watcher, "reddy-classes-burstiness")?;
    let noise = swept(settings, watcher, "reddy-noise")?;
    let zipf = swept(settings, watcher, "reddy-zipf")?;
    let mut cases = classes_and_copies("K x B", &grid);
    let without = grid.at(&[("burstiness", 0.0)]);
    let most = grid
        .values("n_classes")
        .into_iter()
        .map(|k| middle(&grid.at(&[("burstiness", 0.0), ("n_classes", k)]), IN_CONTEXT));
    let most = most.fold(f64::NAN, f64::max);
    let guess = guesses(&without)?[1].1;
    cases.push(CaseRow::new("B = 0: no ic".to_owned(), None, most <= guess, &[("highest ic", most)]));
    let along = |swept: &Swept, key: &str, column: &str| -> Vec<f64> {
        swept.values(key).into_iter().map(|value| middle(&swept.at(&[(key, value)]), column)).collect()
    };
    let by_noise = |column| [along(&noise, "within_class_noise", column)];
    cases.extend(direction("noise", &by_noise(IN_CONTEXT), &by_noise(BY_HEART)));
    let at_exponent = |value: f64, column| middle(&zipf.at(&[("zipf_exponent", value)]), column);
    let (ic, iw, iw_uniform) = (at_exponent(1.0, IN_CONTEXT), at_exponent(1.0, BY_HEART), at_exponent(0.0, BY_HEART));
    let values = [("ic", ic), ("iw", iw), ("iw at exponent 0", iw_uniform)];
    cases.push(CaseRow::new("Zipf exponent 1: both".to_owned(), None, ic > 0.5 && iw >= iw_uniform + 0.15, &values));
    let share = |case: &CaseRow| case.values[0].1.unwrap_or(f64::NAN);
    let measured = format!(
        "neighbors that agree: K x B ic {:.2}, iw {:.2}; noise ic {:.2}, iw {:.2}; B = 0: ic at most {most:.3}; Zipf 1: ic {ic:.2}, iw {iw:.2}",
        share(&cases[0]),
        share(&cases[1]),
        share(&cases[3]),
        share(&cases[4])
    );
    let figure =
        grid.draw_phases("reddy-2", "Classes K × copies B · no novel classes in training", "burstiness", "n_classes")?;
    noise.draw_dependence("reddy-2-noise", "Within-class noise", "within_class_noise")?;
    zipf.draw_dependence("reddy-2-zipf", "Frequency of classes", "zipf_exponent")?;
    Ok(Evidence { measured, cases, figure: Some(figure) })
}

pub(super) fn both(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let swept = swept(settings, watcher, "reddy-bursty-novel")?;
    let all = swept.at(&[("p_bursty", 0.5), ("p_novel", 0.5)]);
    let (runs, silent) = speaking(&all)?;
    let mut cases = Vec::new();
    for run in &runs {
        let (_, rows) = log(run)?;
        let late = &rows[rows.len() * 3 / 4..];
        let lowest =
            |prefix: &str| late.iter().map(|row| row.get(&metric::ACCURACY.on(prefix))).fold(f64::NAN, f64::min);
        let [ic, iw] = [IN_CONTEXT, BY_HEART].map(|prefix| accuracy(run, prefix));
        let [low_ic, low_iw] = [IN_CONTEXT, BY_HEART].map(lowest);
        let holds = ic > 0.95 && iw > 0.95 && low_ic > 0.9 && low_iw > 0.9;
        let values = [("ic", ic), ("iw", iw), ("lowest late ic", low_ic), ("iw", low_iw)];
        cases.push(case(run, "", holds, &values));
    }
    let over = |prefix: &str| runs.iter().map(|run| accuracy(run, prefix)).collect::<Vec<_>>();
    let measured = format!("{}; {}{silent}", summary("ic", &over(IN_CONTEXT)), summary("iw", &over(BY_HEART)));
    swept.draw_phases("reddy-5-phases", "Bursty × novel contexts · K = 512, B = 2", "p_novel", "p_bursty")?;
    let panel = panel(String::new(), &all)?;
    let title = "Both solutions · p_bursty = p_novel = .5, K = 512, B = 2 · median and range of seeds".to_owned();
    let figure = swept.draw("reddy-5", bands(&Bands { title, x_name: None, panels: vec![panel] }))?;
    Ok(Evidence { measured, cases, figure: Some(figure) })
}

fn panel(heading: String, runs: &[&SweepRow]) -> Result<BandPanel, LabError> {
    Ok(BandPanel {
        heading,
        y_name: "accuracy".to_owned(),
        series: seed_curves(
            runs,
            &[
                ("novel classes (ic)", metric::ACCURACY.on(IN_CONTEXT)),
                ("by heart (iw)", metric::ACCURACY.on(BY_HEART)),
            ],
        )?,
        references: guesses(runs)?,
        marks: Vec::new(),
        mark_words: String::new(),
    })
}

pub(super) fn either(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let swept = swept(settings, watcher, "reddy-classes-burstiness")?;
    let points = [(128.0, 1.0, [0.04, 1.0]), (1024.0, 2.0, [0.97, 0.09])];
    let (mut cases, mut panels, mut measured) = (Vec::new(), Vec::new(), Vec::new());
    for (classes, copies, wanted) in points {
        let name = format!("K = {classes}, B = {copies}");
        let all = swept.at(&[("n_classes", classes), ("burstiness", copies)]);
        let (runs, silent) = speaking(&all)?;
        if runs.len() < SEEDS_MIN {
            cases.push(CaseRow::new(format!("{name}: too few seeds speak"), None, false, &[]));
        }
        for run in &runs {
            let found = [IN_CONTEXT, BY_HEART].map(|prefix| accuracy(run, prefix));
            let holds = found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() <= 0.1);
            cases.push(case(run, &name, holds, &[("ic", found[0]), ("iw", found[1])]));
        }
        let over = |prefix: &str| runs.iter().map(|run| accuracy(run, prefix)).collect::<Vec<_>>();
        measured.push(format!(
            "{name}: {}, {}{silent}",
            summary("ic", &over(IN_CONTEXT)),
            summary("iw", &over(BY_HEART))
        ));
        panels.push(panel(name, &all)?);
    }
    let title = "By heart or from the context · median and range of seeds".to_owned();
    let figure = swept.draw("reddy-7", bands(&Bands { title, x_name: None, panels }))?;
    Ok(Evidence { measured: measured.join("; "), cases, figure: Some(figure) })
}

pub(super) fn exemplars_and_labels(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let swept = swept(settings, watcher, "reddy-exemplars-labels")?;
    let (mut cases, mut told) = (Vec::new(), Vec::new());
    for n in swept.values("n_exemplars") {
        for l in swept.values("n_labels") {
            let runs = swept.at(&[("n_exemplars", n), ("n_labels", l)]);
            if runs.is_empty() {
                continue;
            }
            let learned = runs.iter().filter(|run| run.t50.is_some()).count();
            let holds = match (n == l, n) {
                (true, 8.0) => learned == 0,
                (true, _) => learned <= 2,
                (false, _) => learned + 1 >= runs.len(),
            };
            let times: Vec<f64> = runs.iter().map(|run| run.t50.unwrap_or(f64::NAN)).collect();
            let time = median(times.into_iter().filter(|t| t.is_finite()));
            let values = [("learned", learned as f64), ("of", runs.len() as f64), ("median t50 of those", time)];
            cases.push(CaseRow::new(format!("N = {n}, L = {l}"), None, holds, &values));
            if n == l {
                told.push(format!("L = N = {n}: {learned} of {}", runs.len()));
            }
        }
    }
    let robust = cases.iter().filter(|case| case.holds).count();
    let measured = format!("{} cells of {} as claimed; {}", robust, cases.len(), told.join(", "));
    let title = "Exemplars N × labels L";
    let figure = swept.draw_phases("reddy-6", title, "n_labels", "n_exemplars")?;
    Ok(Evidence { measured, cases, figure: Some(figure) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_back_are_not_counted() {
        assert_eq!(agreeing(&[vec![0.1, 0.08, 0.9], vec![0.5, 0.2]], 1.0), (2.0 / 3.0, 3));
        assert_eq!(agreeing(&[vec![1.0, 0.5, 0.52]], -1.0), (1.0, 2));
    }
}
