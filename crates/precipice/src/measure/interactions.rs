//! The nine interactions: every attention score split exactly by what meets what.
//!
//! The residual stream before a layer is content + position + buffer: the item or label vector, the
//! position code, and what earlier layers wrote. A score (q . k) is bilinear in them, so it is the
//! sum of nine parts, query-{content, position, buffer} x key-{content, position, buffer}. With
//! LayerNorm the split is no longer exact, and a minimal head has no (q . k); neither is reported.

use precipice_num::{Fill, MatMut, MatRef, Real};

use super::{Row, Tally, metric};
use crate::model::{Model, Params, Trace};
use crate::sequence::Batch;

/// Names of the three parts of the residual stream.
pub const PARTS: [&str; 3] = ["content", "position", "buffer"];

/// Statistics of one part of the score, or of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct PartSums {
    on_pattern: f64,
    others: f64,
    variance: f64,
}

/// The nine parts in one layer, summed over the queries that the circuit needs: in the first layer
/// every label token looking for its item, above it the query looking for its label.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerInteractions {
    parts: [[PartSums; 3]; 3],
    whole: PartSums,
    n: f64,
}

/// One part of the score as reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interaction {
    /// Mean score on the pattern that matters.
    pub mean_on_pattern: f64,
    /// That mean minus the mean on the other visible keys: what soft-max sees of it.
    pub contrast: f64,
    /// Its variance across visible keys over the whole score's.
    pub variance_share: f64,
}

impl LayerInteractions {
    /// Query part `a` meets key part `b`, in the order of [`PARTS`].
    pub fn part(&self, a: usize, b: usize) -> Interaction {
        let sums = self.parts[a][b];
        Interaction {
            mean_on_pattern: sums.on_pattern / self.n,
            contrast: (sums.on_pattern - sums.others) / self.n,
            variance_share: sums.variance / self.whole.variance,
        }
    }

    /// What covariances between parts add to the variance: 1 minus the nine shares.
    pub fn cross_share(&self) -> f64 {
        1.0 - self.parts.iter().flatten().map(|sums| sums.variance / self.whole.variance).sum::<f64>()
    }

    /// Contrast of the whole score.
    pub fn contrast(&self) -> f64 {
        (self.whole.on_pattern - self.whole.others) / self.n
    }
}

/// The nine interactions of the leading head of each layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interactions {
    heads: Vec<usize>,
    /// One entry a layer; empty for networks with LayerNorm.
    pub layers: Vec<LayerInteractions>,
    scratch: Scratch,
}

/// Stacked parts `[3, M, C]`, queries and keys of the parts `[3, M, E]`, scores of one query `[9, T]`.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scratch {
    parts: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
}

impl Interactions {
    /// Of one head in each layer.
    pub fn of_heads(heads: &[usize]) -> Self {
        Self { heads: heads.to_vec(), layers: Vec::new(), scratch: Scratch::default() }
    }

    /// Contrast, mean on the pattern and share of variance of the nine parts of each layer.
    pub fn push_columns(&self, row: &mut Row) {
        for (layer, sums) in self.layers.iter().enumerate() {
            for (a, query) in PARTS.iter().enumerate() {
                for (b, key) in PARTS.iter().enumerate() {
                    let part = sums.part(a, b);
                    let at = [&layer.to_string(), *query, key];
                    row.push(metric::INTERACTION_CONTRAST.at(at), part.contrast);
                    row.push(metric::INTERACTION_MEAN.at(at), part.mean_on_pattern);
                    row.push(metric::INTERACTION_SHARE.at(at), part.variance_share);
                }
            }
            row.push(metric::CROSS_SHARE.at([layer]), sums.cross_share());
        }
    }
}

impl Tally for Interactions {
    fn add(&mut self, model: &Model<f32>, params: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        if !model.description().has_bilinear_scores() {
            return;
        }
        self.layers.resize(model.n_layers(), LayerInteractions::default());
        for layer in 0..model.n_layers() {
            split_scores(model, params, batch, trace, layer, self.heads[layer], &mut self.scratch);
            let (t, e) = (batch.n_tokens(), model.attention(layer).d_head());
            let scale = model.attention(layer).score_scale();
            for s in 0..batch.n_sequences {
                for (query, key) in pattern_of(layer, batch, s) {
                    let scores = nine_scores(&self.scratch, batch.n_sequences * t, e, scale, s * t, query);
                    self.layers[layer].add(&scores, query + 1, key);
                }
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.layers.resize(other.layers.len().max(self.layers.len()), LayerInteractions::default());
        for (a, b) in self.layers.iter_mut().zip(other.layers) {
            for (x, y) in a.parts.iter_mut().flatten().zip(b.parts.iter().flatten()) {
                x.merge(*y);
            }
            a.whole.merge(b.whole);
            a.n += b.n;
        }
    }
}

/// The (query, key) pairs that the circuit needs in a layer.
pub fn pattern_of(layer: usize, batch: &Batch, sequence: usize) -> Vec<(usize, usize)> {
    let geometry = batch.geometry();
    if layer == 0 {
        (0..batch.n_exemplars).map(|slot| (geometry.label_token(slot), geometry.item_token(slot))).collect()
    } else {
        batch.slots_of(sequence).map(|slot| (geometry.query_token(), geometry.label_token(slot))).collect()
    }
}

/// Queries and keys of each part of the residual stream before a layer.
fn split_scores(
    model: &Model<f32>,
    params: &Params<f32>,
    batch: &Batch,
    trace: &Trace<f32>,
    layer: usize,
    head: usize,
    scratch: &mut Scratch,
) {
    let dims = model.embed_dims();
    let (c, m) = (dims.d_model, batch.n_sequences * batch.n_tokens());
    let content = dims.d_pos..dims.d_pos + dims.d_item;
    scratch.parts.clear();
    scratch.parts.resize(3 * m * c, 0.0);
    let (content_part, rest) = scratch.parts.split_at_mut(m * c);
    let (position_part, buffer_part) = rest.split_at_mut(m * c);
    let embedded = &trace.blocks[0].resid_pre;
    let before = &trace.blocks[layer].resid_pre;
    for row in 0..m {
        let u = &embedded[row * c..(row + 1) * c];
        content_part[row * c..(row + 1) * c][content.clone()].copy_from_slice(&u[content.clone()]);
        position_part[row * c..][..dims.d_pos].copy_from_slice(&u[..dims.d_pos]);
        for j in 0..c {
            buffer_part[row * c + j] = before[row * c + j] - u[j];
        }
    }
    let attention = model.attention(layer);
    let e = attention.d_head();
    let (w_q, w_k) = attention.query_and_key_maps(&params.values, head);
    let parts = MatRef::new(&scratch.parts, 3 * m, c);
    for (w, out) in [(w_q, &mut scratch.q), (w_k, &mut scratch.k)] {
        out.resize(3 * m * e, 0.0);
        f32::gemm(model.kernels(), MatMut::new(out, 3 * m, e), Fill::Set, parts, MatRef::new(w, c, e));
    }
}

/// Scores of one query on its visible keys, `[a][b][key]`.
fn nine_scores(scratch: &Scratch, m: usize, e: usize, scale: f64, first: usize, query: usize) -> [[Vec<f64>; 3]; 3] {
    let row = |x: &[f32], part: usize, token: usize| -> Vec<f64> {
        x[(part * m + first + token) * e..][..e].iter().map(|&x| f64::from(x)).collect()
    };
    let q: Vec<Vec<f64>> = (0..3).map(|a| row(&scratch.q, a, query)).collect();
    std::array::from_fn(|a| {
        std::array::from_fn(|b| {
            let score = |key| q[a].iter().zip(row(&scratch.k, b, key)).map(|(x, y)| x * y).sum::<f64>() * scale;
            (0..=query).map(score).collect()
        })
    })
}

impl LayerInteractions {
    fn add(&mut self, scores: &[[Vec<f64>; 3]; 3], n_visible: usize, key: usize) {
        let mut whole = vec![0.0; n_visible];
        for (sums, part) in self.parts.iter_mut().flatten().zip(scores.iter().flatten()) {
            sums.add(part, key);
            whole.iter_mut().zip(part).for_each(|(w, p)| *w += p);
        }
        self.whole.add(&whole, key);
        self.n += 1.0;
    }
}

impl PartSums {
    fn add(&mut self, scores: &[f64], key: usize) {
        let n = scores.len() as f64;
        let total: f64 = scores.iter().sum();
        let mean = total / n;
        self.on_pattern += scores[key];
        self.others += (total - scores[key]) / (n - 1.0);
        self.variance += scores.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / n;
    }

    fn merge(&mut self, other: Self) {
        self.on_pattern += other.on_pattern;
        self.others += other.others;
        self.variance += other.variance;
    }
}
