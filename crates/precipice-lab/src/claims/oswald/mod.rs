//! Claims about in-context regression (von Oswald et al. 2023, arXiv:2212.07677), and of the exact theory around it.

mod deeper;
mod runs;
mod saddles;
mod single;

use crate::claims::claim::Claim;

const SOURCE: &str = "von Oswald et al. 2023, arXiv:2212.07677";
/// The paper of the eigenvalues, which are learned one by one.
const ZHANG: &str = "Zhang, Singh, Latham, Saxe 2025, arXiv:2501.16265";

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
