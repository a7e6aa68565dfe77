//! f32 for training, f64 for gradient checks: one name for what a network needs of either.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::elementwise;
use crate::gemm::{self, Fill};
use crate::kernels::Kernels;
use crate::mat::{MatMut, MatRef};
use crate::rows::{self, MapGradient, Norm, NormGradient, definition};
use crate::{profile, softmax, transpose};

/// The number type of a network.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;

    /// Nearest value.
    fn from_f64(x: f64) -> Self;
    /// Exact value.
    fn to_f64(self) -> f64;
    /// C = A B or C += A B; every output sums over k in ascending order.
    ///
    /// # Panics
    /// If the shapes do not match.
    fn gemm(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, a: MatRef<'_, Self>, b: MatRef<'_, Self>) {
        Self::gemm_sum(kernels, c, fill, &[[a, b]]);
    }
    /// C = sum_i A_i B_i or C += sum_i A_i B_i, of one pair or more; every output sums over all k in the order of
    /// the pairs.
    ///
    /// # Panics
    /// If the shapes do not match.
    fn gemm_sum(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, pairs: &[[MatRef<'_, Self>; 2]]);
    /// Writes the transpose of `[rows, cols]` to rows that begin `to_stride` apart.
    ///
    /// # Panics
    /// If `from` is no whole number of rows, or `to` is too short.
    fn transpose(kernels: Kernels, from: &[Self], cols: usize, to: &mut [Self], to_stride: usize);
    /// Soft-max of a row, in place; in f32 scores more than 44 below the largest have weight 0.
    fn softmax(kernels: Kernels, row: &mut [Self]);
    /// Soft-max of row after row plus its biases, in place; rows of biases begin `stride` apart, and where
    /// j > i they are minus infinity.
    ///
    /// # Panics
    /// If there are fewer biases than scores.
    fn softmax_causal(kernels: Kernels, rows: &mut [Self], width: usize, biases: &[Self], stride: usize);
    /// Turns the gradient of rows of a soft-max `p` into that of its scores, in place.
    ///
    /// # Panics
    /// If the lengths differ; so do the functions that follow.
    fn softmax_gradient(kernels: Kernels, p: &[Self], d: &mut [Self], width: usize);
    /// y += a x
    fn axpy(kernels: Kernels, a: Self, x: &[Self], y: &mut [Self]);
    /// Adds `width` numbers of each row of x to those of y; rows begin `strides` apart.
    ///
    /// # Panics
    /// If a row of either is shorter.
    fn add_rows(kernels: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize);
    /// Copies `width` numbers of each row of x to those of y, likewise.
    ///
    /// # Panics
    /// If a row of either is shorter.
    fn copy_rows(kernels: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize);
    /// y = a x + b y
    fn axpby(kernels: Kernels, a: Self, x: &[Self], b: Self, y: &mut [Self]);
    /// sum_i x_i y_i
    fn dot(kernels: Kernels, x: &[Self], y: &[Self]) -> Self;
    /// y_i += a_i . x, for rows a_i that begin `stride` apart
    fn add_dots(kernels: Kernels, a: &[Self], stride: usize, x: &[Self], y: &mut [Self]);
    /// sum_i x_i
    fn sum(kernels: Kernels, x: &[Self]) -> Self;
    /// h = max(h + bias, 0); NaN stays.
    fn relu(kernels: Kernels, bias: Self, h: &mut [Self]);
    /// d = 0 where h, the output of the ReLU, is 0.
    fn relu_gradient(kernels: Kernels, h: &[Self], d: &mut [Self]);
    /// Row by row (x - mean) / sqrt(var + 1e-5), and that times weight plus bias; rows of x begin `stride` apart, and
    /// `inv_std` has one number for each.
    fn layer_norm(
        kernels: Kernels,
        x: &[Self],
        stride: usize,
        norm: Norm<'_, Self>,
        normalized: &mut [Self],
        out: &mut [Self],
        inv_std: &mut [Self],
    );
    /// Adds to the gradients of weight and bias, row after row, and to the rows of `d_x`, which begin `stride` apart.
    fn layer_norm_gradient(
        kernels: Kernels,
        of: NormGradient<'_, Self>,
        d_weight: &mut [Self],
        d_bias: &mut [Self],
        d_x: &mut [Self],
        stride: usize,
    );
    /// Adds to the gradients of a map, and of the weight and bias of the LayerNorm before it.
    fn add_map_gradient(kernels: Kernels, norm: Norm<'_, Self>, of: MapGradient<'_, Self>);
    /// y = GELU(x) in its tanh form.
    fn gelu(kernels: Kernels, x: &[Self], y: &mut [Self]);
    /// d = d GELU'(x)
    fn gelu_gradient(kernels: Kernels, x: &[Self], d: &mut [Self]);
    /// v = keep v + new g g, Adam's second moment.
    fn add_squares(kernels: Kernels, keep: Self, new: Self, g: &[Self], v: &mut [Self]);
    /// p = keep p - rate m / (sqrt(v) scale + epsilon), Adam's update with factors `[keep, rate, scale, epsilon]`.
    fn adam(kernels: Kernels, factors: [Self; 4], m: &[Self], v: &[Self], p: &mut [Self]);
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(x: f64) -> Self {
        x as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    fn gemm_sum(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, pairs: &[[MatRef<'_, Self>; 2]]) {
        let shape = [c.rows, c.cols, pairs.iter().map(|[a, _]| a.cols).sum()];
        profile::kernel("product", shape, || gemm::gemm_f32(kernels, c, fill, pairs));
    }
    fn transpose(kernels: Kernels, from: &[Self], cols: usize, to: &mut [Self], to_stride: usize) {
        profile::kernel("transpose", [0; 3], || transpose::transposed(kernels, from, cols, to, to_stride));
    }
    fn softmax(kernels: Kernels, row: &mut [Self]) {
        profile::kernel("soft-max", [0; 3], || softmax::softmax_f32(kernels, row));
    }
    fn softmax_causal(kernels: Kernels, rows: &mut [Self], width: usize, biases: &[Self], stride: usize) {
        profile::kernel("causal soft-max", [0; 3], || {
            softmax::softmax_causal_f32(kernels, rows, width, biases, stride)
        });
    }
    fn softmax_gradient(kernels: Kernels, p: &[Self], d: &mut [Self], width: usize) {
        profile::kernel("soft-max gradient", [0; 3], || softmax::softmax_gradient_f32(kernels, p, d, width));
    }
    fn axpy(kernels: Kernels, a: Self, x: &[Self], y: &mut [Self]) {
        profile::kernel("axpy", [0; 3], || elementwise::axpy_f32(kernels, a, x, y));
    }
    fn add_rows(kernels: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize) {
        profile::kernel("add rows", [0; 3], || elementwise::add_rows_f32(kernels, x, y, strides, width));
    }
    fn copy_rows(kernels: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize) {
        profile::kernel("copy rows", [0; 3], || elementwise::copy_rows_f32(kernels, x, y, strides, width));
    }
    fn axpby(kernels: Kernels, a: Self, x: &[Self], b: Self, y: &mut [Self]) {
        profile::kernel("axpby", [0; 3], || elementwise::axpby_f32(kernels, a, x, b, y));
    }
    fn dot(kernels: Kernels, x: &[Self], y: &[Self]) -> Self {
        profile::kernel("dot products", [0; 3], || elementwise::dot_f32(kernels, x, y))
    }
    fn add_dots(kernels: Kernels, a: &[Self], stride: usize, x: &[Self], y: &mut [Self]) {
        profile::kernel("dot products", [0; 3], || elementwise::add_dots_f32(kernels, a, stride, x, y));
    }
    fn sum(kernels: Kernels, x: &[Self]) -> Self {
        profile::kernel("sum", [0; 3], || elementwise::sum_f32(kernels, x))
    }
    fn relu(kernels: Kernels, bias: Self, h: &mut [Self]) {
        profile::kernel("ReLU", [0; 3], || elementwise::relu_f32(kernels, bias, h));
    }
    fn relu_gradient(kernels: Kernels, h: &[Self], d: &mut [Self]) {
        profile::kernel("ReLU gradient", [0; 3], || elementwise::relu_gradient_f32(kernels, h, d));
    }
    fn layer_norm(
        kernels: Kernels,
        x: &[Self],
        stride: usize,
        norm: Norm<'_, Self>,
        normalized: &mut [Self],
        out: &mut [Self],
        inv_std: &mut [Self],
    ) {
        profile::kernel("LayerNorm", [0; 3], || {
            rows::layer_norm_f32(kernels, x, stride, norm, normalized, out, inv_std)
        });
    }
    fn layer_norm_gradient(
        kernels: Kernels,
        of: NormGradient<'_, Self>,
        d_weight: &mut [Self],
        d_bias: &mut [Self],
        d_x: &mut [Self],
        stride: usize,
    ) {
        profile::kernel("LayerNorm gradient", [0; 3], || {
            rows::layer_norm_gradient_f32(kernels, of, d_weight, d_bias, d_x, stride)
        });
    }
    fn add_map_gradient(kernels: Kernels, norm: Norm<'_, Self>, of: MapGradient<'_, Self>) {
        profile::kernel("LayerNorm gradient", [0; 3], || rows::add_map_gradient_f32(kernels, norm, of));
    }
    fn gelu(kernels: Kernels, x: &[Self], y: &mut [Self]) {
        profile::kernel("GELU", [0; 3], || rows::gelu_f32(kernels, x, y));
    }
    fn gelu_gradient(kernels: Kernels, x: &[Self], d: &mut [Self]) {
        profile::kernel("GELU gradient", [0; 3], || rows::gelu_gradient_f32(kernels, x, d));
    }
    fn add_squares(kernels: Kernels, keep: Self, new: Self, g: &[Self], v: &mut [Self]) {
        profile::kernel("Adam", [0; 3], || elementwise::add_squares_f32(kernels, keep, new, g, v));
    }
    fn adam(kernels: Kernels, factors: [Self; 4], m: &[Self], v: &[Self], p: &mut [Self]) {
        profile::kernel("Adam", [0; 3], || elementwise::adam_f32(kernels, factors, m, v, p));
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(x: f64) -> Self {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    fn gemm_sum(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, pairs: &[[MatRef<'_, Self>; 2]]) {
        gemm::gemm_f64(kernels, c, fill, pairs);
    }
    fn transpose(kernels: Kernels, from: &[Self], cols: usize, to: &mut [Self], to_stride: usize) {
        transpose::transposed(kernels, from, cols, to, to_stride);
    }
    fn softmax(_: Kernels, row: &mut [Self]) {
        softmax::softmax_f64(row);
    }
    fn softmax_causal(_: Kernels, rows: &mut [Self], width: usize, biases: &[Self], stride: usize) {
        for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let (seen, hidden) = row.split_at_mut((i + 1).min(width));
            seen.iter_mut().zip(&biases[i * stride..]).for_each(|(s, b)| *s += b);
            softmax::softmax_f64(seen);
            hidden.fill(0.0);
        }
    }
    fn softmax_gradient(kernels: Kernels, p: &[Self], d: &mut [Self], width: usize) {
        for (p, d) in p.chunks_exact(width).zip(d.chunks_exact_mut(width)) {
            let mean = Self::dot(kernels, p, d);
            d.iter_mut().zip(p).for_each(|(d, p)| *d = p * (*d - mean));
        }
    }
    fn axpy(_: Kernels, a: Self, x: &[Self], y: &mut [Self]) {
        assert_eq!(x.len(), y.len(), "axpy of different lengths");
        y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
    }
    fn add_rows(_: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize) {
        for (x, y) in x.chunks(strides.0).zip(y.chunks_mut(strides.1)) {
            y[..width].iter_mut().zip(&x[..width]).for_each(|(y, x)| *y += x);
        }
    }
    fn copy_rows(_: Kernels, x: &[Self], y: &mut [Self], strides: (usize, usize), width: usize) {
        for (x, y) in x.chunks(strides.0).zip(y.chunks_mut(strides.1)) {
            y[..width].copy_from_slice(&x[..width]);
        }
    }
    fn axpby(_: Kernels, a: Self, x: &[Self], b: Self, y: &mut [Self]) {
        assert_eq!(x.len(), y.len(), "axpby of different lengths");
        y.iter_mut().zip(x).for_each(|(y, x)| *y = a * x + b * *y);
    }
    fn dot(_: Kernels, x: &[Self], y: &[Self]) -> Self {
        assert_eq!(x.len(), y.len(), "dot product of different lengths");
        x.iter().zip(y).map(|(a, b)| a * b).sum()
    }
    fn add_dots(kernels: Kernels, a: &[Self], stride: usize, x: &[Self], y: &mut [Self]) {
        for (i, y) in y.iter_mut().enumerate() {
            *y += Self::dot(kernels, &a[i * stride..i * stride + x.len()], x);
        }
    }
    fn sum(_: Kernels, x: &[Self]) -> Self {
        x.iter().sum()
    }
    fn relu(_: Kernels, bias: Self, h: &mut [Self]) {
        for h in h {
            let x = *h + bias;
            *h = if x < 0.0 { 0.0 } else { x };
        }
    }
    fn relu_gradient(_: Kernels, h: &[Self], d: &mut [Self]) {
        d.iter_mut().zip(h).filter(|(_, h)| **h <= 0.0).for_each(|(d, _)| *d = 0.0);
    }
    fn layer_norm(
        _: Kernels,
        x: &[Self],
        stride: usize,
        norm: Norm<'_, Self>,
        normalized: &mut [Self],
        out: &mut [Self],
        inv_std: &mut [Self],
    ) {
        definition::layer_norm(x, stride, norm, normalized, out, inv_std);
    }
    fn layer_norm_gradient(
        _: Kernels,
        of: NormGradient<'_, Self>,
        d_weight: &mut [Self],
        d_bias: &mut [Self],
        d_x: &mut [Self],
        stride: usize,
    ) {
        definition::layer_norm_gradient(of, d_weight, d_bias, d_x, stride);
    }
    fn add_map_gradient(_: Kernels, norm: Norm<'_, Self>, of: MapGradient<'_, Self>) {
        definition::add_map_gradient(norm, of);
    }
    fn gelu(_: Kernels, x: &[Self], y: &mut [Self]) {
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = definition::gelu(x));
    }
    fn gelu_gradient(_: Kernels, x: &[Self], d: &mut [Self]) {
        d.iter_mut().zip(x).for_each(|(d, &x)| *d *= definition::gelu_slope(x));
    }
    fn add_squares(_: Kernels, keep: Self, new: Self, g: &[Self], v: &mut [Self]) {
        v.iter_mut().zip(g).for_each(|(v, g)| *v = keep * *v + new * g * g);
    }
    fn adam(_: Kernels, [keep, rate, scale, epsilon]: [Self; 4], m: &[Self], v: &[Self], p: &mut [Self]) {
        for ((p, m), v) in p.iter_mut().zip(m).zip(v) {
            *p = keep * *p - rate * m / (v.sqrt() * scale + epsilon);
        }
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
}
