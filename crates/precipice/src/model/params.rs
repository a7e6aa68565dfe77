//! Named tensors over one flat vector; parameters, gradients and moments have the same type.

use std::ops::Range;
use std::sync::Arc;

use precipice_num::{Kernels, Real, Rng, StreamId};

use crate::purpose::Purpose;

/// How a tensor begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Independent normal deviates of this standard deviation.
    Normal(f64),
    /// All the same.
    Constant(f64),
}

/// One tensor of a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Name, as in checkpoints.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Where it stands in the flat vector.
    pub range: Range<usize>,
    /// How it begins.
    pub init: Init,
}

/// The tensors of a network, in the order of the data flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    tensors: Vec<TensorInfo>,
    /// Where each tensor ends.
    ends: Vec<usize>,
    len: usize,
}

impl Layout {
    /// Appends a tensor and returns its place.
    pub(crate) fn push(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> Range<usize> {
        let range = self.len..self.len + shape.iter().product::<usize>();
        self.len = range.end;
        self.ends.push(range.end);
        self.tensors.push(TensorInfo { name: name.into(), shape: shape.to_vec(), range: range.clone(), init });
        range
    }

    /// All tensors.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Where each tensor ends in the flat vector.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Numbers in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tensors that a group names: one name, or a dotted prefix of names.
    pub fn group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a TensorInfo> {
        self.tensors.iter().filter(move |tensor| is_in(group, &tensor.name))
    }
}

/// Whether a tensor belongs to a group: its name, or a dotted prefix.
pub(crate) fn is_in(group: &str, name: &str) -> bool {
    name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether the first axis of a tensor is that of heads.
pub(crate) fn has_heads(name: &str) -> bool {
    name.contains(".attn.")
}

/// Values for every tensor of a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Params<T> {
    /// Names and shapes.
    pub layout: Arc<Layout>,
    /// The numbers.
    pub values: Vec<T>,
}

impl<T: Real> Params<T> {
    /// All zeros.
    pub fn zeros(layout: Arc<Layout>) -> Self {
        let values = vec![T::ZERO; layout.len()];
        Self { layout, values }
    }

    /// Initial values, a function of the seed alone.
    pub fn init(layout: Arc<Layout>, seed: u64) -> Self {
        let mut params = Self::zeros(layout);
        for (lane, tensor) in params.layout.tensors.iter().enumerate() {
            let out = &mut params.values[tensor.range.clone()];
            match tensor.init {
                Init::Constant(value) => out.fill(T::from_f64(value)),
                Init::Normal(std) => {
                    let mut deviates = vec![0.0; out.len()];
                    let id = StreamId { seed, purpose: Purpose::Init as u8, step: 0, lane: lane as u32 };
                    Rng::fill_normal(Kernels::detect(), id, std as f32, &mut deviates);
                    out.iter_mut().zip(deviates).for_each(|(x, z)| *x = T::from_f64(f64::from(z)));
                }
            }
        }
        params
    }

    fn tensor(&self, name: &str) -> &TensorInfo {
        let found = self.layout.tensors.iter().find(|tensor| tensor.name == name);
        found.unwrap_or_else(|| panic!("no tensor {name}"))
    }

    /// Shape of a tensor that must be there.
    pub(super) fn tensor_shape(&self, name: &str) -> Vec<usize> {
        self.tensor(name).shape.clone()
    }

    /// A tensor of heads `[H, rows, width]`, all zeros from now on: the first head's values and its width.
    pub(super) fn first_head(&mut self, name: &str) -> (&mut [T], usize) {
        let TensorInfo { shape, range, .. } = self.tensor(name).clone();
        self.values[range.clone()].fill(T::ZERO);
        (&mut self.values[range.start..range.start + shape[1] * shape[2]], shape[2])
    }

    /// One tensor by name.
    pub fn get(&self, name: &str) -> Option<&[T]> {
        let tensor = self.layout.tensors.iter().find(|tensor| tensor.name == name)?;
        Some(&self.values[tensor.range.clone()])
    }
}

impl Params<f32> {
    /// BLAKE3 of the bits, in hexadecimal: equal digests mean equal parameters.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for value in &self.values {
            hasher.update(&value.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}
