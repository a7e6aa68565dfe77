//! Matrix products whose bits do not depend on instruction set, tile size or blocking.
//!
//! Axes: C is M x N, A is M x K, B is K x N. Every output accumulates over k in ascending order in
//! one accumulator, so that a wider register or another tile gives the same number.

use std::mem::MaybeUninit;

use crate::kernels::{Arithmetic, Kernels, Simd};
use crate::lanes::{Lanes, Scalar};
use crate::mat::{MatMut, MatRef};
use crate::transpose;

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
/// The tallest tile of any level.
const M_MAX: usize = 12;
/// Rows of A up to which B is read where it is.
const M_DIRECT: usize = 256;

/// f32 product with runtime dispatch.
pub(crate) fn gemm_f32(kernels: Kernels, c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    check(&c, &a, &b);
    match (kernels.arithmetic(), kernels.simd()) {
        (Arithmetic::Portable, Simd::Baseline) => product::<f32, Baseline, false, 4>(c, fill, a, b),
        (Arithmetic::Fused, Simd::Baseline) => product::<f32, Baseline, true, 4>(c, fill, a, b),
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
    product::<f64, Baseline, false, 4>(c, fill, a, b);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<const FUSED: bool>(c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    product::<f32, Avx2, FUSED, 6>(c, fill, a, b);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f")]
fn avx512<const FUSED: bool>(c: MatMut<'_, f32>, fill: Fill, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    product::<f32, Avx512, FUSED, 12>(c, fill, a, b);
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

/// The blocked product: a panel of B, two registers wide, then the rows of A in tiles of at most MR.
///
/// A last panel that fits one register is computed that wide.
#[inline(always)]
fn product<T: Scalar, L: Level<T>, const FUSED: bool, const MR: usize>(
    c: MatMut<'_, T>,
    fill: Fill,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let (half, full) = (L::Lanes::WIDTH, 2 * L::Lanes::WIDTH);
    const { assert!(2 * L::Lanes::WIDTH <= N_MAX && MR <= M_MAX) };
    let (m, n, k) = (c.rows, c.cols, a.cols);
    if m == 0 || n == 0 {
        return;
    }
    let c_ptr = c.data.as_mut_ptr();
    // Left uninitialized: zeroing 32 KB would cost more than a small product.
    let mut buffer = [const { MaybeUninit::<T>::uninit() }; K_BLOCK * N_MAX];
    let mut first = fill == Fill::Set;
    let mut k0 = 0;
    // Runs once even for k = 0, where `Set` must still write zeros.
    loop {
        let kb = (k - k0).min(K_BLOCK);
        let mut j0 = 0;
        while j0 < n {
            let width = (n - j0).min(full);
            let lanes = if width <= half { half } else { full };
            // Few rows use a panel too seldom to pay for its copy.
            let (panel, b_row) = if b.col_stride == 1 && width == lanes && (m <= M_DIRECT || k == 0) {
                (b.data.as_ptr().wrapping_add(k0 * b.row_stride + j0), b.row_stride)
            } else {
                let panel = Panel { k0, kb, j0, width, lanes };
                panel.pack(L::SIMD, b, &mut buffer);
                (buffer.as_ptr().cast(), lanes)
            };
            // Tiles of equal height: a single row left over would cost a third of a full tile.
            let n_tiles = m.div_ceil(MR);
            for t in 0..n_tiles {
                let (i0, i1) = (m * t / n_tiles, m * (t + 1) / n_tiles);
                // SAFETY: `check` and the views' constructors bound every index used by the tile:
                // rows i0..i1 <= m, columns j0..j0+width <= n, k0..k0+kb <= k (A and B are not
                // touched when kb = 0); the panel is kb rows of `lanes` values, `b_row` apart.
                unsafe {
                    let tile = Tile {
                        a: a.data.as_ptr().wrapping_add(i0 * a.row_stride + k0 * a.col_stride),
                        a_row: a.row_stride,
                        a_col: a.col_stride,
                        b: panel,
                        b_row,
                        c: c_ptr.add(i0 * c.row_stride + j0),
                        c_row: c.row_stride,
                        k: kb,
                        first,
                    };
                    if lanes == full {
                        tile.clipped::<L, FUSED, MR, 2>(i1 - i0, width);
                    } else {
                        tile.clipped::<L, FUSED, MR, 1>(i1 - i0, width);
                    }
                }
            }
            j0 += width;
        }
        first = false;
        k0 += kb;
        if k0 >= k {
            break;
        }
    }
}

/// Rows k0..k0+kb and columns j0..j0+width of B, to be copied to rows of `lanes` values.
#[derive(Clone, Copy)]
struct Panel {
    k0: usize,
    kb: usize,
    j0: usize,
    width: usize,
    lanes: usize,
}

impl Panel {
    /// Copies the panel, zero-padded to its lanes.
    #[inline(always)]
    fn pack<T: Scalar>(self, simd: Simd, b: MatRef<'_, T>, buffer: &mut [MaybeUninit<T>]) {
        let Self { k0, kb, j0, width, lanes } = self;
        let from = &b.data[(k0 * b.row_stride + j0 * b.col_stride).min(b.data.len())..];
        let rows = buffer.chunks_exact_mut(lanes).take(kb);
        if b.row_stride == 1 && kb > 0 {
            if width < lanes {
                rows.for_each(|row| row[width..].fill(MaybeUninit::new(T::ZERO)));
            }
            return transpose::transpose(simd, from, b.col_stride, (width, kb), buffer, lanes);
        }
        for (k, row) in rows.enumerate() {
            let (row, rest) = row.split_at_mut(width);
            if b.col_stride == 1 {
                // SAFETY: `check` bounds the columns of B.
                unsafe {
                    std::ptr::copy_nonoverlapping(from.as_ptr().add(k * b.row_stride), row.as_mut_ptr().cast(), width)
                };
            } else {
                row.iter_mut().zip(from[k * b.row_stride..].iter().step_by(b.col_stride)).for_each(|(to, &x)| {
                    to.write(x);
                });
            }
            rest.fill(MaybeUninit::new(T::ZERO));
        }
    }
}

/// The tile kernels of an instruction set, each in a function of its own.
trait Level<T: Scalar> {
    const SIMD: Simd;
    type Lanes: Lanes<T>;
    /// # Safety
    /// As [`Tile::run`], on a processor that has the instructions.
    unsafe fn run<const FUSED: bool, const R: usize, const NV: usize>(tile: Tile<T>);
}

macro_rules! level {
    ($level:ident, $t:ty, $lanes:ty $(, $features:literal)?) => {
        impl Level<$t> for $level {
            const SIMD: Simd = Simd::$level;
            type Lanes = $lanes;
            $(#[target_feature(enable = $features)])?
            unsafe fn run<const FUSED: bool, const R: usize, const NV: usize>(tile: Tile<$t>) {
                // SAFETY: the caller's promise.
                unsafe { tile.run::<$lanes, FUSED, R, NV>() }
            }
        }
    };
}
struct Baseline;
level!(Baseline, f32, [f32; 4]);
level!(Baseline, f64, [f64; 2]);
#[cfg(target_arch = "x86_64")]
struct Avx2;
#[cfg(target_arch = "x86_64")]
level!(Avx2, f32, std::arch::x86_64::__m256, "avx2,fma");
#[cfg(target_arch = "x86_64")]
struct Avx512;
#[cfg(target_arch = "x86_64")]
level!(Avx512, f32, std::arch::x86_64::__m512, "avx2,fma,avx512f");

/// Where a tile's operands begin, and their strides.
#[derive(Clone, Copy)]
struct Tile<T> {
    a: *const T,
    a_row: usize,
    a_col: usize,
    b: *const T,
    b_row: usize,
    c: *mut T,
    c_row: usize,
    k: usize,
    /// Whether sums begin at zero rather than at C.
    first: bool,
}

impl<T: Scalar> Tile<T> {
    /// A tile of `height` <= MR rows and `width` columns, at most NV registers.
    ///
    /// # Safety
    /// As [`Tile::run`], for `height` rows of A and C and `width` columns of C.
    #[inline(always)]
    unsafe fn clipped<L: Level<T>, const FUSED: bool, const MR: usize, const NV: usize>(
        self,
        height: usize,
        width: usize,
    ) {
        // SAFETY: a narrow tile computes on a full-width copy of C; the rest is the caller's promise.
        unsafe {
            if width == NV * L::Lanes::WIDTH {
                return self.rows::<L, FUSED, MR, NV>(height);
            }
            let mut room = [const { MaybeUninit::<T>::uninit() }; N_MAX * M_MAX];
            let full: *mut T = room.as_mut_ptr().cast();
            if !self.first {
                for i in 0..height {
                    let row = full.add(i * N_MAX);
                    row.write_bytes(0, NV * L::Lanes::WIDTH);
                    std::ptr::copy_nonoverlapping(self.c.add(i * self.c_row), row, width);
                }
            }
            Tile { c: full, c_row: N_MAX, ..self }.rows::<L, FUSED, MR, NV>(height);
            for i in 0..height {
                std::ptr::copy_nonoverlapping(full.add(i * N_MAX), self.c.add(i * self.c_row), width);
            }
        }
    }

    /// The kernel for the height: each keeps its outputs in registers.
    ///
    /// # Safety
    /// As [`Tile::run`], for `height` <= MR <= M_MAX rows.
    #[inline(always)]
    unsafe fn rows<L: Level<T>, const FUSED: bool, const MR: usize, const NV: usize>(self, height: usize) {
        macro_rules! kernels {
            ($($r:literal)*) => {
                match height {
                    // SAFETY: the caller vouches for `height` rows.
                    $($r if $r <= MR => unsafe { L::run::<FUSED, $r, NV>(self) },)*
                    _ => debug_assert!(false, "tiles have 1..=MR rows"),
                }
            };
        }
        kernels!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// R rows of NV registers, held while k ascends.
    ///
    /// # Safety
    /// `a` has R rows of `k` elements at its strides; `b` k rows and `c` R rows of NV registers.
    #[inline(always)]
    unsafe fn run<V: Lanes<T>, const FUSED: bool, const R: usize, const NV: usize>(self) {
        // SAFETY: bounds are the caller's promise, restated above.
        unsafe {
            let mut acc = [[V::splat(T::ZERO); NV]; R];
            if !self.first {
                for (i, row) in acc.iter_mut().enumerate() {
                    for (j, sum) in row.iter_mut().enumerate() {
                        *sum = V::load(self.c.add(i * self.c_row + j * V::WIDTH));
                    }
                }
            }
            for p in 0..self.k {
                let b_p: [V; NV] = std::array::from_fn(|j| V::load(self.b.add(p * self.b_row + j * V::WIDTH)));
                for (i, row) in acc.iter_mut().enumerate() {
                    let a_ip = V::splat(*self.a.add(i * self.a_row + p * self.a_col));
                    for (sum, b_pj) in row.iter_mut().zip(b_p) {
                        *sum = a_ip.multiply_add::<FUSED>(b_pj, *sum);
                    }
                }
            }
            for (i, row) in acc.iter().enumerate() {
                for (j, sum) in row.iter().enumerate() {
                    sum.store(self.c.add(i * self.c_row + j * V::WIDTH));
                }
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
