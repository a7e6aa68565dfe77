//! The nine interactions: every attention score split exactly by what meets what.
//!
//! The residual stream before a layer is content + position + buffer: the item or label vector, the
//! position code, and what earlier layers wrote. A score (q . k) is bilinear in them, so it is the
//! sum of nine parts, query-{content, position, buffer} x key-{content, position, buffer}. With
//! LayerNorm the split is no longer exact, and a minimal head has no (q . k); neither is reported.

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

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

/// Room for one layer.
#[derive(Clone, Debug, Default, PartialEq)]
struct Scratch {
    /// What earlier layers wrote, `[M, C]`.
    buffer: Vec<f32>,
    /// Queries of the parts, `[3, R, E]`: of every token in the first layer, of the query alone above it.
    q: Vec<f32>,
    /// Keys of the parts, `[3, M, E]`.
    k: Vec<f32>,
    /// Those of one sequence, `[3, E, T]`.
    keys: Vec<f64>,
    /// Queries that are scored, of one part, `[Q, E]`.
    queries: Vec<f64>,
    /// Their scores, `[3, 3, Q, T]`.
    scores: Vec<f64>,
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
        let t = batch.n_tokens();
        for layer in 0..model.n_layers() {
            let split = Split::new(model, params, batch, trace, layer, self.heads[layer], &mut self.scratch);
            for s in 0..batch.n_sequences {
                split.gather_keys(s, &mut self.scratch);
                let pattern = pattern_of(layer, batch, s);
                split.score(model.kernels(), s, &pattern, &mut self.scratch);
                for (i, &(query, key)) in pattern.iter().enumerate() {
                    let of_query = self.scratch.scores.chunks_exact(t).skip(i).step_by(pattern.len());
                    self.layers[layer].add(of_query.map(|scores| &scores[..=query]), key);
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

/// Queries and keys of each part of the residual stream before a layer, `[a]` and `[b]` in the order of [`PARTS`].
struct Split {
    n_sequences: usize,
    n_tokens: usize,
    d_head: usize,
    scale: f64,
    /// Parts that are not zero: in the first layer nothing has been written yet.
    n_parts: usize,
    /// Rows of queries a sequence: all, or the last.
    n_queries: usize,
}

impl Split {
    fn new(
        model: &Model<f32>,
        params: &Params<f32>,
        batch: &Batch,
        trace: &Trace<f32>,
        layer: usize,
        head: usize,
        scratch: &mut Scratch,
    ) -> Self {
        let (dims, t) = (model.embed_dims(), batch.n_tokens());
        let (c, s) = (dims.d_model, batch.n_sequences);
        let attention = model.attention(layer);
        let (e, is_first) = (attention.d_head(), layer == 0);
        let (n_parts, n_queries) = if is_first { (2, t) } else { (3, 1) };
        let (embedded, before) = (&trace.blocks[0].resid_pre[..s * t * c], &trace.blocks[layer].resid_pre);
        scratch.buffer.clear();
        if !is_first {
            scratch.buffer.extend(before.iter().zip(embedded).map(|(x, u)| x - u));
        }
        let (content, position) = (dims.d_pos..dims.d_pos + dims.d_item, 0..dims.d_pos);
        let parts = [(embedded, content), (embedded, position), (&scratch.buffer[..], 0..c)];
        let (w_q, w_k) = attention.query_and_key_maps(&params.values, head);
        let maps = [(w_q, n_queries, &mut scratch.q), (w_k, t, &mut scratch.k)];
        for (w, n_rows, out) in maps {
            out.clear();
            out.resize(3 * s * n_rows * e, 0.0);
            for ((x, columns), out) in parts[..n_parts].iter().zip(out.chunks_exact_mut(s * n_rows * e)) {
                // Products with the columns that a part does not have are zero. Of no columns nothing is left.
                if columns.is_empty() {
                    continue;
                }
                let stride = if n_rows == t { c } else { t * c };
                let start = if n_rows == t { 0 } else { (t - 1) * c } + columns.start;
                let x = MatRef::with_row_stride(&x[start..], s * n_rows, columns.len(), stride);
                let w = MatRef::new(&w[columns.start * e..columns.end * e], columns.len(), e);
                f32::gemm(model.kernels(), MatMut::new(out, s * n_rows, e), Fill::Set, x, w);
            }
        }
        Self { n_sequences: s, n_tokens: t, d_head: e, scale: attention.score_scale(), n_parts, n_queries }
    }

    /// Keys of a sequence side by side, so that all of them are scored at once.
    fn gather_keys(&self, s: usize, scratch: &mut Scratch) {
        let (t, e) = (self.n_tokens, self.d_head);
        scratch.keys.resize(3 * e * t, 0.0);
        for b in 0..self.n_parts {
            let rows = &scratch.k[(b * self.n_sequences + s) * t * e..][..t * e];
            let keys = &mut scratch.keys[b * e * t..][..e * t];
            for (key, row) in rows.chunks_exact(e).enumerate() {
                row.iter().enumerate().for_each(|(j, &x)| keys[j * t + key] = f64::from(x));
            }
        }
    }

    /// Scores of the pattern's queries on all keys of a sequence; sums over the head's width, in order.
    fn score(&self, kernels: Kernels, s: usize, pattern: &[(usize, usize)], scratch: &mut Scratch) {
        let (t, e, n) = (self.n_tokens, self.d_head, pattern.len());
        let Scratch { q, keys, queries, scores, .. } = scratch;
        scores.clear();
        scores.resize(9 * n * t, 0.0);
        for a in 0..self.n_parts {
            queries.clear();
            for &(query, _) in pattern {
                let row = s * self.n_queries + if self.n_queries == t { query } else { 0 };
                let q = &q[(a * self.n_sequences * self.n_queries + row) * e..][..e];
                queries.extend(q.iter().map(|&x| f64::from(x)));
            }
            for b in 0..self.n_parts {
                let scores = &mut scores[(a * 3 + b) * n * t..][..n * t];
                let keys = MatRef::new(&keys[b * e * t..][..e * t], e, t);
                f64::gemm(kernels, MatMut::new(scores, n, t), Fill::Set, MatRef::new(queries, n, e), keys);
                scores.iter_mut().for_each(|score| *score *= self.scale);
            }
        }
    }
}

impl LayerInteractions {
    /// Adds one query's scores on its visible keys, part by part.
    fn add<'a>(&mut self, scores: impl Iterator<Item = &'a [f64]>, key: usize) {
        let mut whole = Vec::new();
        for (sums, part) in self.parts.iter_mut().flatten().zip(scores) {
            sums.add(part, key);
            whole.resize(part.len(), 0.0);
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
