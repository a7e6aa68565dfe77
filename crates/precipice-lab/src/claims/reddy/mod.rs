//! Claims of Reddy 2024, "The mechanistic basis of data dependence and abrupt learning in an in-context
//! classification task" (arXiv:2312.03002), each on the runs of a sweep that is built in.

mod dependence;
mod dynamics;
mod minimal;
mod swept;

use crate::claims::claim::Claim;

const SOURCE: &str = "Reddy 2024, arXiv:2312.03002";

pub(super) fn claims() -> Vec<Claim> {
    let claim = |id, claim, band, check| Claim { id, claim, source: SOURCE, band, check };
    vec![
        claim(
            "reddy-1",
            "Fig. 1: in-context accuracy goes from 1/L through a slow phase to a jump; labels by heart never come",
            "every seed that speaks: jump with 10-90 % width < 25 % of t50, at the end ic and ic_swap > .95, iw < .2; at rate .2 \
             (--fast) t50 of 12 seeds against 12 of an independent implementation: rank test p > .01, at most 5 silent; with \
             frozen biases of the readout none silent, every t50 from 1,500 to 2,600",
            dynamics::reference,
        ),
        claim(
            "reddy-2",
            "Fig. 2: more classes, more copies and more noise favor reading the context, labels by heart recede; \
             both coexist near Zipf exponent 1",
            "medians over seeds monotone (to .03) in >= 90 % of neighboring cells; without bursty contexts ic <= 1/N; \
             at exponent 1 ic > .5 and iw at least .15 above exponent 0",
            dependence::data,
        ),
        claim(
            "reddy-3",
            "Figs. 3, 4: attention to all labels and the choice among them rise slowly, item-label and target \
             attention jump with the accuracy",
            "every seed that jumps: TILA2 half way within 5 % of t50; at .8 t50 CLA has made >= 50 % of its way, \
             ILA1 and TILA2 <= 20 %, TLA2 at least three times what TILA2 has",
            dynamics::progress,
        ),
        claim(
            "reddy-4",
            "Figs. 5, A.2, A.3: the minimal induction head, with three parameters and with two, does what the \
             network does",
            "every seed: jump with width < 25 % of t50, ic > .95; K x B as in reddy-2; linear readout on fresh items, \
             medians: alpha and xi within 6 % of .210, 1.771 at step 400 and of 1.068, 3.586 at step 800",
            minimal::heads,
        ),
        claim(
            "reddy-5",
            "Fig. A.1: with p_bursty = p_novel = .5, K = 512, B = 2 a network learns both solutions and keeps them",
            "every seed that speaks: ic and iw > .95 at the end, and > .9 over the last quarter",
            dependence::both,
        ),
        claim(
            "reddy-6",
            "Fig. A.5: L > N is learned robustly, L = N only rarely",
            "seeds of 6 that learn: at least 5 where L > N, at most 2 where L = N, none at L = N = 8",
            dependence::exemplars_and_labels,
        ),
        claim(
            "reddy-7",
            "memorization against in-context learning: few classes end as pure labels by heart, many as pure ic",
            "every seed that speaks within .1: K = 128, B = 1: iw 1.00, ic .04; K = 1024, B = 2: ic .97, iw .09",
            dependence::either,
        ),
    ]
}
