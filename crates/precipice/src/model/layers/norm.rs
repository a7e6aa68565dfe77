//! LayerNorm (Ba et al. 2016): y = (x - mean) / sqrt(var + 1e-5) * weight + bias, row by row.

use std::ops::Range;

use precipice_num::Real;

use crate::model::description::Description;
use crate::model::params::{Init, Layout};

const EPSILON: f64 = 1e-5;

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
    normalized: Vec<T>,
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
        p: &[T],
        x: &[T],
        stride: usize,
        rows: usize,
        trace: &mut NormTrace<T>,
    ) {
        let c = self.width;
        let (weight, bias) = (&p[self.weight.clone()], &p[self.bias.clone()]);
        let scale = T::from_f64(1.0 / c as f64);
        for i in 0..rows {
            let row = &x[i * stride..i * stride + c];
            let mean = row.iter().copied().sum::<T>() * scale;
            let variance = row.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() * scale;
            let inv_std = T::ONE / (variance + T::from_f64(EPSILON)).sqrt();
            trace.inv_std[i] = inv_std;
            let normalized = &mut trace.normalized[i * c..(i + 1) * c];
            let out = &mut trace.out[i * c..(i + 1) * c];
            for j in 0..c {
                normalized[j] = (row[j] - mean) * inv_std;
                out[j] = normalized[j] * weight[j] + bias[j];
            }
        }
    }

    /// Adds to the parameters' gradients, and to the rows of `d_x`, which are `stride` apart.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(in crate::model) fn backward<T: Real>(
        &self,
        p: &[T],
        d_out: &[T],
        rows: usize,
        trace: &NormTrace<T>,
        g: &mut [T],
        d_x: &mut [T],
        stride: usize,
    ) {
        let c = self.width;
        let scale = T::from_f64(1.0 / c as f64);
        for i in 0..rows {
            let d_out = &d_out[i * c..(i + 1) * c];
            let n = &trace.normalized[i * c..(i + 1) * c];
            for j in 0..c {
                g[self.weight.start + j] += d_out[j] * n[j];
                g[self.bias.start + j] += d_out[j];
            }
            // n = (x - mean) inv_std: d_x = inv_std (d_n - mean(d_n) - n mean(n d_n))
            let weight = &p[self.weight.clone()];
            let mean_d = (0..c).map(|j| d_out[j] * weight[j]).sum::<T>() * scale;
            let mean_nd = (0..c).map(|j| d_out[j] * weight[j] * n[j]).sum::<T>() * scale;
            let d_x = &mut d_x[i * stride..i * stride + c];
            for j in 0..c {
                d_x[j] += trace.inv_std[i] * (d_out[j] * weight[j] - mean_d - n[j] * mean_nd);
            }
        }
    }
}
