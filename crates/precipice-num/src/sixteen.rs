//! Sums and maxima of rows: sixteen partial results at every level, joined in one fixed order.
//!
//! A row is read in groups of sixteen; partial result j collects elements j, j + 16, ... and the
//! sixteen are joined pairwise, the halves first. So registers of any width give the same bits.

/// Sixteen numbers, in as many registers as the instruction set needs.
pub(crate) trait Sixteen: Copy {
    /// # Safety
    /// The processor has the instructions; so for all that follow.
    unsafe fn splat(x: f32) -> Self;
    /// # Safety
    /// `from` has sixteen numbers.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `to` has room for sixteen numbers.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// As [`Sixteen::splat`]; so below.
    unsafe fn add(self, other: Self) -> Self;
    /// # Safety
    /// As above.
    unsafe fn mul(self, other: Self) -> Self;
    /// # Safety
    /// As above.
    unsafe fn max(self, other: Self) -> Self;
    /// All sixteen added up.
    ///
    /// # Safety
    /// As above.
    unsafe fn total(self) -> f32;
    /// The largest.
    ///
    /// # Safety
    /// As above.
    unsafe fn largest(self) -> f32;
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

impl Sixteen for [f32; 16] {
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; arrays of numbers need no further alignment.
        unsafe { *from.cast() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { *to.cast() = self }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] * other[i])
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        std::array::from_fn(|i| larger(self[i], other[i]))
    }
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        join(self, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        join(self, larger)
    }
}

#[inline(always)]
fn join(mut lanes: [f32; 16], of: impl Fn(f32, f32) -> f32) -> f32 {
    for width in [8, 4, 2, 1] {
        for j in 0..width {
            lanes[j] = of(lanes[j], lanes[j + width]);
        }
    }
    lanes[0]
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use std::arch::wasm32::*;

    use super::{Sixteen, larger};

    /// Joins sixteen numbers: the halves, quarters, pairs, then two.
    macro_rules! join {
        ($x:expr, $of:expr, $of_one:expr) => {{
            let [a, b, c, d] = $x;
            let four = $of($of(a, c), $of(b, d));
            let two = $of(four, i32x4_shuffle::<2, 3, 2, 3>(four, four));
            $of_one(f32x4_extract_lane::<0>(two), f32x4_extract_lane::<1>(two))
        }};
    }

    /// a > b ? a : b, as the arrays have it.
    #[inline(always)]
    fn larger_of(a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }

    impl Sixteen for [v128; 4] {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            [f32x4_splat(x); 4]
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller's promise, here and below; loads need no alignment.
            std::array::from_fn(|i| unsafe { v128_load(from.add(4 * i).cast()) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            self.into_iter().enumerate().for_each(|(i, x)| unsafe { v128_store(to.add(4 * i).cast(), x) });
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            std::array::from_fn(|i| f32x4_add(self[i], other[i]))
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            std::array::from_fn(|i| f32x4_mul(self[i], other[i]))
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            std::array::from_fn(|i| larger_of(self[i], other[i]))
        }
        #[inline(always)]
        unsafe fn total(self) -> f32 {
            join!(self, f32x4_add, |a: f32, b: f32| a + b)
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            join!(self, larger_of, larger)
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Sixteen;

    /// Joins eight numbers: the halves, then pairs, then two.
    macro_rules! join_eight {
        ($eight:expr, $of:ident, $of_one:ident) => {{
            let eight = $eight;
            let four = $of(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = $of(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32($of_one(two, _mm_shuffle_ps::<1>(two, two)))
        }};
    }

    impl Sixteen for [__m256; 2] {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: the caller's promise, here and below.
            unsafe { [_mm256_set1_ps(x); 2] }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self[0]);
                _mm256_storeu_ps(to.add(8), self[1]);
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { [_mm256_add_ps(self[0], other[0]), _mm256_add_ps(self[1], other[1])] }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { [_mm256_mul_ps(self[0], other[0]), _mm256_mul_ps(self[1], other[1])] }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { [_mm256_max_ps(self[0], other[0]), _mm256_max_ps(self[1], other[1])] }
        }
        #[inline(always)]
        unsafe fn total(self) -> f32 {
            unsafe { join_eight!(_mm256_add_ps(self[0], self[1]), _mm_add_ps, _mm_add_ss) }
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { join_eight!(_mm256_max_ps(self[0], self[1]), _mm_max_ps, _mm_max_ss) }
        }
    }

    /// The two halves.
    #[inline(always)]
    unsafe fn halves(x: __m512) -> [__m256; 2] {
        // SAFETY: the caller has AVX-512.
        unsafe { [_mm512_castps512_ps256(x), _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x)))] }
    }

    impl Sixteen for __m512 {
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: the caller's promise, here and below.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm512_add_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            unsafe { _mm512_mul_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            unsafe { _mm512_max_ps(self, other) }
        }
        #[inline(always)]
        unsafe fn total(self) -> f32 {
            unsafe { halves(self).total() }
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { halves(self).largest() }
        }
    }
}

/// The last elements of a row that is no whole number of groups, filled up.
#[inline(always)]
fn padded(rest: &[f32], with: f32) -> [f32; 16] {
    let mut group = [with; 16];
    group[..rest.len()].copy_from_slice(rest);
    group
}

/// sum_i x_i y_i; the lengths are equal.
///
/// # Safety
/// The processor has the instructions of S; so for what follows.
#[inline(always)]
pub(crate) unsafe fn dot<S: Sixteen>(x: &[f32], y: &[f32]) -> f32 {
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let (x_rest, y_rest) = (xs.remainder(), ys.remainder());
    // SAFETY: groups have sixteen numbers; the rest is the caller's promise.
    unsafe {
        let mut sum = S::splat(0.0);
        for (x, y) in xs.zip(ys) {
            sum = sum.add(S::load(x.as_ptr()).mul(S::load(y.as_ptr())));
        }
        if !x_rest.is_empty() {
            let (x, y) = (padded(x_rest, 0.0), padded(y_rest, 0.0));
            sum = sum.add(S::load(x.as_ptr()).mul(S::load(y.as_ptr())));
        }
        sum.total()
    }
}

/// sum_i x_i
///
/// # Safety
/// As [`dot`].
#[inline(always)]
pub(crate) unsafe fn sum<S: Sixteen>(x: &[f32]) -> f32 {
    let groups = x.chunks_exact(16);
    let rest = padded(groups.remainder(), 0.0);
    // SAFETY: as in `dot`.
    unsafe { groups.fold(S::load(rest.as_ptr()), |sum, group| sum.add(S::load(group.as_ptr()))).total() }
}
