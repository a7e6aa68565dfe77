//! Tiles of a product: as many outputs as registers hold, while k ascends.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use crate::kernels::Simd;
use crate::lanes::{BaselineF32, BaselineF64, Lanes, Scalar};

/// The tallest tile of any level.
pub(crate) const M_MAX: usize = 12;

/// The tile kernels of an instruction set, each in a function of its own.
pub(crate) trait Level<T: Scalar> {
    const SIMD: Simd;
    type Lanes: Lanes<T>;
    /// # Safety
    /// As [`Tile::run`], on a processor that has the instructions.
    unsafe fn run<const FUSED: bool, const R: usize, const NV: usize, const PART: bool>(tile: Tile<T>, last: usize);
}

macro_rules! level {
    ($level:ident, $t:ty, $lanes:ty $(, $features:literal)?) => {
        impl Level<$t> for $level {
            const SIMD: Simd = Simd::$level;
            type Lanes = $lanes;
            $(#[target_feature(enable = $features)])?
            unsafe fn run<const FUSED: bool, const R: usize, const NV: usize, const PART: bool>(
                tile: Tile<$t>,
                last: usize,
            ) {
                // SAFETY: the caller's promise.
                unsafe { tile.run::<$lanes, FUSED, R, NV, PART>(last) }
            }
        }
    };
}
pub(crate) struct Baseline;
level!(Baseline, f32, BaselineF32);
level!(Baseline, f64, BaselineF64);
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx2;
#[cfg(target_arch = "x86_64")]
level!(Avx2, f32, __m256, "avx2,fma");
#[cfg(target_arch = "x86_64")]
level!(Avx2, f64, __m256d, "avx2,fma");
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx512;
#[cfg(target_arch = "x86_64")]
level!(Avx512, f32, __m512, "avx2,fma,avx512f");
#[cfg(target_arch = "x86_64")]
level!(Avx512, f64, __m512d, "avx2,fma,avx512f");

/// Where a tile's operands begin, and their strides.
#[derive(Clone, Copy)]
pub(crate) struct Tile<T> {
    pub(crate) a: *const T,
    pub(crate) a_row: usize,
    pub(crate) a_col: usize,
    pub(crate) b: *const T,
    pub(crate) b_row: usize,
    pub(crate) c: *mut T,
    pub(crate) c_row: usize,
    pub(crate) k: usize,
    /// Whether sums begin at zero rather than at C.
    pub(crate) first: bool,
}

impl<T: Scalar> Tile<T> {
    /// A tile of `height` <= MR rows and at most two registers: all of `width` columns, or two full registers of them.
    ///
    /// # Safety
    /// As [`Tile::run`], for `height` rows of A and C and that many columns of B and C.
    #[inline(always)]
    pub(crate) unsafe fn panel<L: Level<T>, const FUSED: bool, const MR: usize>(self, height: usize, width: usize) {
        let one = L::Lanes::WIDTH;
        // SAFETY: the caller's promise.
        unsafe {
            if width >= 2 * one {
                self.rows::<L, FUSED, MR, 2, false>(height, one);
            } else if width > one {
                self.rows::<L, FUSED, MR, 2, true>(height, width - one);
            } else if width == one {
                self.rows::<L, FUSED, MR, 1, false>(height, one);
            } else {
                self.rows::<L, FUSED, MR, 1, true>(height, width);
            }
        }
    }

    /// The kernel for the height: each keeps its outputs in registers.
    ///
    /// # Safety
    /// As [`Tile::run`], for `height` <= MR <= M_MAX rows.
    #[inline(always)]
    unsafe fn rows<L: Level<T>, const FUSED: bool, const MR: usize, const NV: usize, const PART: bool>(
        self,
        height: usize,
        last: usize,
    ) {
        macro_rules! kernels {
            ($($r:literal)*) => {
                match height {
                    // SAFETY: the caller vouches for `height` rows.
                    $($r if $r <= MR => unsafe { L::run::<FUSED, $r, NV, PART>(self, last) },)*
                    _ => debug_assert!(false, "tiles have 1..=MR rows"),
                }
            };
        }
        kernels!(1 2 3 4 5 6 7 8 9 10 11 12);
    }

    /// R rows of NV registers, held while k ascends. If PART, the last register has only `last` numbers in memory.
    ///
    /// # Safety
    /// `a` has R rows of `k` elements at its strides; `b` k rows and `c` R rows of so many columns.
    #[inline(always)]
    unsafe fn run<V: Lanes<T>, const FUSED: bool, const R: usize, const NV: usize, const PART: bool>(
        self,
        last: usize,
    ) {
        // SAFETY: bounds are the caller's promise, restated above.
        unsafe {
            let load = |from: *const T, j: usize| {
                let from = from.add(j * V::WIDTH);
                if PART && j + 1 == NV { V::load_part(from, last) } else { V::load(from) }
            };
            let mut acc = [[V::splat(T::ZERO); NV]; R];
            if !self.first {
                for (i, row) in acc.iter_mut().enumerate() {
                    for (j, sum) in row.iter_mut().enumerate() {
                        *sum = load(self.c.add(i * self.c_row), j);
                    }
                }
            }
            for p in 0..self.k {
                let b_p: [V; NV] = std::array::from_fn(|j| load(self.b.add(p * self.b_row), j));
                for (i, row) in acc.iter_mut().enumerate() {
                    let a_ip = V::splat(*self.a.add(i * self.a_row + p * self.a_col));
                    for (sum, b_pj) in row.iter_mut().zip(b_p) {
                        *sum = a_ip.multiply_add::<FUSED>(b_pj, *sum);
                    }
                }
            }
            for (i, row) in acc.iter().enumerate() {
                for (j, sum) in row.iter().enumerate() {
                    let to = self.c.add(i * self.c_row + j * V::WIDTH);
                    if PART && j + 1 == NV { sum.store_part(to, last) } else { sum.store(to) }
                }
            }
        }
    }
}
