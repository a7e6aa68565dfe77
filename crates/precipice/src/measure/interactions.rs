//! The nine interactions: every attention score split exactly by what meets what.
//!
//! The residual stream before a layer is content + position + buffer: the item or label vector, the
//! position code, and what earlier layers wrote. A score (q . k) is bilinear in them, so it is the
//! sum of nine parts, query-{content, position, buffer} x key-{content, position, buffer}: u_i A u_j
//! over the columns of both, with A = W_Q W_K^T made once, so that no keys are. With LayerNorm the
//! split is no longer exact, and a minimal head has no (q . k); neither is reported.

use std::ops::Range;
use std::sync::Arc;

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
#[derive(Clone, Debug)]
pub struct Interactions {
    /// A of each layer's head, `[F, F]`: scores are u_i A u_j. None where they do not split.
    maps: Arc<[Vec<f32>]>,
    /// One entry a layer; empty for networks with LayerNorm.
    pub layers: Vec<LayerInteractions>,
    scratch: Scratch,
}

/// Room for one layer.
#[derive(Clone, Debug, Default)]
struct Scratch {
    /// What earlier layers wrote, `[M, C]`.
    buffer: Vec<f32>,
    /// Rows of one part of the stream that ask, `[S, Q, columns]`.
    rows: Vec<f32>,
    /// The parts of the rows that ask, times A, `[S, Q, parts, F]`.
    left: Vec<f32>,
    /// Scores in one sequence, `[parts, Q, parts, T]`: by part of the key, query, part of the query.
    scores: Vec<f32>,
    whole: Vec<f64>,
}

impl Interactions {
    /// Of one head in each layer.
    pub fn of_heads(model: &Model<f32>, params: &Params<f32>, heads: &[usize]) -> Self {
        let has_parts = model.description().has_bilinear_scores();
        let map = |(layer, &head)| model.attention(layer).score_map(model.kernels(), &params.values, head);
        let maps = heads.iter().enumerate().take(if has_parts { heads.len() } else { 0 }).map(map).collect();
        Self { maps, layers: Vec::new(), scratch: Scratch::default() }
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
    fn add(&mut self, model: &Model<f32>, _: &Params<f32>, batch: &Batch, trace: &Trace<f32>) {
        self.layers.resize(self.maps.len(), LayerInteractions::default());
        for (layer, (map, sums)) in self.maps.iter().zip(&mut self.layers).enumerate() {
            let split = Split::new(model, layer, batch, trace, &mut self.scratch);
            split.ask(model.kernels(), map, &mut self.scratch);
            for s in 0..batch.n_sequences {
                split.score(model.kernels(), s, &mut self.scratch);
                for (i, (query, key)) in pattern_of(layer, batch, s).into_iter().enumerate() {
                    // Above the first layer the query alone asks.
                    let row = if layer == 0 { i } else { 0 };
                    sums.add(&split, &mut self.scratch, row, query, key);
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

/// The residual stream before a layer, in the order of [`PARTS`], and which tokens ask.
struct Split<'a> {
    parts: Vec<Part<'a>>,
    queries: Vec<usize>,
    n_sequences: usize,
    n_tokens: usize,
    /// C.
    d_model: usize,
    /// F, width of the map.
    width: usize,
}

/// Columns of rows `[M, C]`.
struct Part<'a> {
    /// None for what earlier layers wrote, which is made for the purpose.
    rows: Option<&'a [f32]>,
    columns: Range<usize>,
}

impl<'a> Split<'a> {
    fn new(
        model: &Model<f32>,
        layer: usize,
        batch: &Batch,
        trace: &'a Trace<f32>,
        Scratch { buffer, .. }: &mut Scratch,
    ) -> Self {
        let (dims, s, t) = (model.embed_dims(), batch.n_sequences, batch.n_tokens());
        let c = dims.d_model;
        let (embedded, before) = (&trace.blocks[0].resid_pre[..s * t * c], &trace.blocks[layer].resid_pre);
        let part = |columns| Part { rows: Some(embedded), columns };
        let mut parts = vec![part(dims.d_pos..dims.d_pos + dims.d_item), part(0..dims.d_pos)];
        let geometry = batch.geometry();
        let mut queries: Vec<usize> = (0..batch.n_exemplars).map(|slot| geometry.label_token(slot)).collect();
        // In the first layer nothing has been written yet.
        if layer > 0 {
            buffer.clear();
            buffer.extend(before.iter().zip(embedded).map(|(x, u)| x - u));
            parts.push(Part { rows: None, columns: 0..c });
            queries = vec![geometry.query_token()];
        }
        let width = model.attention(layer).score_width();
        Self { parts, queries, n_sequences: s, n_tokens: t, d_model: c, width }
    }

    /// Room for products. One over no columns is 0 and not written.
    fn size(&self, room: &mut Vec<f32>, len: usize) {
        room.resize(len, 0.0);
        if self.parts.iter().any(|part| part.columns.is_empty()) {
            room.fill(0.0);
        }
    }

    /// The parts of the rows that ask, times A.
    fn ask(&self, kernels: Kernels, map: &[f32], Scratch { buffer, rows, left, .. }: &mut Scratch) {
        let (n, f, n_parts) = (self.n_sequences * self.queries.len(), self.width, self.parts.len());
        self.size(left, n * n_parts * f);
        for (a, Part { rows: of_part, columns }) in self.parts.iter().enumerate() {
            let of_part = of_part.unwrap_or(buffer);
            rows.clear();
            for s in 0..self.n_sequences {
                for query in &self.queries {
                    rows.extend_from_slice(&of_part[(s * self.n_tokens + query) * self.d_model..][columns.clone()]);
                }
            }
            let to = MatMut::with_row_stride(&mut left[a * f..], n, f, n_parts * f);
            let map = MatRef::new(&map[columns.start * f..columns.end * f], columns.len(), f);
            f32::gemm(kernels, to, Fill::Set, MatRef::new(rows, n, columns.len()), map);
        }
    }

    /// Their scores on each part of all keys of a sequence.
    fn score(&self, kernels: Kernels, s: usize, Scratch { buffer, left, scores, .. }: &mut Scratch) {
        let (t, c, f, n) = (self.n_tokens, self.d_model, self.width, self.queries.len() * self.parts.len());
        self.size(scores, self.parts.len() * n * t);
        for (Part { rows, columns }, scores) in self.parts.iter().zip(scores.chunks_exact_mut(n * t)) {
            let keys = &rows.unwrap_or(buffer)[s * t * c + columns.start..];
            let left = MatRef::with_row_stride(&left[s * n * f + columns.start..], n, columns.len(), f);
            let keys = MatRef::with_row_stride(keys, t, columns.len(), c);
            f32::gemm(kernels, MatMut::new(scores, n, t), Fill::Set, left, keys.t());
        }
    }
}

impl LayerInteractions {
    /// Adds one query's scores on its visible keys, part by part.
    fn add(&mut self, split: &Split<'_>, scratch: &mut Scratch, row: usize, query: usize, key: usize) {
        let (t, n_parts) = (split.n_tokens, split.parts.len());
        let Scratch { scores, whole, .. } = scratch;
        whole.clear();
        whole.resize(query + 1, 0.0);
        for (a, sums) in self.parts.iter_mut().enumerate().take(n_parts) {
            for (b, sums) in sums.iter_mut().enumerate().take(n_parts) {
                let at = ((b * split.queries.len() + row) * n_parts + a) * t;
                let scores = scores[at..=at + query].iter().map(|&score| f64::from(score));
                whole.iter_mut().zip(scores.clone()).for_each(|(whole, score)| *whole += score);
                sums.add(scores, key);
            }
        }
        self.whole.add(whole.iter().copied(), key);
        self.n += 1.0;
    }
}

impl PartSums {
    fn add(&mut self, scores: impl ExactSizeIterator<Item = f64> + Clone, key: usize) {
        let n = scores.len() as f64;
        let total: f64 = scores.clone().sum();
        let mean = total / n;
        let on_key = scores.clone().nth(key).unwrap_or(f64::NAN);
        self.on_pattern += on_key;
        self.others += (total - on_key) / (n - 1.0);
        self.variance += scores.map(|s| (s - mean) * (s - mean)).sum::<f64>() / n;
    }

    fn merge(&mut self, other: Self) {
        self.on_pattern += other.on_pattern;
        self.others += other.others;
        self.variance += other.variance;
    }
}
