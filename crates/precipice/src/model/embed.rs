//! Tokens to rows of the residual stream: columns [ position | content | buffer zeros ].

use std::ops::Range;

use precipice_num::{Kernels, Real};

use super::embedding::{Embedding, EmbeddingTrace};
use super::params::{Init, Layout};
use crate::batch::Batch;
use crate::spec::{Positions, RunSpec};

/// The three subspaces of the residual stream at the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbedDims {
    /// Width of the position code; the first columns.
    pub d_pos: usize,
    /// Width of the content, items and label vectors or (x, y); the columns that follow.
    pub d_item: usize,
    /// Width of the residual stream; the rest is the empty buffer.
    pub d_model: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Embed<T> {
    dims: EmbedDims,
    /// `[L, D]`
    label_table: Vec<T>,
    /// Whether an exemplar is one token.
    is_paired: bool,
    /// What makes contents of pairs, if they are not taken as they are.
    embedding: Option<Embedding>,
    positions: PositionCode<T>,
}

#[derive(Clone, Debug)]
enum PositionCode<T> {
    /// A minimal head knows who comes before whom without any.
    Absent,
    OneHot,
    /// `[n_positions, d_pos]`
    Fixed(Vec<T>),
    /// Place of `embed.positions`.
    Learned(Range<usize>),
}

impl<T: Real> Embed<T> {
    pub(super) fn new(spec: &RunSpec, label_table: &[f32], layout: &mut Layout) -> Self {
        let dims = EmbedDims { d_pos: spec.d_pos(), d_item: spec.d_content(), d_model: spec.d_model() };
        assert_eq!(label_table.len(), spec.task.n_labels() * dims.d_item, "label table is not [L, D]");
        let n_positions = spec.n_positions();
        let positions = match spec.model.positions {
            _ if dims.d_pos == 0 => PositionCode::Absent,
            Positions::OneHot => PositionCode::OneHot,
            Positions::Sinusoidal => PositionCode::Fixed(sinusoids(n_positions, dims.d_pos)),
            Positions::Learned => {
                let init = Init::Normal((1.0 / dims.d_pos as f64).sqrt());
                PositionCode::Learned(layout.push("embed.positions", &[n_positions, dims.d_pos], init))
            }
        };
        let label_table = label_table.iter().map(|&x| T::from_f64(f64::from(x))).collect();
        let embedding = spec.model.embedding.map(|embedding| Embedding::new(spec, embedding, layout));
        Self { dims, label_table, is_paired: spec.has_paired_tokens(), embedding, positions }
    }

    pub(super) fn dims(&self) -> EmbedDims {
        self.dims
    }

    /// Columns of x and of y in the regression task.
    pub(super) fn columns_of_pair(&self) -> (Range<usize>, usize) {
        let y = self.dims.d_pos + self.dims.d_item - 1;
        (self.dims.d_pos..y, y)
    }

    pub(super) fn label_table(&self) -> &[T] {
        &self.label_table
    }

    pub(super) fn has_params(&self) -> bool {
        matches!(self.positions, PositionCode::Learned(_)) || self.embedding.is_some()
    }

    /// Writes `[M, C]`.
    pub(super) fn forward(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut EmbeddingTrace<T>,
        out: &mut [T],
    ) {
        let EmbedDims { d_pos, d_item, d_model } = self.dims;
        let (t, n) = (batch.n_tokens(), batch.n_exemplars);
        for s in 0..batch.n_sequences {
            let items = batch.items_of(s);
            for (i, row) in out[s * t * d_model..(s + 1) * t * d_model].chunks_exact_mut(d_model).enumerate() {
                let position = batch.offsets[s] as usize + i;
                let (code, rest) = row.split_at_mut(d_pos);
                self.write_position(p, position, code);
                let (content, buffer) = rest.split_at_mut(d_item);
                buffer.fill(T::ZERO);
                if !batch.values.is_empty() {
                    let pair = if self.embedding.is_some() { trace.pair(s * t + i) } else { content };
                    self.write_pair(batch, s, i, pair);
                    continue;
                }
                if i % 2 == 0 {
                    let item = &items[i / 2 * d_item..(i / 2 + 1) * d_item];
                    content.iter_mut().zip(item).for_each(|(x, &y)| *x = T::from_f64(f64::from(y)));
                } else {
                    let label = batch.label_ids[s * n + i / 2] as usize;
                    content.copy_from_slice(&self.label_table[label * d_item..(label + 1) * d_item]);
                }
            }
        }
        if let Some(embedding) = &self.embedding {
            let contents = embedding.forward(kernels, p, batch.n_sequences * t, trace);
            for (row, content) in out.chunks_exact_mut(d_model).zip(contents.chunks_exact(d_item)) {
                row[d_pos..d_pos + d_item].copy_from_slice(content);
            }
        }
    }

    /// Token i of a sequence of the regression task: (x, y), or one of them and zeros.
    fn write_pair(&self, batch: &Batch, s: usize, i: usize, content: &mut [T]) {
        let d = batch.d_item;
        let (exemplar, has_x, has_y) =
            if self.is_paired { (i, true, true) } else { (i / 2, i.is_multiple_of(2), !i.is_multiple_of(2)) };
        content.fill(T::ZERO);
        let value = |x: f32| T::from_f64(f64::from(x));
        if has_x {
            let item = &batch.items_of(s)[exemplar * d..(exemplar + 1) * d];
            content.iter_mut().zip(item).for_each(|(to, &x)| *to = value(x));
        }
        if has_y && exemplar < batch.n_exemplars {
            content[d] = value(batch.values_of(s)[exemplar]);
        }
    }

    fn write_position(&self, p: &[T], position: usize, code: &mut [T]) {
        let d_pos = code.len();
        let row = position * d_pos..(position + 1) * d_pos;
        match &self.positions {
            PositionCode::Absent => {}
            PositionCode::OneHot => {
                code.fill(T::ZERO);
                code[position] = T::ONE;
            }
            PositionCode::Fixed(table) => code.copy_from_slice(&table[row]),
            PositionCode::Learned(place) => code.copy_from_slice(&p[place.clone()][row]),
        }
    }

    /// Adds the gradients of learned positions and of an embedding, given d_resid `[M, C]`.
    pub(super) fn backward(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        d_resid: &[T],
        trace: &mut EmbeddingTrace<T>,
        g: &mut [T],
    ) {
        let EmbedDims { d_pos, d_item, d_model } = self.dims;
        if let Some(embedding) = &self.embedding {
            let rows = batch.n_sequences * batch.n_tokens();
            let contents = d_resid.chunks_exact(d_model).map(|row| &row[d_pos..d_pos + d_item]);
            embedding.backward(kernels, p, contents.take(rows), trace, g);
        }
        let PositionCode::Learned(place) = &self.positions else { return };
        let table = &mut g[place.clone()];
        let t = batch.n_tokens();
        for row in 0..batch.n_sequences * t {
            let position = batch.offsets[row / t] as usize + row % t;
            let d_code = &d_resid[row * d_model..row * d_model + d_pos];
            let d_table = &mut table[position * d_pos..(position + 1) * d_pos];
            d_table.iter_mut().zip(d_code).for_each(|(g, &d)| *g += d);
        }
    }
}

/// Row p: sin(p 10000^(-2k / d_pos)) and the cosine, for k = 0, 1, ... (Vaswani et al. 2017).
fn sinusoids<T: Real>(n_positions: usize, d_pos: usize) -> Vec<T> {
    let value = |position: usize, column: usize| {
        let exponent = -2.0 * (column / 2) as f64 / d_pos as f64;
        let angle = position as f64 * libm::pow(10_000.0, exponent);
        T::from_f64(if column.is_multiple_of(2) { libm::sin(angle) } else { libm::cos(angle) })
    };
    (0..n_positions * d_pos).map(|i| value(i / d_pos, i % d_pos)).collect()
}
