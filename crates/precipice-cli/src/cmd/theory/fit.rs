//! `precipice theory fit`: the formula's time scales in a stored run, and the jump they foretell.

use anyhow::Context;
use precipice_lab::reports::theory::{FitReport, FittedRates, FormulaFit};
use precipice_lab::store::RunDir;

use crate::args::FitArgs;
use crate::numbers::commas;
use crate::output::{run_named, say_json, say_text};
use crate::progress::Working;

/// Rows of the table of forecasts.
const ROWS: usize = 8;

pub fn fit(args: &FitArgs) -> anyhow::Result<()> {
    let run_dir = RunDir::new(run_named(&args.run)?);
    let working = Working::on("fitting", false);
    let (spec, rows) = (run_dir.spec()?, run_dir.rows()?);
    let report = FitReport::new(&spec, &rows).with_context(|| format!("{}", run_dir.root().display()))?;
    drop(working);
    if args.json {
        return say_json(&report);
    }
    let FitReport { t50: jump, half_step: half, formulas } = report;
    let at = |what: &str, step: Option<f64>| match step {
        Some(step) => format!("{what} at step {}", commas(step.round() as u64)),
        None => format!("{what} not reached within {} steps", commas(spec.train.steps)),
    };
    let mut lines = vec![
        format!("measured: {}", at("accuracy half way", jump)),
        format!("          {}, which is what the formula foretells", at("p(correct) = 1/2 (loss = ln 2)", half)),
    ];
    for comparison in &formulas {
        lines.push(String::new());
        lines.extend(section(comparison, half));
    }
    say_text(&lines.join("\n"))
}

fn section(comparison: &FormulaFit, half: Option<f64>) -> Vec<String> {
    let mut lines = vec![comparison.formula.name().to_owned()];
    lines.push(match comparison.fit {
        Some(fit) => rates(comparison, fit),
        None => "  too few points, or no force, to fit rates to".to_owned(),
    });
    if comparison.forecasts.is_empty() {
        return lines;
    }
    lines.push(format!("  {:>14} {:>22} {:>22}", "known to step", "p = 1/2 at own rates", "at one rate"));
    let n = comparison.forecasts.len();
    let shown = ROWS.min(n);
    let picked = (1..=shown).map(|i| &comparison.forecasts[i * n / shown - 1]);
    lines.extend(picked.map(|forecast| {
        let step = commas(forecast.until_step as u64);
        format!("  {step:>14} {:>22} {:>22}", foretold(forecast.own_rates, half), foretold(forecast.common_rate, half))
    }));
    lines
}

fn rates(comparison: &FormulaFit, fit: FittedRates) -> String {
    let [beta, alpha, xi] = fit.rates;
    let [d_beta, d_alpha, d_xi] = fit.standard_errors;
    format!(
        "  flow time a step, fitted up to step {}: beta {beta:.4} ± {d_beta:.4}, alpha {alpha:.4} ± {d_alpha:.4}, \
         xi {xi:.4} ± {d_xi:.4}; one rate for all {:.4}",
        commas(comparison.until_step as u64),
        fit.common_rate
    )
}

/// "2,512 (-9.7 %)"
fn foretold(step: Option<f64>, half: Option<f64>) -> String {
    let Some(step) = step else { return "none".to_owned() };
    let error = half.map_or(String::new(), |half| format!(" ({:+.1} %)", 100.0 * (step / half - 1.0)));
    format!("{}{error}", commas(step.round() as u64))
}
