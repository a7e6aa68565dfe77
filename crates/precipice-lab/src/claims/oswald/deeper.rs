//! Networks beyond one linear layer on pairs: two layers, soft-max, streams, an MLP in front.

use precipice::measure::descent::closed_forms::spectra;
use precipice::measure::descent::weights::Circuits;
use precipice::measure::metric;
use precipice::measure::transition::median;

use super::runs::{SPEC, n_seeds, overrides, trained, white};
use crate::claims::claim::{CaseRow, Evidence, Lookout, Settings, summary};
use crate::claims::seeds::run_seeds;
use crate::error::LabError;

pub(super) fn two_layers(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let runs = run_seeds(settings, watcher, "regression-two-layers", &[], n_seeds(settings))?;
    let spectra = runs.first().and_then(|run| spectra(&run.spec, 8000, || ())).expect("a spec with white inputs");
    let best = spectra.loss(spectra.best_descent_plus_plus(2, || ())).value;
    let (mut cases, mut losses, mut cosines, mut shrinkages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let (loss, cosine) =
            (run.last(&metric::LOSS.main()), run.last(&metric::SENSITIVITY_COSINE.at(["gd_plus_plus"])));
        let with_descent = run.last(&metric::SENSITIVITY_COSINE.at(["gd"]));
        let trainer = trained(run)?;
        let network = trainer.model().description();
        let circuits = Circuits::of(network, &trainer.state().params, 0).expect("a single head on pairs");
        let shrinkage = circuits.descent().shrinkage;
        let excess =
            loss / run.last(&metric::PREDICTOR_LOSS.at(["", "zero"])) * white(&run.spec).zero_loss() / best - 1.0;
        let holds = (-0.02..0.05).contains(&excess)
            && cosine > 0.99
            && cosine > with_descent
            && (0.17..=0.19).contains(&shrinkage);
        let values = [
            ("loss", loss),
            ("above GD++", excess),
            ("cosine, GD++", cosine),
            ("cosine, descent", with_descent),
            ("gamma", shrinkage),
        ];
        cases.push(run.row(holds, &values));
        losses.push(loss);
        cosines.push(cosine);
        shrinkages.push(shrinkage);
    }
    let parts = [summary("loss", &losses), summary("cosine with GD++", &cosines), summary("gamma", &shrinkages)];
    let figure = runs.first().and_then(|run| run.figure("learning-curve"));
    Ok(Evidence { measured: parts.join("; "), cases, figure })
}

pub(super) fn soft_max(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let (mut cases, mut of_heads) = (Vec::new(), Vec::new());
    for n_heads in [1, 2] {
        let heads = format!("model.n_heads={n_heads}");
        let changes = ["model.attention=[\"softmax\"]", "model.scale_scores=true", "train.steps=20000", &heads];
        let faster = ["eval.sequences=20000", "eval.every=500"];
        let changes = overrides(&[&changes[..], &faster].concat());
        let mut losses = Vec::new();
        for run in &run_seeds(settings, watcher, SPEC, &changes, n_seeds(settings))? {
            let loss = run.last(&metric::LOSS.main());
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

pub(super) fn stream(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    let runs = run_seeds(settings, watcher, "regression-stream", &[], n_seeds(settings))?;
    let (mut cases, mut losses, mut attentions) = (Vec::new(), Vec::new(), Vec::new());
    for run in &runs {
        let (t50, plateau) = run.jump().map_or((f64::NAN, f64::NAN), |jump| (jump.t50, jump.plateau_loss));
        let loss = run.last(&metric::LOSS.main());
        let first = run.rows.first().map_or(f64::NAN, |row| row.get(&metric::OWN_VALUE_ATTENTION.main()));
        let last = run.last(&metric::OWN_VALUE_ATTENTION.main());
        let is_flat = (plateau / run.last(&metric::PREDICTOR_LOSS.at(["", "zero"])) - 1.0).abs() < 0.03;
        let holds = is_flat && loss < 0.23 && first < 0.1 && last > 0.4;
        let values =
            [("t50", t50), ("plateau", plateau), ("loss", loss), ("x to y, first", first), ("x to y, last", last)];
        cases.push(run.row(holds, &values));
        losses.push(loss);
        attentions.push(last);
    }
    let figure = runs.first().and_then(|run| run.figure("learning-curve"));
    let measured = format!("{}; {}", summary("loss", &losses), summary("attention of x to its y", &attentions));
    Ok(Evidence { measured, cases, figure })
}

pub(super) fn sines(settings: &Settings, watcher: &mut Lookout<'_>) -> Result<Evidence, LabError> {
    const NAME: &str = "regression-sine";
    let tied = "task.regression.sine_draws=\"tied\"";
    let frozen =
        ["model.construction={ gradient-descent = { rate = 1.0 } }", "train.freeze_until={ blocks = 1000000 }", tied];
    let trained = run_seeds(settings, watcher, NAME, &overrides(&[tied]), n_seeds(settings))?;
    let constructed = run_seeds(settings, watcher, NAME, &overrides(&frozen), n_seeds(settings))?;
    let (mut cases, mut ratios) = (Vec::new(), Vec::new());
    for (run, control) in trained.iter().zip(&constructed) {
        let (loss, of_control) = (run.last(&metric::LOSS.main()), control.last(&metric::LOSS.main()));
        let ratio = loss / of_control;
        let holds = loss < 0.2 * run.last(&metric::PREDICTOR_LOSS.at(["", "zero"]));
        let t50 = run.jump().map_or(f64::NAN, |jump| jump.t50);
        cases.push(run.row(holds, &[("loss", loss), ("constructed", of_control), ("ratio", ratio), ("t50", t50)]));
        ratios.push(ratio);
    }
    let typical = median(ratios.iter().copied());
    cases.push(CaseRow::new("all seeds".to_owned(), None, (typical - 1.0).abs() < 0.2, &[("median ratio", typical)]));
    let figure = trained.first().and_then(|run| run.figure("learning-curve"));
    Ok(Evidence { measured: summary("loss over that of the constructed step", &ratios), cases, figure })
}
