//! Claims about in-context linear regression (von Oswald et al. 2023, arXiv:2212.07677), and of the exact theory
//! around it.

use precipice::model::Params;
use precipice::probe::regression::evaluate;
use precipice::probe::transition::median;
use precipice::spec::{RunSpec, TaskSpec};
use precipice::theory::regression::White;
use precipice::train::TrainState;

use super::essay::{Finished, run_seeds};
use super::{CaseRow, Claim, Evidence, Lookout, Settings, summary};
use crate::error::LabError;
use crate::run_figures::at_step;
use crate::session::new_trainer;
use crate::threads::{self, Pool};

const SOURCE: &str = "von Oswald et al. 2023, arXiv:2212.07677";
const SPEC: &str = "regression";

pub(super) fn claims() -> Vec<Claim> {
    let claim = |id, claim, band, check| Claim { id, claim, source: SOURCE, band, check };
    vec![
        claim(
            "oswald-1",
            "one trained linear attention layer is one step of gradient descent",
            "every seed that leaves the saddle: loss within .003 of the closed form .2062 on 100,000 contexts; cosine of \
             sensitivities > .995; eta/N read off the weights within 3 % of .606; weights half way to the constructed \
             ones lose < 1 %",
            trained_is_descent,
        ),
        claim(
            "oswald-2",
            "the closed form holds for other sizes, and away from the training distribution",
            "N = d = 5, 10, 20: loss within 2 %; inputs and labels scaled by .5 to 2 after training: within 5 %",
            sizes_and_scales,
        ),
        claim(
            "oswald-3",
            "the trained layer applied again and again goes on descending, and diverges unless damped",
            "loss after 2, 3, 4, 5 applications within 6 % of .157, .133, .120, .113; beyond the zero predictor's at 50 \
             undamped; below .065 at 50 with damping .75",
            roll_out,
        ),
        claim(
            "oswald-4",
            "two tied layers learn more than gradient descent: GD++",
            "every seed: loss .110 to .116; cosine of sensitivities with GD++ > .99 and larger than with descent",
            two_layers,
        ),
        claim(
            "oswald-5",
            "one soft-max head cannot do a step of gradient descent, two can nearly",
            "every seed: one head > .27, two heads < .225",
            soft_max,
        ),
        claim(
            "oswald-6",
            "a soft-max and a linear layer learn gradient descent from a plain stream of tokens, abruptly",
            "every seed: plateau within 3 % of the zero predictor, then below .23 by step 15,000",
            stream,
        ),
        claim(
            "oswald-8",
            "seeds that stay on a plateau sit on the rank-one saddle in which values read x and keys read y",
            "32 seeds: those with t50 > 1,000 spend it within .004 of the saddle's loss .3956; \
             without those first weights all 32 jump, and none later than 1.1 x the median",
            saddle,
        ),
    ]
}

fn n_seeds(settings: &Settings) -> u64 {
    if settings.fast { 3 } else { 8 }
}

fn overrides(changes: &[&str]) -> Vec<String> {
    changes.iter().map(|change| (*change).to_owned()).collect()
}

/// What a run ended with.
fn state(run: &Finished) -> Result<TrainState, LabError> {
    Ok(at_step(&run.run_dir, &run.spec, run.spec.train.steps)?.into_state())
}

/// Loss of trained parameters under a changed spec, on its evaluation set.
fn loss_under(run: &Finished, state: &TrainState, change: impl FnOnce(&mut RunSpec)) -> Result<f64, LabError> {
    let mut spec = run.spec.clone();
    change(&mut spec);
    let mut trainer = new_trainer(&spec, None)?;
    trainer.restore(state.clone());
    let error = |e| LabError::run_dir(run.run_dir.root(), format!("no threads: {e}"));
    let pool = Pool::new(threads::available()).map_err(error)?;
    Ok(evaluate(&spec, &trainer, &pool).loss())
}

fn white(spec: &RunSpec) -> White {
    let task = spec.task.regression().expect("a regression spec");
    White {
        n_exemplars: task.n_exemplars,
        d_item: task.d_item,
        variance: task.input_variance(),
        kurtosis: task.input_kurtosis(),
        noise: task.noise,
    }
}

/// W_Q W_K^T `[C, C]` and what a single head reads, W_V W_O[:, y] `[C]`.
fn products(params: &Params<f32>) -> (Vec<f64>, Vec<f64>) {
    let get = |name: &str| -> Vec<f64> {
        let values = params.get(&format!("blocks.0.attn.{name}")).expect("a layer with an output projection");
        values.iter().map(|&x| f64::from(x)).collect()
    };
    let [w_q, w_k, w_v, w_o] = ["W_Q", "W_K", "W_V", "W_O"].map(get);
    let c = (w_q.len() as f64).sqrt() as usize;
    let looks = (0..c * c).map(|at| (0..c).map(|k| w_q[at / c * c + k] * w_k[at % c * c + k]).sum()).collect();
    let reads = (0..c).map(|row| (0..c).map(|k| w_v[row * c + k] * w_o[k * c + c - 1]).sum()).collect();
    (looks, reads)
}

/// eta / N as the weights have it, and the same network with weights half way to the constructed ones.
fn half_way(state: &TrainState, rate: f64) -> (f64, TrainState) {
    let (looks, reads) = products(&state.params);
    let c = reads.len();
    let d = c - 1;
    let read = -reads[d];
    let found = read * (0..d).map(|i| looks[i * c + i]).sum::<f64>() / d as f64;
    let mut between = state.clone();
    let layout = between.params.layout.clone();
    for tensor in layout.tensors() {
        let values = &mut between.params.values[tensor.range.clone()];
        values.fill(0.0);
        let name = tensor.name.rsplit('.').next().unwrap_or_default();
        for i in 0..c {
            match name {
                // Both networks scaled so that they read -y.
                "W_Q" => (0..c).for_each(|j| {
                    let constructed = if i == j && i < d { rate } else { 0.0 };
                    values[i * c + j] = (0.5 * (read * looks[i * c + j] + constructed)) as f32;
                }),
                "W_K" => values[i * c + i] = 1.0,
                "W_V" => {
                    let constructed = if i == d { -1.0 } else { 0.0 };
                    values[i * c + d] = (0.5 * (reads[i] / read + constructed)) as f32;
                }
                _ => values[i * c + i] = if i == d { 1.0 } else { 0.0 },
            }
        }
    }
    (found, between)
}

/// Runs that left the saddle, and in words how many did not.
fn free(runs: Vec<Finished>) -> (Vec<Finished>, String) {
    let n = runs.len();
    let kept: Vec<Finished> = runs.into_iter().filter(|run| run.last("gd_share") > 0.5).collect();
    let words =
        if kept.len() < n { format!("; on the saddle, not judged: {} of {n}", n - kept.len()) } else { String::new() };
    (kept, words)
}

fn trained_is_descent(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (runs, words) = free(run_seeds(settings, watcher, SPEC, &[], n_seeds(settings))?);
    let (mut cases, mut losses, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let theory = white(&run.spec);
        let per_exemplar = theory.optimal_rate() / theory.n_exemplars as f64;
        let state = state(run)?;
        let (rate, between) = half_way(&state, per_exemplar);
        let (loss, cosine) = (run.last("loss"), run.last("gd_sensitivity_cosine"));
        let lost = loss_under(run, &between, |_| {})? / loss - 1.0;
        let holds = (loss - theory.optimal_loss()).abs() < 0.003
            && cosine > 0.995
            && (rate / per_exemplar - 1.0).abs() < 0.03
            && lost < 0.01;
        cases.push(run.row(holds, &[("loss", loss), ("cosine", cosine), ("eta/N", rate), ("half way loses", lost)]));
        losses.push(loss);
        rates.push(rate);
    }
    let measured = format!("{}; {}{words}", summary("loss", &losses), summary("eta/N", &rates));
    Ok(Evidence { measured, cases, figure: runs.first().and_then(|run| run.figure("learning-curve")) })
}

fn sizes_and_scales(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (mut cases, mut deviations) = (Vec::new(), Vec::new());
    let mut judge = |case: String, seed: u64, loss: f64, expected: f64, tolerance: f64| {
        let deviation = loss / expected - 1.0;
        deviations.push(deviation);
        let values = [("loss", loss), ("closed form", expected), ("deviation", deviation)];
        cases.push(CaseRow::new(format!("{case}, seed {seed}"), Some(seed), deviation.abs() < tolerance, &values));
    };
    let n_runs = if settings.fast { 2 } else { 6 };
    for n in [5, 10, 20] {
        let sizes = [format!("task.regression.n_exemplars={n}"), format!("task.regression.d_item={n}")];
        // Wider tokens need more steps at the same clipped gradient.
        let more = if n > 10 { vec!["train.steps=10000".to_owned()] } else { Vec::new() };
        let (runs, _) = free(run_seeds(settings, watcher, SPEC, &[&sizes[..], &more].concat(), n_runs)?);
        for run in &runs {
            let theory = white(&run.spec);
            judge(format!("N = d = {n}"), run.seed(), run.last("loss"), theory.optimal_loss(), 0.02);
            if n != 10 {
                continue;
            }
            let state = state(run)?;
            for factor in [0.5, 0.8, 1.4, 2.0] {
                let of_inputs = loss_under(run, &state, |spec| regression(spec).input_scale *= factor)?;
                let expected = theory.loss_at_scale(theory.optimal_rate(), factor);
                judge(format!("inputs x {factor}"), run.seed(), of_inputs, expected, 0.05);
                let of_labels = loss_under(run, &state, |spec| regression(spec).label_scale *= factor)?;
                judge(
                    format!("labels x {factor}"),
                    run.seed(),
                    of_labels,
                    factor * factor * theory.optimal_loss(),
                    0.05,
                );
            }
        }
    }
    Ok(Evidence { measured: summary("deviation from the closed form", &deviations), cases, figure: None })
}

fn regression(spec: &mut RunSpec) -> &mut precipice::spec::RegressionSpec {
    let TaskSpec::Regression(task) = &mut spec.task else { unreachable!("a regression spec") };
    task
}

fn roll_out(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (runs, words) = free(run_seeds(settings, watcher, SPEC, &[], n_seeds(settings))?);
    let (mut cases, mut damped_losses) = (Vec::new(), Vec::new());
    for run in &runs {
        let state = state(run)?;
        let applied = |n_layers: usize, damping: f64| {
            loss_under(run, &state, |spec| {
                (spec.model.n_layers, spec.model.tied_layers, spec.model.damping) = (n_layers, true, damping);
                // Fifty layers token by token; 2,000 contexts give the loss to a few percent of its spread.
                spec.eval.sequences = if n_layers > 5 { 2000 } else { 50_000 };
            })
        };
        let expected = [0.157, 0.133, 0.120, 0.113];
        let mut losses = Vec::new();
        for n_layers in 2..=5 {
            losses.push(applied(n_layers, 1.0)?);
        }
        let (undamped, damped) = (applied(50, 1.0)?, applied(50, 0.75)?);
        let is_descent = losses.iter().zip(expected).all(|(loss, expected)| (loss / expected - 1.0).abs() < 0.06);
        let diverges = undamped.is_nan() || undamped > run.last("zero_loss");
        let names = ["2 times", "3", "4", "5"];
        let mut values: Vec<(&str, f64)> = names.into_iter().zip(losses.iter().copied()).collect();
        values.extend([("50", undamped), ("50, damping .75", damped)]);
        cases.push(run.row(is_descent && diverges && damped < 0.065, &values));
        damped_losses.push(damped);
    }
    let measured = format!("{}{words}", summary("loss after 50 damped by .75", &damped_losses));
    Ok(Evidence { measured, cases, figure: None })
}

fn two_layers(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let changes = ["model.n_layers=2", "model.tied_layers=true", "model.init_scale=0.001", "train.steps=10000"];
    let faster = ["eval.sequences=20000", "eval.every=500"];
    let runs = run_seeds(settings, watcher, SPEC, &overrides(&[&changes[..], &faster].concat()), n_seeds(settings))?;
    let (mut cases, mut losses, mut cosines) = (Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let (loss, cosine) = (run.last("loss"), run.last("gd_plus_plus_sensitivity_cosine"));
        let with_descent = run.last("gd_sensitivity_cosine");
        let holds = (0.110..=0.116).contains(&loss) && cosine > 0.99 && cosine > with_descent;
        cases.push(run.row(holds, &[("loss", loss), ("cosine, GD++", cosine), ("cosine, descent", with_descent)]));
        losses.push(loss);
        cosines.push(cosine);
    }
    let measured = format!("{}; {}", summary("loss", &losses), summary("cosine with GD++", &cosines));
    Ok(Evidence { measured, cases, figure: runs.first().and_then(|run| run.figure("learning-curve")) })
}

fn soft_max(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (mut cases, mut of_heads) = (Vec::new(), Vec::new());
    for n_heads in [1, 2] {
        let heads = format!("model.n_heads={n_heads}");
        let changes = ["model.attention=[\"softmax\"]", "model.scale_scores=true", "train.steps=20000", &heads];
        let faster = ["eval.sequences=20000", "eval.every=500"];
        let changes = overrides(&[&changes[..], &faster].concat());
        let mut losses = Vec::new();
        for run in &run_seeds(settings, watcher, SPEC, &changes, n_seeds(settings))? {
            let loss = run.last("loss");
            let holds = if n_heads == 1 { loss > 0.27 } else { loss < 0.225 };
            let words = if n_heads == 1 { "1 head".to_owned() } else { format!("{n_heads} heads") };
            let case = format!("{words}, seed {}", run.seed());
            cases.push(CaseRow::new(case, Some(run.seed()), holds, &[("loss", loss)]));
            losses.push(loss);
        }
        of_heads.push(summary(&format!("loss with {n_heads}"), &losses));
    }
    Ok(Evidence { measured: of_heads.join("; "), cases, figure: None })
}

fn stream(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let changes = [
        "model.n_layers=2",
        "model.attention=[\"softmax\", \"linear\"]",
        "model.tokens=\"stream\"",
        "model.d_pos=21",
        "model.init_scale=0.001",
        "train.batch_size=256",
        "train.steps=15000",
        "eval.sequences=10000",
        "eval.every=250",
    ];
    let runs = run_seeds(settings, watcher, SPEC, &overrides(&changes), n_seeds(settings))?;
    let (mut cases, mut losses) = (Vec::new(), Vec::new());
    for run in &runs {
        let (t50, plateau) = run.jump().map_or((f64::NAN, f64::NAN), |jump| (jump.t50, jump.plateau_loss));
        let loss = run.last("loss");
        let holds = (plateau / run.last("zero_loss") - 1.0).abs() < 0.03 && loss < 0.23;
        cases.push(run.row(holds, &[("t50", t50), ("plateau", plateau), ("loss", loss)]));
        losses.push(loss);
    }
    let figure = runs.first().and_then(|run| run.figure("learning-curve"));
    Ok(Evidence { measured: summary("loss", &losses), cases, figure })
}

/// t50 above which a run has been trapped: four times what the others need.
const TRAPPED: f64 = 1000.0;

fn saddle(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
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
            let level = median(before.map(|row| row.get("loss") / row.get("zero_loss") * theory.zero_loss()));
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
        if !levels.is_empty() {
            words.push(summary("level", &levels));
        }
    }
    Ok(Evidence { measured: words.join("; "), cases, figure: None })
}
