//! Claims about in-context regression (von Oswald et al. 2023, arXiv:2212.07677), and of the exact theory around it.

mod deeper;
mod saddles;
mod single;

use precipice::probe::regression::closed_forms;
use precipice::spec::RunSpec;
use precipice::theory::regression::White;
use precipice::train::TrainState;

use super::essay::{Finished, run_seeds};
use super::{CaseRow, Claim, Evidence, Lookout, Settings, summary};
use crate::error::LabError;
use crate::run_figures::at_step;
use crate::threads::{self, Pool};

const SOURCE: &str = "von Oswald et al. 2023, arXiv:2212.07677";
/// The paper of the eigenvalues, which are learned one by one.
const ZHANG: &str = "Zhang, Singh, Latham, Saxe 2025, arXiv:2501.16265";
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
            single::trained_is_descent,
        ),
        claim(
            "oswald-2",
            "the closed form holds for other sizes, and away from the training distribution",
            "N = d = 5, 10, 20, 35, 50 (fast: to 20): loss within 2 %; inputs and labels scaled by .5 to 2 after \
             training: within 5 %",
            single::sizes_and_scales,
        ),
        claim(
            "oswald-3",
            "the trained layer applied again and again goes on descending, and diverges unless damped",
            "updates of y alone, tokens cut at 10, 50,000 contexts: loss after 2, 3, 4, 5 applications within 6 % of \
             .157, .133, .120, .113; after 50 above that of one application undamped, below .065 with damping .75",
            single::roll_out,
        ),
        claim(
            "oswald-4",
            "two tied layers learn more than gradient descent: GD++",
            "every seed: loss, relative to the zero predictor's on the same contexts, from 2 % below to 5 % above that of \
             the best GD++ (.1106; published .110 to .116); cosine of sensitivities with GD++ > .99 and larger than with \
             descent; gamma read off the weights .17 to .19",
            deeper::two_layers,
        ),
        claim(
            "oswald-5",
            "one soft-max head cannot do a step of gradient descent, two can nearly",
            "every seed: one head > .27, two heads < .225",
            deeper::soft_max,
        ),
        claim(
            "oswald-6",
            "a soft-max and a linear layer learn gradient descent from a plain stream of tokens, abruptly",
            "every seed: plateau within 3 % of the zero predictor, then below .23 by step 15,000, as attention of x to \
             its own y rises from below .1 to above .4",
            deeper::stream,
        ),
        claim(
            "oswald-7",
            "an MLP before one linear layer learns to fit sines by a step of gradient descent",
            "every seed: loss below a fifth of the zero predictor's; median over seeds within 20 % of the loss of the \
             same MLP trained before the constructed step",
            deeper::sines,
        ),
        claim(
            "oswald-8",
            "seeds that stay on a plateau sit on the rank-one saddle in which values read x and keys read y",
            "32 seeds: at least 2 with t50 > 1,000, which spend it within .004 of the saddle's loss .3956; \
             without those first weights all 32 jump, and none later than 1.1 x the median",
            saddles::misreading,
        ),
        Claim {
            id: "zhang-1",
            claim: "heads of rank one learn the eigenvalues of the covariance one after the other: four cliffs",
            source: ZHANG,
            band: "every seed: plateaus within 4 % of .320, .189, .105 and .068, half of the derived mean square errors, \
                   each with more than half of the rows near it within 4 % of their median",
            check: saddles::eigenvalues,
        },
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

fn pool(settings: &Settings) -> Result<Pool, LabError> {
    let error = |e| LabError::run_dir(&settings.out, format!("no threads: {e}"));
    Pool::new(settings.threads.min(threads::available())).map_err(error)
}

fn white(spec: &RunSpec) -> White {
    spec.task.regression().and_then(closed_forms::white).expect("a spec with white inputs")
}

/// Runs that left the saddle, and in words how many did not.
fn free(runs: Vec<Finished>) -> (Vec<Finished>, String) {
    let n = runs.len();
    let kept: Vec<Finished> = runs.into_iter().filter(|run| run.last("gd_share") > 0.5).collect();
    let words =
        if kept.len() < n { format!("; on the saddle, not judged: {} of {n}", n - kept.len()) } else { String::new() };
    (kept, words)
}
