//! Claims of the essay on abrupt in-context learning (G. Reddy 2024) about the full network.

use precipice::measure::attention::is_induction_head;
use precipice::measure::interactions::PARTS;
use precipice::measure::transition::{median, transition_of};
use precipice::measure::{Column, metric};

use super::claim::{Claim, Evidence, Lookout, SOURCE, Settings, summary};
use super::formula::saddle_cases;
use super::seeds::{Finished, run_seeds};
use crate::error::LabError;

pub(super) fn claims() -> Vec<Claim> {
    vec![
        Claim {
            id: "essay-1",
            claim: "copying is learned abruptly, from a plateau at 1/N",
            source: SOURCE,
            band: "10-90 % width of accuracy < 25 % of t50; plateau within .05 of 1/N; every seed",
            check: abrupt,
        },
        Claim {
            id: "essay-2",
            claim: "the trained network is an induction head",
            source: SOURCE,
            band: "ILA1 > .5, TILA2 > .85; layer 1 led by position x position, layer 2 by content x buffer; \
                   either head ablated: accuracy <= 1.5/N; every seed",
            check: induction_head,
        },
        Claim {
            id: "essay-4",
            claim: "before the jump accuracy goes from 1/L to 1/N: the network guesses among the context's labels",
            source: SOURCE,
            band: "context-label accuracy > .9 before accuracy exceeds 1.5/N; every seed",
            check: curriculum,
        },
        Claim {
            id: "essay-5",
            claim: "L = N takes the curriculum away, and nothing is learned: the formula stays on its saddle for ever, \
                    a network for long",
            source: SOURCE,
            band: "formula: no motion from the origin by t = 1e6, rate of escape beside it within 1e-3 of the derived one; \
                   network: no seed learns within 3 x the median t50 of L = 4N",
            check: no_curriculum,
        },
    ]
}

/// The experiment behind the claims, and how many seeds of it.
fn experiment(settings: &Settings) -> (&'static str, u64) {
    if settings.fast { ("copying-small", 8) } else { ("copying", 6) }
}

/// For abruptness there is no small substitute: at N = 4 the jump takes a third of the time to it.
fn abrupt_experiment(settings: &Settings) -> (&'static str, u64) {
    ("copying", if settings.fast { 3 } else { 6 })
}

fn abrupt(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (spec, n_seeds) = abrupt_experiment(settings);
    let runs = run_seeds(settings, watcher, spec, &[], n_seeds)?;
    let (mut relative, mut plateaus, mut times) = (Vec::new(), Vec::new(), Vec::new());
    let mut seeds = Vec::new();
    for run in &runs {
        let (_, transition) = transition_of(&run.spec.facts(), &run.rows);
        let of = |f: fn(&precipice::measure::transition::Transition) -> f64| transition.as_ref().map_or(f64::NAN, f);
        let (t50, width, plateau) = (of(|t| t.t50), of(|t| t.width_10_90), of(|t| t.plateau_accuracy));
        let holds = width / t50 < 0.25 && (plateau - run.spec.facts().progress.floor).abs() <= 0.05;
        let accuracy = run.last(&metric::ACCURACY.main());
        seeds.push(run.row(holds, &[("t50", t50), ("width", width), ("plateau", plateau), ("accuracy", accuracy)]));
        relative.push(width / t50);
        plateaus.push(plateau);
        times.push(t50);
    }
    let measured =
        [summary("width / t50", &relative), summary("plateau", &plateaus), summary("t50", &times)].join("; ");
    Ok(Evidence { measured, cases: seeds, figure: runs[0].figure("learning-curve") })
}

fn induction_head(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (spec, n_seeds) = experiment(settings);
    let runs = run_seeds(settings, watcher, spec, &[], n_seeds)?;
    let mut seeds = Vec::new();
    let without = |layer: &str| metric::ABLATED_ACCURACY.at([layer, "0", "zero"]);
    let columns = [metric::ILA1.main(), metric::TILA2.main(), without("0"), without("1")];
    for run in &runs {
        let [ila1, tila2, without_first, without_second] = columns.each_ref().map(|column| run.last(column));
        let guess = 1.5 * run.spec.facts().progress.floor;
        let led = leading_part(run, 0) == ("position", "position") && leading_part(run, 1) == ("content", "buffer");
        let holds = is_induction_head(ila1, tila2) && led && without_first <= guess && without_second <= guess;
        let values = [
            ("ila1", ila1),
            ("tila2", tila2),
            ("position x position, layer 1", share(run, 0, "position", "position")),
            ("content x buffer, layer 2", share(run, 1, "content", "buffer")),
            ("without head 1", without_first),
            ("without head 2", without_second),
        ];
        seeds.push(run.row(holds, &values));
    }
    let over = |column: &Column| runs.iter().map(|run| run.last(column)).collect::<Vec<_>>();
    let names = ["ILA1", "TILA2", "accuracy without head 1", "without head 2"];
    let mut parts: Vec<String> =
        names.iter().zip(&columns).map(|(name, column)| summary(name, &over(column))).collect();
    let shares = |layer, a, b| runs.iter().map(|run| share(run, layer, a, b)).collect::<Vec<_>>();
    parts.push(summary("variance share of position x position in layer 1", &shares(0, "position", "position")));
    parts.push(summary("of content x buffer in layer 2", &shares(1, "content", "buffer")));
    Ok(Evidence { measured: parts.join("; "), cases: seeds, figure: runs[0].figure("interactions") })
}

fn share(run: &Finished, layer: usize, query: &str, key: &str) -> f64 {
    run.last(&metric::INTERACTION_SHARE.at([&layer.to_string(), query, key]))
}

/// The interaction with the largest share of the score's variance.
fn leading_part(run: &Finished, layer: usize) -> (&'static str, &'static str) {
    let pairs = PARTS.iter().flat_map(|query| PARTS.iter().map(|key| (*query, *key)));
    let by_share =
        |a: &(&str, &str), b: &(&str, &str)| share(run, layer, a.0, a.1).total_cmp(&share(run, layer, b.0, b.1));
    pairs.max_by(by_share).unwrap_or(("", ""))
}

fn curriculum(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (spec, n_seeds) = experiment(settings);
    let runs = run_seeds(settings, watcher, spec, &[], n_seeds)?;
    let mut best = Vec::new();
    let mut seeds = Vec::new();
    for run in &runs {
        let guess = 1.5 * run.spec.facts().progress.floor;
        let before = run.rows.iter().take_while(|row| row.get(&metric::ACCURACY.main()) <= guess);
        let highest =
            before.clone().map(|row| row.get(&metric::CONTEXT_LABEL_ACCURACY.main())).fold(f64::NAN, f64::max);
        let until = before.last().map_or(f64::NAN, |row| row.step as f64);
        let has_jumped = run.rows.iter().any(|row| row.get(&metric::ACCURACY.main()) > guess);
        seeds.push(run.row(has_jumped && highest > 0.9, &[("context-label accuracy", highest), ("until step", until)]));
        best.push(highest);
    }
    let measured = summary("context-label accuracy before accuracy exceeds 1.5/N", &best);
    Ok(Evidence { measured, cases: seeds, figure: runs[0].figure("order-parameters") })
}

fn no_curriculum(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (spec, n_seeds) = experiment(settings);
    let with = run_seeds(settings, watcher, spec, &[], n_seeds)?;
    let t50 = |run: &Finished| transition_of(&run.spec.facts(), &run.rows).1.map_or(f64::NAN, |t| t.t50);
    let times: Vec<f64> = with.iter().map(t50).collect();
    // A seed that did not jump counts as later than all that did.
    let limit = 3.0 * median(times.iter().map(|t| if t.is_finite() { *t } else { f64::INFINITY }));
    if !limit.is_finite() {
        let measured = format!("L = 4N: most seeds of {spec} did not jump, so there is nothing to compare with");
        return Ok(Evidence { measured, cases: Vec::new(), figure: None });
    }
    let steps = (limit / 100.0).ceil() * 100.0;
    let overrides = [
        format!("name={spec}-l-equals-n"),
        format!("task.copying.n_labels={}", with[0].spec.facts().n_exemplars()),
        format!("train.steps={steps}"),
        "eval.every=100".to_owned(),
        "checkpoint.every=1000".to_owned(),
    ];
    let without = run_seeds(settings, watcher, spec, &overrides, n_seeds)?;
    let mut seeds = saddle_cases()?;
    let n_formula = seeds.len();
    let mut escaped = 0;
    for run in &without {
        let threshold = run.spec.facts().progress.threshold();
        let escape = run
            .rows
            .iter()
            .find(|row| row.get(&metric::ACCURACY.main()) > threshold)
            .map_or(f64::NAN, |row| row.step as f64);
        let highest = run.rows.iter().map(|row| row.get(&metric::ACCURACY.main())).fold(f64::NAN, f64::max);
        let has_escaped = escape <= limit;
        escaped += usize::from(has_escaped);
        seeds.push(run.row(!has_escaped, &[("highest accuracy", highest), ("escape step", escape)]));
    }
    let highest: Vec<f64> = seeds[n_formula..].iter().filter_map(|row| row.values[0].1).collect();
    let measured = format!(
        "formula: stays at the origin, escapes beside it as derived; network, L = 4N: {}; L = N: {escaped} of {} seeds learn within {limit:.0} steps (runs end there, so later escapes are not seen); {}",
        summary("t50", &times),
        without.len(),
        summary("highest accuracy", &highest)
    );
    Ok(Evidence { measured, cases: seeds, figure: without[0].figure("learning-curve") })
}
