//! Tokens to rows of the residual stream: columns [ position | content | buffer zeros ].

use std::ops::Range;

use precipice_num::{Kernels, Real};

use super::embedding::{Embedding, EmbeddingTrace};
use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::sequence::{Batch, Role};
use crate::spec::Positions;

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
pub(in crate::model) struct Embed<T> {
    dims: EmbedDims,
    /// `[L, D]`
    label_table: Vec<T>,
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
    pub(in crate::model) fn new(description: &Description, label_table: &[f32], layout: &mut Layout) -> Self {
        let &Description { d_pos, d_content: d_item, d_model, n_positions, .. } = description;
        let dims = EmbedDims { d_pos, d_item, d_model };
        assert_eq!(label_table.len(), description.targets.n_labels() * dims.d_item, "label table is not [L, D]");
        let positions = match description.positions {
            _ if dims.d_pos == 0 => PositionCode::Absent,
            Positions::OneHot => PositionCode::OneHot,
            Positions::Sinusoidal => PositionCode::Fixed(sinusoids(n_positions, dims.d_pos)),
            Positions::Learned => {
                let init = Init::Normal((1.0 / dims.d_pos as f64).sqrt());
                PositionCode::Learned(layout.push("embed.positions", &[n_positions, dims.d_pos], init))
            }
        };
        let label_table = label_table.iter().map(|&x| T::from_f64(f64::from(x))).collect();
        let embedding = description.embedding.map(|embedding| Embedding::new(description, embedding, layout));
        Self { dims, label_table, embedding, positions }
    }

    pub(in crate::model) fn dims(&self) -> EmbedDims {
        self.dims
    }

    /// Columns of x and of y, where values are asked for.
    pub(in crate::model) fn columns_of_pair(&self) -> (Range<usize>, usize) {
        let y = self.dims.d_pos + self.dims.d_item - 1;
        (self.dims.d_pos..y, y)
    }

    pub(in crate::model) fn label_table(&self) -> &[T] {
        &self.label_table
    }

    /// Writes `[M, C]`.
    pub(in crate::model) fn forward(
        &self,
        kernels: Kernels,
        p: &[T],
        batch: &Batch,
        trace: &mut EmbeddingTrace<T>,
        out: &mut [T],
    ) {
        let EmbedDims { d_pos, d_item, d_model } = self.dims;
        let t = batch.n_tokens();
        for s in 0..batch.n_sequences {
            for (i, row) in out[s * t * d_model..(s + 1) * t * d_model].chunks_exact_mut(d_model).enumerate() {
                let position = batch.offsets[s] as usize + i;
                let (code, rest) = row.split_at_mut(d_pos);
                self.write_position(p, position, code);
                let (content, buffer) = rest.split_at_mut(d_item);
                buffer.fill(T::ZERO);
                let content = if self.embedding.is_some() { trace.pair(s * t + i) } else { content };
                self.write_content(batch, s, batch.geometry().role(i), content);
            }
        }
        if let Some(embedding) = &self.embedding {
            let contents = embedding.forward(kernels, p, batch.n_sequences * t, trace);
            for (row, content) in out.chunks_exact_mut(d_model).zip(contents.chunks_exact(d_item)) {
                row[d_pos..d_pos + d_item].copy_from_slice(content);
            }
        }
    }

    /// An item, a label vector, or (x, y) with zeros for what the token does not have.
    fn write_content(&self, batch: &Batch, s: usize, role: Role, content: &mut [T]) {
        let (d, value) = (batch.d_item, |x: f32| T::from_f64(f64::from(x)));
        let (x, y) = match role {
            Role::Label(slot) => {
                let label = batch.labels_of(s)[slot] as usize;
                return content.copy_from_slice(&self.label_table[label * d..(label + 1) * d]);
            }
            Role::Item(slot) => (Some(slot), None),
            Role::Query => (Some(batch.n_exemplars), None),
            Role::Pair(slot) => (Some(slot), Some(slot)),
            Role::Value(slot) => (None, Some(slot)),
        };
        match x {
            Some(idx) => content.iter_mut().zip(batch.item_of(s, idx)).for_each(|(to, &x)| *to = value(x)),
            None => content[..d].fill(T::ZERO),
        }
        if let Some(to) = content.get_mut(d) {
            *to = y.map_or(T::ZERO, |slot| value(batch.values_of(s)[slot]));
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
    pub(in crate::model) fn backward(
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
