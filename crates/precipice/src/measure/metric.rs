//! What columns of a log mean: names, words and units, said once.
//!
//! A name may have places in braces: `{set}` for the prefix of an evaluation set, `{layer}` and the like for numbers.
//! Nobody writes the name of a column but here, so that a misspelt one does not compile; a name that comes from
//! outside is looked up with [`Row::named`](super::Row::named).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::task::{Facts, PredictorName, Set};

/// One kind of column.
///
/// ```
/// use precipice::measure::metric;
/// assert_eq!(metric::ACCURACY.on("ic_").name(), "ic_accuracy");
/// assert_eq!(metric::INDUCTION_SCORE.at([1, 0]).name(), "induction_score_1_0");
/// assert!(metric::ACCURACY.is_of("ic_accuracy") && !metric::ACCURACY.is_of("ic_acuracy"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name of the column, with places in braces.
    pub name: Cow<'static, str>,
    /// What it is called in legends and reports.
    pub words: Cow<'static, str>,
    /// Its unit, and by it its range.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What is measured together, under one heading of the reference.
    pub group: Cow<'static, str>,
}

/// Unit of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// From 0 to 1.
    Fraction,
    /// Nats of a cross-entropy, or half a square error; 0 or more.
    Loss,
    /// Units of scores before soft-max, or of logits.
    Score,
    /// From -1 to 1.
    Cosine,
    /// Any number.
    Number,
}

impl Unit {
    /// As printed.
    pub fn words(self) -> &'static str {
        match self {
            Unit::Fraction => "0 to 1",
            Unit::Loss => "nats, or half a square error",
            Unit::Score => "score",
            Unit::Cosine => "-1 to 1",
            Unit::Number => "number",
        }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More.
    High,
    /// Less.
    Low,
    /// It says what there is, not how good it is.
    Neither,
}

/// The name of a column, made by a [`Metric`] or found by a task's facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(Cow<'static, str>);

impl Column {
    /// What rises as a task is learned.
    pub fn of_progress(facts: &Facts) -> Self {
        Self(Cow::Owned(facts.progress.column.clone()))
    }

    /// The loss that falls as a task is learned.
    pub fn of_loss(facts: &Facts) -> Self {
        LOSS.on(facts.in_context_prefix())
    }

    /// The accuracy on the set that shows what is learned in context.
    pub fn of_accuracy(facts: &Facts) -> Self {
        ACCURACY.on(facts.in_context_prefix())
    }

    /// What a predictor of the task reaches on a set.
    pub fn of_predictor(facts: &Facts, set: Set, predictor: &PredictorName) -> Self {
        let metric = if facts.targets.are_labels() { PREDICTOR_ACCURACY } else { PREDICTOR_LOSS };
        metric.at([facts.prefix(set), &predictor.name])
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Metric {
    /// A metric of a program's own. Its name may have places, to be filled by [`Metric::at`].
    pub const fn new(name: &'static str, words: &'static str, unit: Unit, better: Better) -> Self {
        Self::of(name, words, unit, better, "own")
    }

    const fn of(name: &'static str, words: &'static str, unit: Unit, better: Better, group: &'static str) -> Self {
        let [name, words, group] = [Cow::Borrowed(name), Cow::Borrowed(words), Cow::Borrowed(group)];
        Self { name, words, unit, better, group }
    }

    /// The column of a metric without places, or on the main evaluation set.
    pub fn main(&self) -> Column {
        self.on("")
    }

    /// The column on the evaluation set with this prefix.
    ///
    /// # Panics
    /// If other places are left.
    pub fn on(&self, prefix: &str) -> Column {
        let name = self.name.replace("{set}", prefix);
        assert!(!name.contains('{'), "{name} has places to be filled");
        Column(Cow::Owned(name))
    }

    /// The column with its places filled, in order.
    ///
    /// # Panics
    /// If there are fewer or more places.
    pub fn at<P: ToString>(&self, places: impl IntoIterator<Item = P>) -> Column {
        let (mut name, mut rest) = (String::new(), &self.name[..]);
        for place in places {
            let (before, after) = rest.split_once('{').unwrap_or_else(|| panic!("{} has fewer places", self.name));
            name += before;
            name += &place.to_string();
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        assert!(!rest.contains('{'), "{} has more places", self.name);
        Column(Cow::Owned(name + rest))
    }

    /// Whether a name is one of this metric's columns.
    pub fn is_of(&self, name: &str) -> bool {
        fn fits(pattern: &str, name: &str) -> bool {
            let Some((before, after)) = pattern.split_once('{') else { return pattern == name };
            let Some(rest) = name.strip_prefix(before) else { return false };
            let (place, pattern) = after.split_once('}').unwrap_or((after, ""));
            let ends = (0..=rest.len()).filter(|&end| rest.is_char_boundary(end));
            ends.into_iter().any(|end| place_holds(place, &rest[..end]) && fits(pattern, &rest[end..]))
        }
        fits(&self.name, name)
    }
}

/// What may stand in a place.
fn place_holds(place: &str, text: &str) -> bool {
    match place {
        "layer" | "head" => !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()),
        "set" => text.is_empty() || text.ends_with('_'),
        "query" | "key" => ["content", "position", "buffer"].contains(&text),
        "mode" => ["mean", "zero"].contains(&text),
        _ => !text.is_empty(),
    }
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $id:ident = $group:literal $name:literal $words:literal $unit:ident $better:ident;)*) => {
        $($(#[$doc])* pub const $id: Metric = Metric::of($name, $words, Unit::$unit, Better::$better, $group);)*

        /// Every built-in metric, in the order of the log.
        pub static ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    /// Mean loss of the training batches since the row before.
    TRAIN_LOSS = "training" "train_loss" "training loss" Loss Low;
    /// Mean loss on the evaluation set, whose sequences are never trained.
    LOSS = "evaluation" "{set}loss" "loss" Loss Low;
    /// Share of sequences whose largest logit is the answer.
    ACCURACY = "evaluation" "{set}accuracy" "accuracy" Fraction High;
    /// Share of sequences whose largest logit is one of the context's labels.
    CONTEXT_LABEL_ACCURACY = "evaluation" "{set}context_label_accuracy" "answers with a label of the context" Fraction High;
    /// Soft-max probability on the context's labels, mean over the sequences.
    CONTEXT_LABEL_MASS = "evaluation" "{set}context_label_mass" "probability on labels of the context" Fraction High;
    /// Accuracy where only the context's labels may be answered.
    CONTEXT_RESTRICTED_ACCURACY = "evaluation" "{set}context_restricted_accuracy" "accuracy among labels of the context" Fraction High;
    /// What a predictor without training reaches on the same sequences, where labels are asked for.
    PREDICTOR_ACCURACY = "predictors" "{set}{predictor}_accuracy" "accuracy of a predictor without training" Fraction Neither;
    /// What a predictor without training reaches on the same sequences, where values are asked for.
    PREDICTOR_LOSS = "predictors" "{set}{predictor}_loss" "loss of a predictor without training" Loss Neither;
    /// (zero_loss - loss) / (zero_loss - gd_loss): 0 for answering 0, 1 for gradient descent; the jump is
    /// timed on it.
    GD_SHARE = "descent" "gd_share" "share of gradient descent" Number High;
    /// Mean distance of the network's predictions from a predictor's, on the probes' contexts.
    PREDICTION_DIFFERENCE = "descent" "{predictor}_prediction_difference" "difference of predictions" Number Low;
    /// Mean length of the difference of their gradients over the query.
    SENSITIVITY_DIFFERENCE = "descent" "{predictor}_sensitivity_difference" "difference of sensitivities" Number Low;
    /// Mean cosine of the angle between those gradients.
    SENSITIVITY_COSINE = "descent" "{predictor}_sensitivity_cosine" "cosine of sensitivities" Cosine High;
    /// Attention of x to its own y in the first layer of a stream, of the head where it is largest.
    OWN_VALUE_ATTENTION = "descent" "own_value_attention" "attention of x to its y" Fraction Neither;
    /// Attention of label tokens to their item, first layer, of the head where it is largest: its leading head.
    ILA1 = "attention" "ila1" "attention of labels to their item, layer 1" Fraction Neither;
    /// Attention of the query to the tokens that answer it, last layer, of the head where it is largest:
    /// its leading head.
    TILA2 = "attention" "tila2" "attention of the query to its label, last layer" Fraction Neither;
    /// Attention of the query to all label tokens, same head.
    TLA2 = "attention" "tla2" "attention of the query to labels, last layer" Fraction Neither;
    /// Mean attention of a token to the one before it.
    PREVIOUS_TOKEN_SCORE = "attention" "previous_token_score_{layer}_{head}" "attention to the token before" Fraction Neither;
    /// Mean attention of the query to the tokens that answer it.
    INDUCTION_SCORE = "attention" "induction_score_{layer}_{head}" "attention of the query to its label" Fraction Neither;
    /// Mean attention of the query to its copies.
    DUPLICATE_TOKEN_SCORE = "attention" "duplicate_token_score_{layer}_{head}" "attention of the query to its copies" Fraction Neither;
    /// Strength of the previous-token attention; of a minimal head its own scalar, as the next ones.
    BETA = "order parameters" "beta" "beta" Score Neither;
    /// Its standard error.
    BETA_SE = "order parameters" "beta_se" "standard error of beta" Score Neither;
    /// Strength of the match attention, against all other tokens.
    ALPHA = "order parameters" "alpha" "alpha" Score Neither;
    /// Its standard error.
    ALPHA_SE = "order parameters" "alpha_se" "standard error of alpha" Score Neither;
    /// Strength of the match attention, among label tokens: the right label minus the mean of the others.
    ALPHA_LABELS = "order parameters" "alpha_labels" "alpha among labels" Score Neither;
    /// Its standard error.
    ALPHA_LABELS_SE = "order parameters" "alpha_labels_se" "standard error of alpha among labels" Score Neither;
    /// Preference of the last layer for label tokens: other labels minus items.
    BETA_2 = "order parameters" "beta_2" "beta_2" Score Neither;
    /// Its standard error.
    BETA_2_SE = "order parameters" "beta_2_se" "standard error of beta_2" Score Neither;
    /// Overlap of attended label and readout.
    XI = "order parameters" "xi" "xi" Score Neither;
    /// Its standard error.
    XI_SE = "order parameters" "xi_se" "standard error of xi" Score Neither;
    /// The same from the other labels of the context: a cross-check.
    XI_CONTEXT = "order parameters" "xi_context" "xi from the context" Score Neither;
    /// Its standard error.
    XI_CONTEXT_SE = "order parameters" "xi_context_se" "standard error of xi from the context" Score Neither;
    /// Loss of the three nested soft-maxes at (beta, alpha, xi), on the probes' sequences.
    PREDICTED_LOSS = "order parameters" "predicted_loss" "three parameters" Loss Neither;
    /// The same at (beta, alpha among labels, xi) with label attention beta_2.
    PREDICTED_LOSS_LABELS = "order parameters" "predicted_loss_labels" "with label attention" Loss Neither;
    /// Loss of the network on the sequences of the probes.
    MEASURED_LOSS = "order parameters" "measured_loss" "measured loss" Loss Neither;
    /// One of nine parts of the leading head's score, query part times key part: mean on the pattern that
    /// matters minus mean on other keys.
    INTERACTION_CONTRAST = "interactions" "interaction_{layer}_{query}_{key}_contrast" "contrast on the pattern" Score Neither;
    /// Mean of the same part on the pattern that matters.
    INTERACTION_MEAN = "interactions" "interaction_{layer}_{query}_{key}_mean" "score on the pattern" Score Neither;
    /// Its share of the scores' variance.
    INTERACTION_SHARE = "interactions" "interaction_{layer}_{query}_{key}_share" "share of variance" Number Neither;
    /// What covariances between parts add to the variance; the nine shares and this are 1.
    CROSS_SHARE = "interactions" "interaction_{layer}_cross_share" "share of variance between parts" Number Neither;
    /// Score of the query on the label of its own pair, read off the weights.
    SCORE_ON_SAME = "relations" "score_on_same_{head}" "score on the query's own pair" Score Neither;
    /// Score of the query on the label of its reverse.
    SCORE_ON_REVERSE = "relations" "score_on_reverse_{head}" "score on its reverse" Score Neither;
    /// Accuracy with one head replaced by its mean or by nothing.
    ABLATED_ACCURACY = "ablations" "accuracy_ablate_{layer}_{head}_{mode}" "accuracy without a head" Fraction Neither;
}

/// The columns of an order parameter: the estimate and its standard error.
pub const ORDER_PARAMETERS: [(Metric, Metric); 6] = [
    (BETA, BETA_SE),
    (ALPHA, ALPHA_SE),
    (ALPHA_LABELS, ALPHA_LABELS_SE),
    (BETA_2, BETA_2_SE),
    (XI, XI_SE),
    (XI_CONTEXT, XI_CONTEXT_SE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_metrics() {
        let is_known = |name: &str| ALL.iter().any(|metric| metric.is_of(name));
        for name in
            ["accuracy", "ic_swap_accuracy", "gd_plus_plus_sensitivity_cosine", "interaction_0_content_buffer_mean"]
        {
            assert!(is_known(name), "{name}");
        }
        for name in
            ["acuracy", "ic-accuracy", "ila_1", "interaction_0_content_bufer_mean", "induction_score_0", "tila1"]
        {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn columns_are_of_their_metric() {
        assert!(INTERACTION_MEAN.is_of(INTERACTION_MEAN.at(["0", "content", "buffer"]).name()));
        assert!(!INTERACTION_MEAN.is_of("interaction_0_content_buffer_contrast"));
        assert_eq!(PREDICTOR_LOSS.at(["", "gd"]).name(), "gd_loss");
    }

    #[test]
    fn names_are_unique() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|b| b.name != a.name), "{}", a.name);
        }
    }
}
