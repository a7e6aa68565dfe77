//! Plateaus on which training lingers: saddles whose losses are known.

use precipice::measure::descent::closed_forms::plateaus;
use precipice::measure::metric;
use precipice::measure::transition::median;

use super::runs::{SPEC, overrides, white};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::claims::seeds::{Finished, run_seeds};
use crate::error::LabError;

/// t50 above which a run has been trapped: four times what the others need.
const TRAPPED: f64 = 1000.0;

pub(super) fn misreading(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (mut cases, mut words) = (Vec::new(), Vec::new());
    for (name, scale) in [("as drawn", 1.0), ("without misreading", 0.0)] {
        let scale = format!("model.misread_scale={scale:?}");
        let changes =
            ["probes.enabled=false", "eval.sequences=40000", "eval.every=50", "checkpoint.every=5000", &scale];
        let runs = run_seeds(settings, watcher, SPEC, &overrides(&changes), 32)?;
        let t50 = |run: &Finished| run.jump().map_or(f64::INFINITY, |jump| jump.t50);
        let typical = median(runs.iter().map(t50));
        let (mut n_trapped, mut levels) = (0, Vec::new());
        for run in &runs {
            // The level between twice a free run's time and the escape.
            let (t50, theory) = (t50(run), white(&run.spec));
            let before = run.rows.iter().filter(|row| row.step as f64 > 500.0 && (row.step as f64) < 0.7 * t50);
            let level = median(before.map(|row| {
                row.get(&metric::LOSS.main()) / row.get(&metric::PREDICTOR_LOSS.at(["", "zero"])) * theory.zero_loss()
            }));
            let is_trapped = t50 > TRAPPED;
            n_trapped += u32::from(is_trapped);
            if is_trapped {
                levels.push(level);
            }
            let holds = if name == "as drawn" {
                !is_trapped || (level - theory.rank_one_saddle_loss()).abs() < 0.004
            } else {
                t50 < 1.1 * typical
            };
            let case = format!("{name}, seed {}", run.seed());
            cases.push(CaseRow::new(case, Some(run.seed()), holds, &[("t50", t50), ("level", level)]));
        }
        words.push(format!("{name}: trapped {n_trapped} of 32, median t50 {typical:.0}"));
        // Without a trapped seed nothing would be said of the saddle.
        let holds = if name == "as drawn" { n_trapped >= 2 } else { n_trapped == 0 };
        let case = format!("{name}, all seeds");
        cases.push(CaseRow::new(case, None, holds, &[("trapped", f64::from(n_trapped))]));
        if !levels.is_empty() {
            words.push(summary("level", &levels));
        }
    }
    Ok(Evidence { measured: words.join("; "), cases, figure: None })
}

pub(super) fn eigenvalues(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let runs = run_seeds(settings, watcher, "regression-rank-one", &[], if settings.fast { 4 } else { 16 })?;
    let (mut cases, mut deviations) = (Vec::new(), Vec::new());
    for run in &runs {
        let theory: Vec<f64> = plateaus(&run.spec).into_iter().map(|(_, level)| level).collect();
        let found: Vec<Plateau> = lingering(run, &theory);
        let relative = |(found, theory): (&Plateau, &f64)| found.level / theory - 1.0;
        let holds = found.iter().zip(&theory).all(|pair| relative(pair).abs() < 0.04 && pair.0.flat_share > 0.5);
        deviations.extend(found.iter().zip(&theory).map(relative));
        let names = [
            ["1 eigenvalue", "flat"],
            ["2 eigenvalues", "flat, 2"],
            ["3 eigenvalues", "flat, 3"],
            ["4 eigenvalues", "flat, 4"],
        ];
        let values: Vec<(&str, f64)> = names
            .into_iter()
            .zip(found)
            .flat_map(|([level, flat], found)| [(level, found.level), (flat, found.flat_share)])
            .collect();
        cases.push(run.row(holds, &values));
    }
    let figure = runs.first().and_then(|run| run.figure("learning-curve"));
    Ok(Evidence { measured: summary("deviation of the plateaus from theory", &deviations), cases, figure })
}

/// Rows nearer to one level than to any other.
struct Plateau {
    /// Their median loss.
    level: f64,
    /// The share of them within 4 % of that: a sixth where a curve only passes by.
    flat_share: f64,
}

/// The plateaus of a run at each of the levels. Losses are taken relative to the zero predictor's on the same contexts.
fn lingering(run: &Finished, theory: &[f64]) -> Vec<Plateau> {
    let zero = run.spec.task.regression().map_or(f64::NAN, |task| task.zero_loss());
    let all: Vec<f64> = std::iter::once(zero).chain(theory.iter().copied()).collect();
    let losses: Vec<f64> = run
        .rows
        .iter()
        .map(|row| zero * row.get(&metric::LOSS.main()) / row.get(&metric::PREDICTOR_LOSS.at(["", "zero"])))
        .collect();
    let nearest = |loss: f64| {
        let distance = |level: &f64| (loss.ln() - level.ln()).abs();
        (0..all.len()).min_by(|&a, &b| distance(&all[a]).total_cmp(&distance(&all[b]))).unwrap_or_default()
    };
    let plateau = |level: usize| {
        let near: Vec<f64> = losses.iter().copied().filter(|&loss| nearest(loss) == level).collect();
        let level = median(near.iter().copied());
        let n_flat = near.iter().filter(|&loss| (loss / level - 1.0).abs() < 0.04).count();
        Plateau { level, flat_share: n_flat as f64 / near.len() as f64 }
    };
    (1..all.len()).map(plateau).collect()
}
