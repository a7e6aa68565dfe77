//! Matrix products whose bits do not depend on instruction set, tile size or blocking.
//!
//! Axes: C is M x N, A is M x K, B is K x N. Every output accumulates over k in ascending order in
//! one accumulator, so that a wider register or another tile gives the same number.

use std::mem::MaybeUninit;

use crate::kernels::{Arithmetic, Kernels, Simd};
use crate::mat::{MatMut, MatRef};

/// What a product does with the former content of its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// C = A B
    Set,
    /// C = C + A B, where C is the accumulator's first value
    Add,
}

/// Rows of B packed at a time; a panel of 256 x 32 f32 fills a 32 KB first-level cache.
const K_BLOCK: usize = 256;
const N_MAX: usize = 32;

/// The scalar operations that the micro-kernel needs.
pub(crate) trait Scalar: Copy {
    const ZERO: Self;
    fn fma(self, b: Self, c: Self) -> Self;
    fn mul_then_add(self, b: Self, c: Self) -> Self;
}

macro_rules! scalar {
    ($t:ty) => {
        impl Scalar for $t {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            #[inline(always)]
            fn mul_then_add(self, b: Self, c: Self) -> Self {
                self * b + c
            }
        }
    };
}
scalar!(f32);
scalar!(f64);

/// f32 product with runtime dispatch.
pub(crate) fn gemm_f32(kernels: Kernels, c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    check(&c, &a, &b);
    match (kernels.arithmetic(), kernels.simd()) {
        (Arithmetic::Portable, Simd::Baseline) => product::<f32, false, 4, 8>(c, fill, a, b),
        (Arithmetic::Fused, Simd::Baseline) => product::<f32, true, 4, 16>(c, fill, a, b),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Kernels` is made only from the features that this processor reported.
        (arithmetic, simd) => unsafe {
            match (arithmetic, simd) {
                (Arithmetic::Portable, Simd::Avx2) => avx2::<false>(c, fill, a, b),
                (Arithmetic::Fused, Simd::Avx2) => avx2::<true>(c, fill, a, b),
                (Arithmetic::Portable, _) => avx512::<false>(c, fill, a, b),
                (Arithmetic::Fused, _) => avx512::<true>(c, fill, a, b),
            }
        },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("only x86-64 has levels above the baseline"),
    }
}

/// f64 product, portable only: it serves gradient checks, not training.
pub(crate) fn gemm_f64(c: MatMut<'_, f64>, fill: Fill, a: MatRef<'_, f64>, b: MatRef<'_, f64>) {
    check(&c, &a, &b);
    product::<f64, false, 4, 4>(c, fill, a, b);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<const FUSED: bool>(c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    product::<f32, FUSED, 6, 16>(c, fill, a, b);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
fn avx512<const FUSED: bool>(c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    product::<f32, FUSED, 12, 32>(c, fill, a, b);
}

fn check<T>(c: &MatMut<'_, T>, a: &MatRef<'_, T>, b: &MatRef<'_, T>) {
    assert!(
        c.rows == a.rows && c.cols == b.cols && a.cols == b.rows,
        "product shapes: [{}, {}] = [{}, {}] [{}, {}]",
        c.rows,
        c.cols,
        a.rows,
        a.cols,
        b.rows,
        b.cols
    );
}

/// The blocked product: pack a panel of B (k x NR), then sweep the rows of A in tiles of MR.
#[inline(always)]
fn product<T: Scalar, const FUSED: bool, const MR: usize, const NR: usize>(
    c: MatMut<'_, T>,
    fill: Fill,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    const { assert!(NR <= N_MAX) };
    let (m, n, k) = (c.rows, c.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    let c_ptr = c.data.as_mut_ptr();
    // Left uninitialized: zeroing 32 KB would cost more than a small product.
    let mut panel = [const { MaybeUninit::<T>::uninit() }; K_BLOCK * N_MAX];
    let mut first = fill == Fill::Set;
    let mut k0 = 0;
    // Runs once even for k = 0, where `Set` must still write zeros.
    loop {
        let kb = (k - k0).min(K_BLOCK);
        for j0 in (0..n).step_by(NR) {
            let width = (n - j0).min(NR);
            pack::<T, NR>(&mut panel, b, k0, kb, j0, width);
            for i0 in (0..m).step_by(MR) {
                // SAFETY: `check` and the views' constructors bound every index used by the tile:
                // rows i0..i0+height <= m, columns j0..j0+width <= n, k0..k0+kb <= k (A is not
                // touched when kb = 0); the panel holds kb * NR packed values.
                unsafe {
                    let tile = Tile {
                        a: a.data.as_ptr().wrapping_add(i0 * a.row_stride + k0 * a.col_stride),
                        a_row: a.row_stride,
                        a_col: a.col_stride,
                        panel: panel.as_ptr().cast(),
                        c: c_ptr.add(i0 * c.row_stride + j0),
                        c_row: c.row_stride,
                        k: kb,
                        first,
                    };
                    clipped::<T, FUSED, MR, NR>(tile, (m - i0).min(MR), width);
                }
            }
        }
        first = false;
        k0 += kb;
        if k0 >= k {
            break;
        }
    }
}

/// Copies columns j0..j0+width of B's rows k0..k0+kb, zero-padded to NR columns.
#[inline(always)]
fn pack<T: Scalar, const NR: usize>(
    panel: &mut [MaybeUninit<T>],
    b: MatRef<'_, T>,
    k0: usize,
    kb: usize,
    j0: usize,
    width: usize,
) {
    for (k, row) in panel.chunks_exact_mut(NR).take(kb).enumerate() {
        let from = &b.data[(k0 + k) * b.row_stride + j0 * b.col_stride..];
        if b.col_stride == 1 && width == NR {
            // A length known to the compiler becomes a few vector moves.
            for (to, &x) in row[..NR].iter_mut().zip(&from[..NR]) {
                to.write(x);
            }
            continue;
        }
        for (j, to) in row.iter_mut().enumerate() {
            to.write(if j < width { from[j * b.col_stride] } else { T::ZERO });
        }
    }
}

/// Where a tile's operands begin, and their strides.
#[derive(Clone, Copy)]
struct Tile<T> {
    a: *const T,
    a_row: usize,
    a_col: usize,
    panel: *const T,
    c: *mut T,
    c_row: usize,
    k: usize,
    /// Whether sums begin at zero rather than at C.
    first: bool,
}

/// A tile of `height` <= MR rows and `width` <= NR columns.
///
/// # Safety
/// As [`Tile::run`], for `height` rows of A and C and `width` columns of C.
#[inline(always)]
unsafe fn clipped<T: Scalar, const FUSED: bool, const MR: usize, const NR: usize>(
    tile: Tile<T>,
    height: usize,
    width: usize,
) {
    // SAFETY: a narrow tile computes on a full-width copy of C; the rest is the caller's promise.
    unsafe {
        if width == NR {
            return rows::<T, FUSED, MR, NR>(tile, height);
        }
        let mut full = [[T::ZERO; NR]; MR];
        for i in 0..height {
            std::ptr::copy_nonoverlapping(tile.c.add(i * tile.c_row), full[i].as_mut_ptr(), width);
        }
        rows::<T, FUSED, MR, NR>(Tile { c: full.as_mut_ptr().cast(), c_row: NR, ..tile }, height);
        for i in 0..height {
            std::ptr::copy_nonoverlapping(full[i].as_ptr(), tile.c.add(i * tile.c_row), width);
        }
    }
}

/// A full tile at once, or groups of four rows and single rows for what is left at the bottom.
///
/// # Safety
/// As [`Tile::run`], for `height` rows.
#[inline(always)]
unsafe fn rows<T: Scalar, const FUSED: bool, const MR: usize, const NR: usize>(tile: Tile<T>, height: usize) {
    // SAFETY: the caller vouches for `height` rows, and row + tile height never passes it.
    unsafe {
        if height == MR {
            return tile.run::<FUSED, MR, NR>();
        }
        let mut row = 0;
        let at = |row| Tile { a: tile.a.add(row * tile.a_row), c: tile.c.add(row * tile.c_row), ..tile };
        while height - row >= 4 {
            at(row).run::<FUSED, 4, NR>();
            row += 4;
        }
        while row < height {
            at(row).run::<FUSED, 1, NR>();
            row += 1;
        }
    }
}

impl<T: Scalar> Tile<T> {
    /// R x NR outputs, held in registers while k ascends.
    ///
    /// # Safety
    /// `a` has R rows of `k` elements at its strides, `panel` k * NR elements, `c` R rows of NR.
    #[inline(always)]
    unsafe fn run<const FUSED: bool, const R: usize, const NR: usize>(self) {
        let mut acc = [[T::ZERO; NR]; R];
        // SAFETY: bounds are the caller's promise, restated above.
        unsafe {
            if !self.first {
                for i in 0..R {
                    acc[i] = *self.c.add(i * self.c_row).cast();
                }
            }
            for p in 0..self.k {
                let b_p: &[T; NR] = &*self.panel.add(p * NR).cast();
                for i in 0..R {
                    let a_ip = *self.a.add(i * self.a_row + p * self.a_col);
                    for j in 0..NR {
                        let sum = acc[i][j];
                        acc[i][j] = if FUSED { a_ip.fma(b_p[j], sum) } else { a_ip.mul_then_add(b_p[j], sum) };
                    }
                }
            }
            for i in 0..R {
                *self.c.add(i * self.c_row).cast() = acc[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, StreamId};
    use proptest::prelude::*;

    fn random(index: u32, len: usize) -> Vec<f32> {
        let mut values = vec![0.0; len];
        Rng::fill_normal(Kernels::detect(), StreamId { seed: 1, purpose: 0, step: 0, lane: index }, 1.0, &mut values);
        values
    }

    /// The definition, one output at a time.
    fn reference(kernels: Kernels, fill: Fill, c0: &[f32], a: MatRef<'_, f32>, b: MatRef<'_, f32>) -> Vec<f32> {
        let mut c = vec![0.0; a.rows * b.cols];
        for i in 0..a.rows {
            for j in 0..b.cols {
                let mut acc = if fill == Fill::Add { c0[i * b.cols + j] } else { 0.0 };
                for k in 0..a.cols {
                    let (x, y) =
                        (a.data[i * a.row_stride + k * a.col_stride], b.data[k * b.row_stride + j * b.col_stride]);
                    acc = if kernels.arithmetic() == Arithmetic::Fused { x.mul_add(y, acc) } else { x * y + acc };
                }
                c[i * b.cols + j] = acc;
            }
        }
        c
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Every instruction set gives the reference's bits, with all transposes and remainders.
        #[test]
        fn bits_equal_the_definition(m in 0_usize..40, n in 0_usize..70, k in 0_usize..300, ta: bool, tb: bool, add: bool) {
            let fill = if add { Fill::Add } else { Fill::Set };
            let (a, b, c0) = (random(0, m * k), random(1, k * n), random(2, m * n));
            let a = if ta { MatRef::new(&a, k, m).t() } else { MatRef::new(&a, m, k) };
            let b = if tb { MatRef::new(&b, n, k).t() } else { MatRef::new(&b, k, n) };
            for kernels in Kernels::available() {
                let mut c = c0.clone();
                gemm_f32(kernels, MatMut::new(&mut c, m, n), fill, a, b);
                let want = reference(kernels, fill, &c0, a, b);
                prop_assert!(c.iter().zip(&want).all(|(x, y)| x.to_bits() == y.to_bits()), "{kernels:?}");
            }
        }
    }

    #[test]
    fn strided_output_leaves_the_gaps_alone() {
        let (a, b) = (random(0, 5 * 3), random(1, 3 * 4));
        for kernels in Kernels::available() {
            let mut c = vec![9.0; 5 * 7];
            gemm_f32(
                kernels,
                MatMut::with_row_stride(&mut c, 5, 4, 7),
                Fill::Set,
                MatRef::new(&a, 5, 3),
                MatRef::new(&b, 3, 4),
            );
            for row in c.chunks(7) {
                assert!(row[4..].iter().all(|&gap| gap == 9.0));
                assert!(row[..4].iter().all(|&value| value != 9.0));
            }
        }
    }

    #[test]
    #[should_panic(expected = "product shapes")]
    fn mismatched_shapes_panic() {
        let (a, mut c) = ([0.0; 6], [0.0; 4]);
        gemm_f32(Kernels::detect(), MatMut::new(&mut c, 2, 2), Fill::Set, MatRef::new(&a, 2, 3), MatRef::new(&a, 2, 3));
    }
}
