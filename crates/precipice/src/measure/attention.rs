//! Where heads look: the progress measures of an induction head.

use super::{Row, Tally, metric};
use crate::model::{Model, Params, Trace};
use crate::sequence::Batch;

/// Attention masses of one head, summed over sequences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadScores {
    previous_token: f64,
    induction: f64,
    duplicate_token: f64,
    item_label: f64,
    other_labels: f64,
    n: f64,
}

impl HeadScores {
    /// Mean attention of a token to the one before it.
    pub fn previous_token_score(&self) -> f64 {
        self.previous_token / self.n
    }

    /// Mean attention of the query to the tokens after its copies: the right label.
    pub fn induction_score(&self) -> f64 {
        self.induction / self.n
    }

    /// Mean attention of the query to its copies.
    pub fn duplicate_token_score(&self) -> f64 {
        self.duplicate_token / self.n
    }

    /// ILA: mean attention of a label token to its item.
    pub fn item_label_association(&self) -> f64 {
        self.item_label / self.n
    }

    /// TLA: mean attention of the query to all label tokens together.
    pub fn target_labels_association(&self) -> f64 {
        (self.induction + self.other_labels) / self.n
    }
}

/// Attention of all heads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttentionScores {
    /// `[layer][head]`
    pub heads: Vec<Vec<HeadScores>>,
}

impl AttentionScores {
    /// The head of each layer that the circuit runs through: in the first layer the one with the
    /// largest item-label association, in the others the one with the largest induction score.
    pub fn leading_heads(&self) -> Vec<usize> {
        let lead = |(layer, heads): (usize, &Vec<HeadScores>)| {
            let score = |h: &usize| if layer == 0 { heads[*h].item_label } else { heads[*h].induction };
            (0..heads.len()).max_by(|a, b| score(a).total_cmp(&score(b)).then(b.cmp(a))).unwrap_or(0)
        };
        self.heads.iter().enumerate().map(lead).collect()
    }

    /// The leading head of the first layer.
    pub fn first(&self) -> &HeadScores {
        &self.heads[0][self.leading_heads()[0]]
    }

    /// The leading head of the last layer.
    pub fn last(&self) -> &HeadScores {
        let layer = self.heads.len() - 1;
        &self.heads[layer][self.leading_heads()[layer]]
    }

    /// ILA1, TILA2 and TLA2 of the leading heads, then the three scores of every head.
    pub fn push_columns(&self, row: &mut Row) {
        row.push(metric::ILA1.main(), self.first().item_label_association());
        row.push(metric::TILA2.main(), self.last().induction_score());
        row.push(metric::TLA2.main(), self.last().target_labels_association());
        for (layer, heads) in self.heads.iter().enumerate() {
            for (head, scores) in heads.iter().enumerate() {
                row.push(metric::PREVIOUS_TOKEN_SCORE.at([layer, head]), scores.previous_token_score());
                row.push(metric::INDUCTION_SCORE.at([layer, head]), scores.induction_score());
                row.push(metric::DUPLICATE_TOKEN_SCORE.at([layer, head]), scores.duplicate_token_score());
            }
        }
    }
}

/// ILA1 and TILA2 above which attention is that of an induction head: labels look at their items, and the query finds
/// its label (TILA2 ends near 1; at .5 it still looks elsewhere as often as not).
pub const INDUCTION_HEAD: [f64; 2] = [0.5, 0.85];

/// Whether attention is that of an induction head.
pub fn is_induction_head(ila1: f64, tila2: f64) -> bool {
    ila1 > INDUCTION_HEAD[0] && tila2 > INDUCTION_HEAD[1]
}

impl Tally for AttentionScores {
    fn add(&mut self, model: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        let (t, n, geometry) = (batch.n_tokens(), batch.n_exemplars, batch.geometry());
        let shape = |layer| vec![HeadScores::default(); model.n_heads(layer)];
        if self.heads.is_empty() {
            self.heads = (0..model.n_layers()).map(shape).collect();
        }
        for (layer, heads) in self.heads.iter_mut().enumerate() {
            let n_heads = heads.len();
            let pattern = trace.blocks[layer].attention.patterns();
            for s in 0..batch.n_sequences {
                for (h, sums) in heads.iter_mut().enumerate() {
                    let of_head = &pattern[(s * n_heads + h) * t * t..][..t * t];
                    let mass = |query: usize, key: usize| f64::from(of_head[query * t + key]);
                    let query = geometry.query_token();
                    sums.n += 1.0;
                    sums.previous_token += (1..t).map(|i| mass(i, i - 1)).sum::<f64>() / (t - 1) as f64;
                    let own_item = |slot| mass(geometry.label_token(slot), geometry.item_token(slot));
                    sums.item_label += (0..n).map(own_item).sum::<f64>() / n as f64;
                    for (slot, is_match) in batch.matches_of(s).iter().enumerate() {
                        let on_label = mass(query, geometry.label_token(slot));
                        if *is_match {
                            sums.induction += on_label;
                            sums.duplicate_token += mass(query, geometry.item_token(slot));
                        } else {
                            sums.other_labels += on_label;
                        }
                    }
                }
            }
        }
    }

    fn merge(&mut self, other: Self) {
        if self.heads.is_empty() {
            *self = other;
            return;
        }
        for (a, b) in self.heads.iter_mut().flatten().zip(other.heads.iter().flatten()) {
            a.previous_token += b.previous_token;
            a.induction += b.induction;
            a.duplicate_token += b.duplicate_token;
            a.item_label += b.item_label;
            a.other_labels += b.other_labels;
            a.n += b.n;
        }
    }
}

/// Sum of what one head writes at each position, for mean ablation.
#[derive(Clone, Debug, Default)]
pub struct HeadOutput {
    layer: usize,
    head: usize,
    /// `[T, E]`
    sum: Vec<f64>,
    n: u64,
}

impl HeadOutput {
    /// Of one head.
    pub fn new(layer: usize, head: usize) -> Self {
        Self { layer, head, ..Self::default() }
    }

    /// The mean, `[T, E]`; 0 for tokens whose rows are not computed.
    pub fn mean(&self) -> Vec<f32> {
        self.sum.iter().map(|sum| (sum / self.n as f64) as f32).collect()
    }
}

impl Tally for HeadOutput {
    fn add(&mut self, model: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        let attention = model.attention(self.layer);
        let (n_heads, e, t) = (attention.n_heads(), attention.d_head(), batch.n_tokens());
        self.sum.resize(t * e, 0.0);
        self.n += batch.n_sequences as u64;
        let trace = &trace.blocks[self.layer].attention;
        let rows = trace.rows_per_sequence;
        for i in 0..batch.n_sequences * rows {
            let z = &trace.z[(i * n_heads + self.head) * e..][..e];
            let sum = &mut self.sum[(t - rows + i % rows) * e..][..e];
            sum.iter_mut().zip(z).for_each(|(sum, &z)| *sum += f64::from(z));
        }
    }

    fn merge(&mut self, other: Self) {
        self.sum.resize(other.sum.len().max(self.sum.len()), 0.0);
        self.sum.iter_mut().zip(other.sum).for_each(|(a, b)| *a += b);
        self.n += other.n;
    }
}
