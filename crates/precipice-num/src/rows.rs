//! LayerNorm and GELU over whole matrices. Multiplications and additions are never fused here; sums over a row have the
//! order of `sixteen.rs`.

use crate::kernels::{Kernels, dispatch, dispatch_sixteen};
use crate::math;
use crate::sixteen::{Sixteen, dot, sum};

/// What is added to a variance.
const EPSILON: f64 = 1e-5;

/// The parameters of a LayerNorm, as many as columns.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a, T> {
    /// Factors.
    pub weight: &'a [T],
    /// Added to them.
    pub bias: &'a [T],
}

/// What a LayerNorm's gradient is made of.
#[derive(Clone, Copy, Debug)]
pub struct NormGradient<'a, T> {
    /// Factors, one a column.
    pub weight: &'a [T],
    /// Gradient of the output, dense rows.
    pub d_out: &'a [T],
    /// (x - mean) / sqrt(var + eps), dense rows.
    pub normalized: &'a [T],
    /// 1 / sqrt(var + eps), one a row.
    pub inv_std: &'a [T],
}

/// Row by row y = (x - mean) / sqrt(var + eps) weight + bias; rows of x begin `stride` apart, and there are as many
/// as `inv_std` has numbers.
pub(crate) fn layer_norm_f32(
    kernels: Kernels,
    x: &[f32],
    stride: usize,
    norm: Norm<'_, f32>,
    normalized: &mut [f32],
    out: &mut [f32],
    inv_std: &mut [f32],
) {
    let (c, rows) = (norm.weight.len(), inv_std.len());
    assert!(norm.bias.len() == c && c <= stride, "parameters of another width");
    assert!(normalized.len() == rows * c && out.len() == rows * c, "rows of another number");
    dispatch_sixteen!(kernels, layer_norm(x: &[f32], stride: usize, norm: Norm<'_, f32>, normalized: &mut [f32], out: &mut [f32], inv_std: &mut [f32]));
}

#[inline(always)]
unsafe fn layer_norm<S: Sixteen>(
    x: &[f32],
    stride: usize,
    Norm { weight, bias }: Norm<'_, f32>,
    normalized: &mut [f32],
    out: &mut [f32],
    inv_std: &mut [f32],
) {
    let c = weight.len();
    let scale = (1.0 / c as f64) as f32;
    let rows = normalized.chunks_exact_mut(c).zip(out.chunks_exact_mut(c)).zip(inv_std);
    for (i, ((normalized, out), inv_std)) in rows.enumerate() {
        let x = &x[i * stride..i * stride + c];
        // SAFETY: the caller's promise, here and below.
        let mean = unsafe { sum::<S>(x) } * scale;
        for (n, x) in normalized.iter_mut().zip(x) {
            *n = x - mean;
        }
        let variance = unsafe { dot::<S>(normalized, normalized) } * scale;
        *inv_std = 1.0 / (variance + EPSILON as f32).sqrt();
        for ((n, out), (w, b)) in normalized.iter_mut().zip(out).zip(weight.iter().zip(bias)) {
            *n *= *inv_std;
            *out = *n * w + b;
        }
    }
}

/// Adds to the gradients of weight and bias, row after row, and to the rows of `d_x`, which begin `stride` apart.
pub(crate) fn layer_norm_gradient_f32(
    kernels: Kernels,
    of: NormGradient<'_, f32>,
    d_weight: &mut [f32],
    d_bias: &mut [f32],
    d_x: &mut [f32],
    stride: usize,
) {
    let (c, len) = (of.weight.len(), of.inv_std.len() * of.weight.len());
    assert!(d_weight.len() == c && d_bias.len() == c && c <= stride, "parameters of another width");
    assert!(of.d_out.len() == len && of.normalized.len() == len, "rows of another number");
    dispatch_sixteen!(kernels, layer_norm_gradient(of: NormGradient<'_, f32>, d_weight: &mut [f32], d_bias: &mut [f32], d_x: &mut [f32], stride: usize));
}

#[inline(always)]
unsafe fn layer_norm_gradient<S: Sixteen>(
    of: NormGradient<'_, f32>,
    d_weight: &mut [f32],
    d_bias: &mut [f32],
    d_x: &mut [f32],
    stride: usize,
) {
    let c = of.weight.len();
    let scale = (1.0 / c as f64) as f32;
    let rows = of.d_out.chunks_exact(c).zip(of.normalized.chunks_exact(c)).zip(of.inv_std);
    for (i, ((d_out, n), &inv_std)) in rows.enumerate() {
        for ((dw, db), (d, n)) in d_weight.iter_mut().zip(&mut *d_bias).zip(d_out.iter().zip(n)) {
            *dw += d * n;
            *db += d;
        }
        // n = (x - mean) inv_std: d_x = inv_std (d_n - mean(d_n) - n mean(n d_n)), d_n = d_out weight
        // SAFETY: the caller's promise.
        let (mean_d, mean_nd) =
            unsafe { (dot::<S>(d_out, of.weight) * scale, dot_of_three::<S>(d_out, of.weight, n) * scale) };
        let d_x = &mut d_x[i * stride..i * stride + c];
        for ((d_x, d), (w, n)) in d_x.iter_mut().zip(d_out).zip(of.weight.iter().zip(n)) {
            *d_x += inv_std * (d * w - mean_d - n * mean_nd);
        }
    }
}

/// A map y = (n weight + bias) W, given G = n^T dy and the sum of all dy: what W, weight and bias gain by it.
#[derive(Debug)]
pub struct MapGradient<'a, T> {
    /// W, `[C, E]`.
    pub map: &'a [T],
    /// G, `[C, E]`.
    pub product: &'a [T],
    /// Sum of all dy, `[E]`.
    pub sum: &'a [T],
    /// Gradient of W.
    pub d_map: &'a mut [T],
    /// Gradient of the weight, `[C]`.
    pub d_weight: &'a mut [T],
    /// Gradient of the bias, `[C]`.
    pub d_bias: &'a mut [T],
}

impl<T> MapGradient<'_, T> {
    fn check(&self, norm: Norm<'_, T>) {
        let (c, e) = (norm.weight.len(), self.sum.len());
        assert!(
            norm.bias.len() == c && self.d_weight.len() == c && self.d_bias.len() == c,
            "parameters of another width"
        );
        assert!([self.map.len(), self.product.len(), self.d_map.len()] == [c * e; 3], "maps of another shape");
    }
}

/// Adds to the gradients of a map and of the LayerNorm before it.
pub(crate) fn add_map_gradient_f32(kernels: Kernels, norm: Norm<'_, f32>, of: MapGradient<'_, f32>) {
    of.check(norm);
    dispatch_sixteen!(kernels, add_map_gradient(norm: Norm<'_, f32>, of: MapGradient<'_, f32>));
}

#[inline(always)]
unsafe fn add_map_gradient<S: Sixteen>(norm: Norm<'_, f32>, of: MapGradient<'_, f32>) {
    let e = of.sum.len();
    for (c, d_map) in of.d_map.chunks_exact_mut(e).enumerate() {
        let (map, product) = (&of.map[c * e..(c + 1) * e], &of.product[c * e..(c + 1) * e]);
        for (d, (g, s)) in d_map.iter_mut().zip(product.iter().zip(of.sum)) {
            *d += norm.weight[c] * g + norm.bias[c] * s;
        }
        // SAFETY: the caller's promise.
        unsafe {
            of.d_weight[c] += dot::<S>(product, map);
            of.d_bias[c] += dot::<S>(of.sum, map);
        }
    }
}

/// sum_i (x_i y_i) z_i, in the order of a dot product.
///
/// # Safety
/// As [`dot`].
#[inline(always)]
unsafe fn dot_of_three<S: Sixteen>(x: &[f32], y: &[f32], z: &[f32]) -> f32 {
    let mut rest = [[0.0; 16]; 3];
    // SAFETY: groups have sixteen numbers; the rest is the caller's promise.
    unsafe {
        let term =
            |x: &[f32], y: &[f32], z: &[f32]| S::load(x.as_ptr()).mul(S::load(y.as_ptr())).mul(S::load(z.as_ptr()));
        let mut total = S::splat(0.0);
        let mut groups = x.chunks(16).zip(y.chunks(16)).zip(z.chunks(16));
        for ((x, y), z) in groups.by_ref() {
            if x.len() == 16 {
                total = total.add(term(x, y, z));
            } else {
                for (rest, of) in rest.iter_mut().zip([x, y, z]) {
                    rest[..of.len()].copy_from_slice(of);
                }
                total = total.add(term(&rest[0], &rest[1], &rest[2]));
            }
        }
        total.total()
    }
}

/// sqrt(2 / pi) and the cubic coefficient of GELU's tanh form, x/2 (1 + tanh(a (x + b x^3))).
const GELU: (f64, f64) = (0.797_884_560_802_865_4, 0.044_715);

/// y = GELU(x)
pub(crate) fn gelu_f32(kernels: Kernels, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "GELU of another length");
    dispatch!(kernels, gelu_body(x: &[f32], y: &mut [f32]));
}

#[inline(always)]
fn gelu_body(x: &[f32], y: &mut [f32]) {
    let (a, b) = (GELU.0 as f32, GELU.1 as f32);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = 0.5 * x * (1.0 + math::tanh(a * (x + b * x * x * x)));
    }
}

/// d = d GELU'(x)
pub(crate) fn gelu_gradient_f32(kernels: Kernels, x: &[f32], d: &mut [f32]) {
    assert_eq!(x.len(), d.len(), "gradient of another length");
    dispatch!(kernels, gelu_gradient_body(x: &[f32], d: &mut [f32]));
}

#[inline(always)]
fn gelu_gradient_body(x: &[f32], d: &mut [f32]) {
    let (a, b) = (GELU.0 as f32, GELU.1 as f32);
    for (d, &x) in d.iter_mut().zip(x) {
        let tanh = math::tanh(a * (x + b * x * x * x));
        let inner = a * (1.0 + 3.0 * b * x * x);
        *d *= 0.5 * (1.0 + tanh + x * (1.0 - tanh * tanh) * inner);
    }
}

/// The definitions in f64, for gradient checks.
pub(crate) mod definition {
    use super::{EPSILON, GELU, MapGradient, Norm, NormGradient};

    pub(crate) fn layer_norm(
        x: &[f64],
        stride: usize,
        Norm { weight, bias }: Norm<'_, f64>,
        normalized: &mut [f64],
        out: &mut [f64],
        inv_std: &mut [f64],
    ) {
        let c = weight.len();
        for (i, inv_std) in inv_std.iter_mut().enumerate() {
            let x = &x[i * stride..i * stride + c];
            let mean = x.iter().sum::<f64>() / c as f64;
            let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / c as f64;
            *inv_std = 1.0 / (variance + EPSILON).sqrt();
            for j in 0..c {
                normalized[i * c + j] = (x[j] - mean) * *inv_std;
                out[i * c + j] = normalized[i * c + j] * weight[j] + bias[j];
            }
        }
    }

    pub(crate) fn layer_norm_gradient(
        of: NormGradient<'_, f64>,
        d_weight: &mut [f64],
        d_bias: &mut [f64],
        d_x: &mut [f64],
        stride: usize,
    ) {
        let c = of.weight.len();
        for (i, inv_std) in of.inv_std.iter().enumerate() {
            let (d, n) = (&of.d_out[i * c..(i + 1) * c], &of.normalized[i * c..(i + 1) * c]);
            let mean_d = (0..c).map(|j| d[j] * of.weight[j]).sum::<f64>() / c as f64;
            let mean_nd = (0..c).map(|j| d[j] * of.weight[j] * n[j]).sum::<f64>() / c as f64;
            for j in 0..c {
                d_weight[j] += d[j] * n[j];
                d_bias[j] += d[j];
                d_x[i * stride + j] += inv_std * (d[j] * of.weight[j] - mean_d - n[j] * mean_nd);
            }
        }
    }

    pub(crate) fn add_map_gradient(norm: Norm<'_, f64>, of: MapGradient<'_, f64>) {
        of.check(norm);
        let e = of.sum.len();
        for i in 0..of.map.len() {
            let (c, s) = (i / e, of.sum[i % e]);
            of.d_map[i] += norm.weight[c] * of.product[i] + norm.bias[c] * s;
            of.d_weight[c] += of.product[i] * of.map[i];
            of.d_bias[c] += s * of.map[i];
        }
    }

    pub(crate) fn gelu(x: f64) -> f64 {
        0.5 * x * (1.0 + libm::tanh(GELU.0 * (x + GELU.1 * x * x * x)))
    }

    pub(crate) fn gelu_slope(x: f64) -> f64 {
        let tanh = libm::tanh(GELU.0 * (x + GELU.1 * x * x * x));
        0.5 * (1.0 + tanh + x * (1.0 - tanh * tanh) * GELU.0 * (1.0 + 3.0 * GELU.1 * x * x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, StreamId};

    fn random(lane: u32, len: usize) -> Vec<f32> {
        let mut values = vec![0.0; len];
        Rng::fill_normal(Kernels::detect(), StreamId { seed: 2, purpose: 0, step: 0, lane }, 2.0, &mut values);
        values
    }

    fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&x| f64::from(x)).collect()
    }

    /// Of all results the same bits at every level, near the definition.
    fn check(computed: impl Fn(Kernels) -> Vec<f32>, exact: &[f64]) {
        let first = computed(Kernels::detect());
        for kernels in Kernels::available() {
            let now = computed(kernels);
            assert!(now.iter().zip(&first).all(|(a, b)| a.to_bits() == b.to_bits()), "{kernels:?}");
        }
        assert_eq!(first.len(), exact.len());
        for (i, (&x, y)) in first.iter().zip(exact).enumerate() {
            assert!((f64::from(x) - y).abs() < 2e-5 * (1.0 + y.abs()), "[{i}]: {x} {y}");
        }
    }

    #[test]
    fn norms_are_the_definition_at_every_level() {
        for (rows, c) in [(1, 2), (3, 7), (2, 16), (4, 33), (2, 128)] {
            let stride = c + 3;
            let (x, w, b, d) = (random(0, rows * stride), random(1, c), random(2, c), random(3, rows * c));
            let forward = |kernels| {
                let (mut n, mut out, mut inv) = (vec![0.0; rows * c], vec![0.0; rows * c], vec![0.0; rows]);
                layer_norm_f32(kernels, &x, stride, Norm { weight: &w, bias: &b }, &mut n, &mut out, &mut inv);
                [n, out, inv]
            };
            let [mut n, mut out, mut inv] = [vec![0.0; rows * c], vec![0.0; rows * c], vec![0.0; rows]];
            let (x64, w64, b64, d64) = (wide(&x), wide(&w), wide(&b), wide(&d));
            let norm = Norm { weight: &w64[..], bias: &b64[..] };
            definition::layer_norm(&x64, stride, norm, &mut n, &mut out, &mut inv);
            // Two columns may lie near each other, so that their variance is all rounding.
            if c > 2 {
                check(|kernels| forward(kernels).concat(), &[n, out, inv].concat());
            }
            let [n, _, inv] = forward(Kernels::detect());
            let backward = |kernels| {
                let (mut dw, mut db, mut dx) = (w.clone(), b.clone(), x.clone());
                let of = NormGradient { weight: &w, d_out: &d, normalized: &n, inv_std: &inv };
                layer_norm_gradient_f32(kernels, of, &mut dw, &mut db, &mut dx, stride);
                [dw, db, dx].concat()
            };
            let (mut dw, mut db, mut dx) = (w64.clone(), b64.clone(), x64.clone());
            let (n64, inv64) = (wide(&n), wide(&inv));
            let of = NormGradient { weight: &w64[..], d_out: &d64, normalized: &n64, inv_std: &inv64 };
            definition::layer_norm_gradient(of, &mut dw, &mut db, &mut dx, stride);
            check(backward, &[dw, db, dx].concat());
        }
    }

    #[test]
    fn maps_after_a_norm_are_the_definition_at_every_level() {
        for (c, e) in [(3, 1), (5, 16), (4, 33)] {
            let (w, b, sum) = (random(0, c), random(1, c), random(2, e));
            let (map, product) = (random(3, c * e), random(4, c * e));
            let of = |kernels| {
                let (mut d_map, mut dw, mut db) = (map.clone(), w.clone(), b.clone());
                let (d_map_, d_weight, d_bias) = (&mut d_map[..], &mut dw[..], &mut db[..]);
                let of = MapGradient { map: &map, product: &product, sum: &sum, d_map: d_map_, d_weight, d_bias };
                add_map_gradient_f32(kernels, Norm { weight: &w, bias: &b }, of);
                [d_map, dw, db].concat()
            };
            let (w64, b64, sum64, map64, product64) = (wide(&w), wide(&b), wide(&sum), wide(&map), wide(&product));
            let (mut d_map, mut dw, mut db) = (map64.clone(), w64.clone(), b64.clone());
            let (d_map_, d_weight, d_bias) = (&mut d_map[..], &mut dw[..], &mut db[..]);
            let exact = MapGradient { map: &map64, product: &product64, sum: &sum64, d_map: d_map_, d_weight, d_bias };
            definition::add_map_gradient(Norm { weight: &w64, bias: &b64 }, exact);
            check(of, &[d_map, dw, db].concat());
        }
    }

    #[test]
    fn gelu_is_the_definition_at_every_level() {
        let (x, d) = (random(0, 50), random(1, 50));
        let of = |kernels| {
            let (mut y, mut d) = (vec![0.0; 50], d.clone());
            gelu_f32(kernels, &x, &mut y);
            gelu_gradient_f32(kernels, &x, &mut d);
            [y, d].concat()
        };
        let values = x.iter().map(|&x| definition::gelu(f64::from(x)));
        let slopes = x.iter().zip(&d).map(|(&x, &d)| f64::from(d) * definition::gelu_slope(f64::from(x)));
        check(of, &values.chain(slopes).collect::<Vec<_>>());
    }
}
