//! The claim that the cliff comes later in larger contexts, at three levels of realism.

use precipice::theory::{Exponent, Over, ScalingError, exponent, scaling};
use precipice_figures::{self as figure, ScalingSeries};

use super::claim::{CaseRow, Claim, Evidence, Lookout, SOURCE, Settings};
use super::seeds::{Finished, run_seeds};
use crate::error::{FigureProblem, LabError};
use crate::reports::theory::half_step;
use crate::run_figures::write;

pub(super) fn claim() -> Claim {
    Claim {
        id: "essay-6",
        claim: "the time of the cliff grows as N^(3/2) in the formula; in networks it is measured",
        source: SOURCE,
        band: "formula, L = 4N: exponent between N = 512 and 1,024 within .01 of 3/2; \
               networks: every seed reaches p(correct) = 1/2, so that the exponent has an interval",
        check: cliff_time,
    }
}

/// Sizes and seeds of the minimal head and of the full network.
struct Plan {
    head_sizes: &'static [usize],
    network_sizes: &'static [usize],
    n_seeds: u64,
}

const FAST: Plan = Plan { head_sizes: &[4, 8, 16], network_sizes: &[4, 6, 8], n_seeds: 2 };
const FULL: Plan = Plan { head_sizes: &[4, 8, 16, 32], network_sizes: &[4, 6, 8, 12], n_seeds: 3 };

/// (N, time) of each run, NaN where p(correct) stays below 1/2.
type Times = Vec<(f64, f64)>;

fn cliff_time(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let plan = if settings.fast { FAST } else { FULL };
    let over = Over::Exemplars { labels_per_exemplar: 4.0 };
    let sizes = [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
    let problem = |e: ScalingError| LabError::figure("scaling", FigureProblem::Theory { why: e.to_string() });
    let points = scaling(over, &sizes).map_err(problem)?;
    let formula: Times = points.iter().map(|p| (p.value, p.t50.unwrap_or(f64::NAN))).collect();
    let law: Times = points.iter().map(|p| (p.value, p.law.unwrap_or(f64::NAN))).collect();

    let mut cases = Vec::new();
    let last = exponent(&formula).map_or(f64::NAN, |fit| fit.last);
    let values = [("exponent", last), ("derived", 1.5)];
    cases.push(CaseRow::new("formula, N = 512 to 1,024".to_owned(), None, (last - 1.5).abs() < 0.01, &values));
    let mut timed = |name: &str, runs: &[Finished]| -> Times {
        let row = |run: &Finished| {
            let step = half_step(&run.spec, &run.rows).unwrap_or(f64::NAN);
            let mut row = run.row(step.is_finite(), &[("step of p = 1/2", step)]);
            row.case = format!("{name}, N = {}, {}", run.spec.facts().n_exemplars(), row.case);
            cases.push(row);
            (run.spec.facts().n_exemplars() as f64, step)
        };
        runs.iter().map(row).collect()
    };
    let mut heads = Vec::new();
    for &n in plan.head_sizes {
        heads.extend(run_seeds(settings, watcher, "minimal-head", &head(n), plan.n_seeds)?);
    }
    let heads = timed("minimal head", &heads);
    let mut networks = Vec::new();
    for &n in plan.network_sizes {
        networks.extend(run_seeds(settings, watcher, "copying", &network(n), plan.n_seeds)?);
    }
    let networks = timed("full network", &networks);
    let measured = format!(
        "exponent: formula {last:.4} at the largest N, {} for N = 4 to 32; minimal head {}; full network {}",
        words(exponent(&formula[..4])),
        words(exponent(&heads)),
        words(exponent(&networks))
    );
    let series = |name: &str, points: &Times, is_law| {
        let fit = if is_law { String::new() } else { format!(", exponent {}", words(exponent(points))) };
        ScalingSeries { name: format!("{name}{fit}"), points: points.clone(), is_law }
    };
    let data = figure::Scaling {
        title: "When the cliff comes, L = 4N".to_owned(),
        x_name: "context size N".to_owned(),
        y_name: "time or steps to p(correct) = ½".to_owned(),
        series: vec![
            series("full network", &networks, false),
            series("minimal head", &heads, false),
            series("flow of the formula", &formula, false),
            series("law for large N", &law, true),
        ],
    };
    let path = settings.out.join("scaling.svg");
    let drawn = figure::scaling(&data);
    let drawn = drawn.map_err(|e| LabError::figure("scaling", e))?;
    write(&drawn, &path)?;
    Ok(Evidence { measured, cases, figure: Some(path) })
}

/// "1.66 ± .06"
fn words(fit: Option<Exponent>) -> String {
    fit.map_or_else(|| "undefined".to_owned(), |fit| format!("{:.2} ± {:.2}", fit.value, fit.standard_error))
}

/// The minimal head at N, L = 4N: every parameter at unit rate, as many steps as the formula needs
/// one and a half times.
fn head(n: usize) -> Vec<String> {
    let steps = (n as f64).powf(1.5) * 60.0 + 300.0;
    vec![
        "name=minimal-head-scaling".to_owned(),
        format!("task.copying.n_exemplars={n}"),
        format!("task.copying.n_labels={}", 4 * n),
        format!("train.rate_factors={{ readout = {}.0 }}", 4 * n),
        format!("train.steps={}", (steps / 100.0).ceil() * 100.0),
        "probes.enabled=false".to_owned(),
    ]
}

/// The default network at N, L = 4N, with one position code for all N.
fn network(n: usize) -> Vec<String> {
    vec![
        "name=copying-scaling".to_owned(),
        format!("task.copying.n_exemplars={n}"),
        format!("task.copying.n_labels={}", 4 * n),
        "model.d_pos=25".to_owned(),
        format!("train.steps={}", 70 * n * n + 1000),
        "eval.every=50".to_owned(),
        "probes.enabled=false".to_owned(),
        "probes.ablations=[]".to_owned(),
        "checkpoint.every=2000".to_owned(),
    ]
}
