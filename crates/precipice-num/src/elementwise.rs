//! Elementwise vector operations. Multiplications and additions are never fused here.

use crate::kernels::{Kernels, dispatch, dispatch_sixteen};
use crate::sixteen::{Sixteen, dot, sum};

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

/// Adds `width` numbers of row after row; rows begin `strides.0` apart in x, `strides.1` apart in y.
pub(crate) fn add_rows_f32(kernels: Kernels, x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize) {
    assert!(width <= strides.0.min(strides.1), "rows overlap");
    dispatch!(kernels, add_rows_body(x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize));
}

#[inline(always)]
fn add_rows_body(x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize) {
    for (x, y) in x.chunks(strides.0).zip(y.chunks_mut(strides.1)) {
        for (y, x) in y[..width].iter_mut().zip(&x[..width]) {
            *y += x;
        }
    }
}

/// Copies `width` numbers of row after row, likewise.
pub(crate) fn copy_rows_f32(kernels: Kernels, x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize) {
    assert!(width <= strides.0.min(strides.1), "rows overlap");
    dispatch!(kernels, copy_rows_body(x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize));
}

#[inline(always)]
fn copy_rows_body(x: &[f32], y: &mut [f32], strides: (usize, usize), width: usize) {
    for (x, y) in x.chunks(strides.0).zip(y.chunks_mut(strides.1)) {
        let (x, y) = (&x[..width], &mut y[..width]);
        // In groups, so that this is no call for every row.
        let ((x16, x), (y16, y)) = (x.as_chunks::<16>(), y.as_chunks_mut::<16>());
        for (y, x) in y16.iter_mut().zip(x16) {
            *y = *x;
        }
        y.copy_from_slice(x);
    }
}

/// y = a x + b y
pub(crate) fn axpby_f32(kernels: Kernels, a: f32, x: &[f32], b: f32, y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "axpby of different lengths");
    dispatch!(kernels, axpby_body(a: f32, x: &[f32], b: f32, y: &mut [f32]));
}

#[inline(always)]
fn axpby_body(a: f32, x: &[f32], b: f32, y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = a * x + b * *y;
    }
}

/// sum_i x_i y_i in a fixed order.
pub(crate) fn dot_f32(kernels: Kernels, x: &[f32], y: &[f32]) -> f32 {
    assert_eq!(x.len(), y.len(), "dot product of different lengths");
    dispatch_sixteen!(kernels, dot(x: &[f32], y: &[f32]) -> f32)
}

/// sum_i x_i in a fixed order.
pub(crate) fn sum_f32(kernels: Kernels, x: &[f32]) -> f32 {
    dispatch_sixteen!(kernels, sum(x: &[f32]) -> f32)
}

/// y_i = y_i + a_i . x, for rows a_i of the length of x that begin `stride` apart.
pub(crate) fn add_dots_f32(kernels: Kernels, a: &[f32], stride: usize, x: &[f32], y: &mut [f32]) {
    assert!(y.is_empty() || (y.len() - 1) * stride + x.len() <= a.len(), "fewer rows than dot products");
    dispatch_sixteen!(kernels, add_dots(a: &[f32], stride: usize, x: &[f32], y: &mut [f32]));
}

#[inline(always)]
unsafe fn add_dots<S: Sixteen>(a: &[f32], stride: usize, x: &[f32], y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *y += unsafe { dot::<S>(&a[i * stride..i * stride + x.len()], x) };
    }
}

/// h = max(h + bias, 0); NaN stays NaN, so that divergence is seen.
pub(crate) fn relu_f32(kernels: Kernels, bias: f32, h: &mut [f32]) {
    dispatch!(kernels, relu_body(bias: f32, h: &mut [f32]));
}

#[inline(always)]
fn relu_body(bias: f32, h: &mut [f32]) {
    for h in h {
        let x = *h + bias;
        *h = if x < 0.0 { 0.0 } else { x };
    }
}

/// d = 0 where h, the output of the ReLU, is 0.
pub(crate) fn relu_gradient_f32(kernels: Kernels, h: &[f32], d: &mut [f32]) {
    assert_eq!(h.len(), d.len(), "gradient of another length");
    dispatch!(kernels, relu_gradient_body(h: &[f32], d: &mut [f32]));
}

#[inline(always)]
fn relu_gradient_body(h: &[f32], d: &mut [f32]) {
    for (d, &h) in d.iter_mut().zip(h) {
        *d = if h <= 0.0 { 0.0 } else { *d };
    }
}

/// v = keep v + new g g
pub(crate) fn add_squares_f32(kernels: Kernels, keep: f32, new: f32, g: &[f32], v: &mut [f32]) {
    assert_eq!(g.len(), v.len(), "squares of another length");
    dispatch!(kernels, add_squares_body(keep: f32, new: f32, g: &[f32], v: &mut [f32]));
}

#[inline(always)]
fn add_squares_body(keep: f32, new: f32, g: &[f32], v: &mut [f32]) {
    for (v, &g) in v.iter_mut().zip(g) {
        *v = keep * *v + new * g * g;
    }
}

/// p = keep p - rate m / (sqrt(v) scale + epsilon), given `[keep, rate, scale, epsilon]`
pub(crate) fn adam_f32(kernels: Kernels, factors: [f32; 4], m: &[f32], v: &[f32], p: &mut [f32]) {
    assert!(m.len() == p.len() && v.len() == p.len(), "moments of another length");
    dispatch!(kernels, adam_body(factors: [f32; 4], m: &[f32], v: &[f32], p: &mut [f32]));
}

#[inline(always)]
fn adam_body([keep, rate, scale, epsilon]: [f32; 4], m: &[f32], v: &[f32], p: &mut [f32]) {
    for ((p, &m), &v) in p.iter_mut().zip(m).zip(v) {
        *p = keep * *p - rate * m / (v.sqrt() * scale + epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_the_definitions() {
        let value = |i: usize| ((i * 37 % 101) as f32 - 50.0) / 16.0;
        for len in [0, 1, 15, 16, 17, 50] {
            let (x, rows): (Vec<f32>, Vec<f32>) =
                ((0..len).map(value).collect(), (0..3 * len + 2).map(value).collect());
            for kernels in Kernels::available() {
                let mut y = [1.0; 3];
                add_dots_f32(kernels, &rows, len, &x, &mut y);
                for (i, y) in y.into_iter().enumerate() {
                    assert_eq!(y, 1.0 + dot_f32(kernels, &rows[i * len..(i + 1) * len], &x));
                }
                let (mut h, mut d) = (x.clone(), vec![1.0; len]);
                relu_f32(kernels, 0.5, &mut h);
                relu_gradient_f32(kernels, &h, &mut d);
                for (&x, (&h, &d)) in x.iter().zip(h.iter().zip(&d)) {
                    assert_eq!((h, d), if x > -0.5 { (x + 0.5, 1.0) } else { (0.0, 0.0) });
                }
                let (mut v, mut p) = (x.iter().map(|x| x * x).collect::<Vec<_>>(), x.clone());
                add_squares_f32(kernels, 0.75, 0.25, &x, &mut v);
                adam_f32(kernels, [0.5, 0.1, 2.0, 0.25], &x, &v, &mut p);
                for (&x, (v, p)) in x.iter().zip(v.into_iter().zip(p)) {
                    assert_eq!(v, 0.75 * (x * x) + 0.25 * x * x);
                    assert_eq!(p, 0.5 * x - 0.1 * x / (v.sqrt() * 2.0 + 0.25));
                }
                let mut copied = vec![9.0; 3 * (len + 1)];
                copy_rows_f32(kernels, &rows[..3 * len], &mut copied, (len.max(1), len + 1), len);
                for (i, row) in copied.chunks(len + 1).enumerate().filter(|_| len > 0) {
                    assert!(row[..len] == rows[i * len..(i + 1) * len] && row[len] == 9.0);
                }
                // Multiples of 1/16 add up exactly in any order.
                assert_eq!(sum_f32(kernels, &x), x.iter().sum::<f32>());
            }
        }
        let mut nan = [f32::NAN];
        relu_f32(Kernels::detect(), 0.0, &mut nan);
        assert!(nan[0].is_nan());
    }
}
