//! A batch of sequences: what tasks make and networks read.

use super::{Geometry, Targets};

/// `n_sequences` sequences of N exemplars and a query. Allocated once, refilled every step.
///
/// ```text
/// token       0    1    2    3   ...  2N-2  2N-1   2N      where an exemplar is two tokens
/// content    x_1  l_1  x_2  l_2  ...  x_N   l_N   x_q
/// position    o   o+1  o+2  o+3  ...              o+2N      o = offset
/// ```
///
/// ```
/// use precipice::sequence::{Batch, Geometry, Targets};
/// let mut batch = Batch::new(2, Geometry::of_labels(4), Targets::QueryLabel { n_labels: 16 }, 32);
/// batch.n_sequences = 2;
/// batch.labels_of_mut(1).copy_from_slice(&[3, 1, 4, 15]);
/// batch.matches_of_mut(1)[2] = true;
/// batch.answers[1] = 4;
/// assert_eq!(batch.slots_of(1).map(|slot| batch.labels_of(1)[slot]).collect::<Vec<_>>(), [4]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Sequences in use.
    pub n_sequences: usize,
    /// N.
    pub n_exemplars: usize,
    /// D.
    pub d_item: usize,
    geometry: Geometry,
    targets: Targets,
    /// `[n_sequences, N + 1, D]`; the last item of a sequence is the query.
    pub items: Vec<f32>,
    /// `[n_sequences, N + 1]` row of the item bank, class x n_instances + instance. Without a bank the
    /// class, novel ones counted from n_classes on, or 0 where items have no classes.
    pub item_ids: Vec<u32>,
    /// `[n_sequences, N]` labels of the context, in order.
    pub label_ids: Vec<u32>,
    /// `[n_sequences]` position of the first token.
    pub offsets: Vec<u32>,
    /// `[n_sequences]` the query's label.
    pub answers: Vec<u32>,
    /// `[n_sequences, N]` whether an exemplar is one whose label answers the query.
    pub matches: Vec<bool>,
    /// `[n_sequences, N + 1]` y of each item, the query's last, where values are asked for; else empty.
    pub values: Vec<f32>,
}

impl Batch {
    /// Room for `capacity` sequences, none in use.
    pub fn new(capacity: usize, geometry: Geometry, targets: Targets, d_item: usize) -> Self {
        let n_exemplars = geometry.n_exemplars();
        let n_values = if targets.are_labels() { 0 } else { capacity * (n_exemplars + 1) };
        Self {
            n_sequences: 0,
            n_exemplars,
            d_item,
            geometry,
            targets,
            items: vec![0.0; capacity * (n_exemplars + 1) * d_item],
            item_ids: vec![0; capacity * (n_exemplars + 1)],
            label_ids: vec![0; capacity * n_exemplars],
            offsets: vec![0; capacity],
            answers: vec![0; capacity],
            matches: vec![false; capacity * n_exemplars],
            values: vec![0.0; n_values],
        }
    }

    /// Sequences that it has room for.
    pub fn capacity(&self) -> usize {
        self.offsets.len()
    }

    /// What the tokens of each sequence are.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What is asked for.
    pub fn targets(&self) -> Targets {
        self.targets
    }

    /// T.
    pub fn n_tokens(&self) -> usize {
        self.geometry.n_tokens()
    }

    /// y of the items of one sequence, `[N + 1]`, where values are asked for.
    pub fn values_of(&self, sequence: usize) -> &[f32] {
        let width = self.n_exemplars + 1;
        &self.values[sequence * width..(sequence + 1) * width]
    }

    /// y of the query of every sequence, where values are asked for.
    pub fn query_values(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.n_sequences).map(|s| f64::from(self.values_of(s)[self.n_exemplars]))
    }

    /// Items of one sequence, `[N + 1, D]`.
    pub fn items_of(&self, sequence: usize) -> &[f32] {
        let width = (self.n_exemplars + 1) * self.d_item;
        &self.items[sequence * width..(sequence + 1) * width]
    }

    /// The same, to be filled.
    pub fn items_of_mut(&mut self, sequence: usize) -> &mut [f32] {
        let width = (self.n_exemplars + 1) * self.d_item;
        &mut self.items[sequence * width..(sequence + 1) * width]
    }

    /// One item of a sequence, `[D]`; number N is the query's.
    pub fn item_of(&self, sequence: usize, idx: usize) -> &[f32] {
        &self.items_of(sequence)[idx * self.d_item..(idx + 1) * self.d_item]
    }

    /// Which exemplars of one sequence answer the query, `[N]`.
    pub fn matches_of(&self, sequence: usize) -> &[bool] {
        &self.matches[sequence * self.n_exemplars..(sequence + 1) * self.n_exemplars]
    }

    /// The same, to be filled.
    pub fn matches_of_mut(&mut self, sequence: usize) -> &mut [bool] {
        &mut self.matches[sequence * self.n_exemplars..(sequence + 1) * self.n_exemplars]
    }

    /// The exemplars of one sequence that answer the query: none where the context does not help.
    pub fn slots_of(&self, sequence: usize) -> impl Iterator<Item = usize> + '_ {
        self.matches_of(sequence).iter().enumerate().filter_map(|(slot, &is_match)| is_match.then_some(slot))
    }

    /// Context labels of one sequence, `[N]`.
    pub fn labels_of(&self, sequence: usize) -> &[u32] {
        &self.label_ids[sequence * self.n_exemplars..(sequence + 1) * self.n_exemplars]
    }

    /// The same, to be filled.
    pub fn labels_of_mut(&mut self, sequence: usize) -> &mut [u32] {
        &mut self.label_ids[sequence * self.n_exemplars..(sequence + 1) * self.n_exemplars]
    }
}
