//! LayerNorm (Ba et al. 2016): y = (x - mean) / sqrt(var + 1e-5) * weight + bias, row by row.

use std::ops::Range;

use precipice_num::{Kernels, MapGradient, Norm, NormGradient, Real};

use crate::model::description::Description;
use crate::model::params::{Init, Layout};

#[derive(Clone, Debug)]
pub(in crate::model) struct LayerNorm {
    width: usize,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// Output and statistics of a LayerNorm; empty where there is none.
#[derive(Clone, Debug)]
pub(in crate::model) struct NormTrace<T> {
    /// `[rows, C]`
    pub(in crate::model) out: Vec<T>,
    /// (x - mean) / sqrt(var + eps), `[rows, C]`
    pub(in crate::model) normalized: Vec<T>,
    /// 1 / sqrt(var + eps), `[rows]`
    inv_std: Vec<T>,
}

impl<T: Real> NormTrace<T> {
    pub(in crate::model) fn new(description: &Description, rows: usize) -> Self {
        let (rows, c) = (if description.layer_norm { rows } else { 0 }, description.d_model);
        let zeros = |len: usize| vec![T::ZERO; len];
        Self { out: zeros(rows * c), normalized: zeros(rows * c), inv_std: zeros(rows) }
    }
}

impl LayerNorm {
    pub(in crate::model) fn new(name: &str, width: usize, layout: &mut Layout) -> Self {
        let weight = layout.push(format!("{name}.weight"), &[width], Init::Constant(1.0));
        let bias = layout.push(format!("{name}.bias"), &[width], Init::Constant(0.0));
        Self { width, weight, bias }
    }

    /// `rows` rows of `x`, `stride` apart.
    pub(in crate::model) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        x: &[T],
        stride: usize,
        rows: usize,
        trace: &mut NormTrace<T>,
    ) {
        let len = rows * self.width;
        let norm = Norm { weight: &p[self.weight.clone()], bias: &p[self.bias.clone()] };
        let NormTrace { out, normalized, inv_std } = trace;
        T::layer_norm(kernels, x, stride, norm, &mut normalized[..len], &mut out[..len], &mut inv_std[..rows]);
    }

    /// Adds to the parameters' gradients, and to the rows of `d_x`, which are `stride` apart.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        d_out: &[T],
        rows: usize,
        trace: &NormTrace<T>,
        g: &mut [T],
        d_x: &mut [T],
        stride: usize,
    ) {
        let len = rows * self.width;
        let of = NormGradient {
            weight: &p[self.weight.clone()],
            d_out: &d_out[..len],
            normalized: &trace.normalized[..len],
            inv_std: &trace.inv_std[..rows],
        };
        // The bias follows the weight.
        let (d_weight, d_bias) = g[self.weight.start..self.bias.end].split_at_mut(self.width);
        T::layer_norm_gradient(kernels, of, d_weight, d_bias, d_x, stride);
    }

    /// Adds the gradients of a map of the output, and of the parameters by it, where nobody asks for the input's: of the
    /// map's place, the product of the normalized rows with what it made of them, and the sum of that.
    pub(in crate::model) fn add_map_gradient<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        map: Range<usize>,
        product: &[T],
        sum: &[T],
        g: &mut [T],
    ) {
        let norm = Norm { weight: &p[self.weight.clone()], bias: &p[self.bias.clone()] };
        // A block's maps follow its norm.
        let (before, later) = g.split_at_mut(map.start);
        let (d_weight, d_bias) = before[self.weight.start..self.bias.end].split_at_mut(self.width);
        let (map, d_map) = (&p[map.clone()], &mut later[..map.len()]);
        T::add_map_gradient(kernels, norm, MapGradient { map, product, sum, d_map, d_weight, d_bias });
    }
}
