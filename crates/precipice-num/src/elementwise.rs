//! Elementwise vector operations. Multiplications and additions are never fused here.

use crate::kernels::{Kernels, dispatch};

/// y = y + a x
pub(crate) fn axpy_f32(kernels: Kernels, a: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "axpy of different lengths");
    dispatch!(kernels, axpy_body(a: f32, x: &[f32], y: &mut [f32]));
}

#[inline(always)]
fn axpy_body(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// sum_i x_i y_i in a fixed order.
pub(crate) fn dot_f32(kernels: Kernels, x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len(), "dot product of different lengths");
    let mut sum = 0.0;
    let out = &mut sum;
    dispatch!(kernels, dot_body(x: &[f32], y: &[f32], out: &mut f32));
    sum
}

#[inline(always)]
fn dot_body(x: &[f32], y: &[f32], out: &mut f32) {
    const LANES: usize = 16;
    let mut lanes = [0.0_f32; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder());
    for (i, (a, b)) in rest.enumerate() {
        lanes[i] += a * b;
    }
    for (a, b) in xs.zip(ys) {
        for j in 0..LANES {
            lanes[j] += a[j] * b[j];
        }
    }
    *out = crate::softmax::sum(&lanes);
}
