//! f32 for training, f64 for gradient checks: one name for what a network needs of either.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::elementwise;
use crate::gemm::{self, Fill};
use crate::kernels::Kernels;
use crate::mat::{MatMut, MatRef};
use crate::{math, softmax};

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
    fn gemm(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, a: MatRef<'_, Self>, b: MatRef<'_, Self>);
    /// Soft-max of a row, in place.
    fn softmax(kernels: Kernels, row: &mut [Self]);
    /// y += a x
    fn axpy(kernels: Kernels, a: Self, x: &[Self], y: &mut [Self]);
    /// sum_i x_i y_i
    fn dot(kernels: Kernels, x: &[Self], y: &[Self]) -> Self;
    /// Square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
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
    fn gemm(kernels: Kernels, c: MatMut<'_, Self>, fill: Fill, a: MatRef<'_, Self>, b: MatRef<'_, Self>) {
        gemm::gemm_f32(kernels, c, fill, a, b);
    }
    fn softmax(kernels: Kernels, row: &mut [Self]) {
        softmax::softmax_f32(kernels, row);
    }
    fn axpy(kernels: Kernels, a: Self, x: &[Self], y: &mut [Self]) {
        elementwise::axpy_f32(kernels, a, x, y);
    }
    fn dot(kernels: Kernels, x: &[Self], y: &[Self]) -> Self {
        elementwise::dot_f32(kernels, x, y)
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn tanh(self) -> Self {
        math::tanh(self)
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
    fn gemm(_: Kernels, c: MatMut<'_, Self>, fill: Fill, a: MatRef<'_, Self>, b: MatRef<'_, Self>) {
        gemm::gemm_f64(c, fill, a, b);
    }
    fn softmax(_: Kernels, row: &mut [Self]) {
        softmax::softmax_f64(row);
    }
    fn axpy(_: Kernels, a: Self, x: &[Self], y: &mut [Self]) {
        assert_eq!(x.len(), y.len(), "axpy of different lengths");
        y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x);
    }
    fn dot(_: Kernels, x: &[Self], y: &[Self]) -> Self {
        assert_eq!(x.len(), y.len(), "dot product of different lengths");
        x.iter().zip(y).map(|(a, b)| a * b).sum()
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
}
