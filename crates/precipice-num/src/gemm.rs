//! Matrix products whose bits do not depend on instruction set, tile size or blocking.
//!
//! Axes: C is M x N, A is M x K, B is K x N. Every output accumulates over k in ascending order in
//! one accumulator, so that a wider register or another tile gives the same number.

use std::cell::RefCell;

use crate::kernels::{Arithmetic, Kernels, Simd};
use crate::lanes::{Lanes, Scalar};
use crate::mat::{MatMut, MatRef};
use crate::pack::Block;
#[cfg(target_arch = "x86_64")]
use crate::tile::{Avx2, Avx512};
use crate::tile::{Baseline, Level, M_MAX, Tile};

/// What a product does with the former content of its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// C = A B
    Set,
    /// C = C + A B, where C is the accumulator's first value
    Add,
}

/// Rows of B copied at a time; a panel of 256 x 32 f32 fills a 32 KB first-level cache.
const K_BLOCK: usize = 256;
/// Columns of B and rows of A copied at a time: with `K_BLOCK`, 192 KB each of the second-level cache.
const N_BLOCK: usize = 192;
const M_BLOCK: usize = 192;
/// Columns of A that lie further apart are copied.
const FAR: usize = 256;
/// Rows of A up to which B is read where it is: fewer use a panel too seldom to pay for its copy.
const M_DIRECT: usize = 128;
/// The same where rows of B begin a multiple of 256 bytes apart, so that they share few sets of the cache.
const M_DIRECT_ALIASED: usize = 24;

/// A product C = sum_i A_i B_i, of one pair or more; K is all their columns in order.
struct Product<'a, T> {
    c: MatMut<'a, T>,
    fill: Fill,
    pairs: &'a [[MatRef<'a, T>; 2]],
}

/// Room for the copies of a product. Each thread keeps one: it would cost a small product more to make it anew.
#[repr(align(64))]
struct Room<T> {
    panels: [T; K_BLOCK * N_BLOCK],
    rows: [T; K_BLOCK * M_BLOCK],
}

impl<T: Scalar> Room<T> {
    fn new() -> Box<Self> {
        let mut room = Box::<Self>::new_uninit();
        // SAFETY: all bits zero are numbers.
        unsafe {
            room.as_mut_ptr().write_bytes(0, 1);
            room.assume_init()
        }
    }
}

thread_local! {
    static ROOM: RefCell<Box<Room<f32>>> = RefCell::new(Room::new());
    static ROOM_F64: RefCell<Box<Room<f64>>> = RefCell::new(Room::new());
}

/// Checks a product and computes it with the instructions of a level, in one of the two ways.
macro_rules! at_level {
    ($simd:expr, $product:expr, $fused:literal, $room:ident) => {{
        let product = $product;
        product.check();
        match ($simd, product.is_direct()) {
            (Simd::Baseline, true) => product.direct::<Baseline, $fused, 4>(),
            (Simd::Baseline, false) => $room.with_borrow_mut(|room| product.packed::<Baseline, $fused, 4>(room)),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernels` is made only from the features that this processor reported.
            (simd, is_direct) => unsafe {
                match (simd, is_direct) {
                    (Simd::Avx2, true) => avx2_direct::<_, $fused>(product),
                    (Simd::Avx2, false) => $room.with_borrow_mut(|room| avx2_packed::<_, $fused>(product, room)),
                    (_, true) => avx512_direct::<_, $fused>(product),
                    (_, false) => $room.with_borrow_mut(|room| avx512_packed::<_, $fused>(product, room)),
                }
            },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("only x86-64 has levels above the baseline"),
        }
    }};
}

/// f32 product with runtime dispatch.
pub(crate) fn gemm_f32(kernels: Kernels, c: MatMut<'_, f32>, fill: Fill, pairs: &[[MatRef<'_, f32>; 2]]) {
    let product = Product { c, fill, pairs };
    match kernels.arithmetic() {
        Arithmetic::Fused => at_level!(kernels.simd(), product, true, ROOM),
        Arithmetic::Portable => at_level!(kernels.simd(), product, false, ROOM),
    }
}

/// f64 product, portable only: it serves gradient checks and measures, not training.
pub(crate) fn gemm_f64(kernels: Kernels, c: MatMut<'_, f64>, fill: Fill, pairs: &[[MatRef<'_, f64>; 2]]) {
    let product = Product { c, fill, pairs };
    at_level!(kernels.simd(), product, false, ROOM_F64);
}

/// The two ways for an instruction set, each in a function of its own: only one needs room for copies.
#[cfg(target_arch = "x86_64")]
macro_rules! level {
    ($features:literal, $level:ident, $rows:literal, $direct:ident, $packed:ident) => {
        #[target_feature(enable = $features)]
        fn $direct<T: Scalar, const FUSED: bool>(product: Product<'_, T>)
        where
            $level: Level<T>,
        {
            product.direct::<$level, FUSED, $rows>();
        }
        #[target_feature(enable = $features)]
        fn $packed<T: Scalar, const FUSED: bool>(product: Product<'_, T>, room: &mut Room<T>)
        where
            $level: Level<T>,
        {
            product.packed::<$level, FUSED, $rows>(room);
        }
    };
}
#[cfg(target_arch = "x86_64")]
level!("avx2,fma", Avx2, 6, avx2_direct, avx2_packed);
#[cfg(target_arch = "x86_64")]
level!("avx2,fma,avx512f", Avx512, 12, avx512_direct, avx512_packed);

/// About equal parts of `len`, none longer than `most`; one even where `len` is 0.
#[inline(always)]
fn parts(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    // Divisions take as long as a small tile.
    let n = if len <= most { 1 } else { len.div_ceil(most) };
    let end = move |i: usize| if i == n { len } else { len * i / n };
    (0..n).map(move |i| (if i == 0 { 0 } else { end(i) }, end(i + 1)))
}

impl<T: Scalar> Product<'_, T> {
    fn check(&self) {
        let c = &self.c;
        assert!(!self.pairs.is_empty(), "a product of nothing");
        for [a, b] in self.pairs {
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
    }

    /// Whether the operands are read where they are.
    fn is_direct(&self) -> bool {
        let most = |b: &MatRef<'_, T>| if b.row_stride.is_multiple_of(64) { M_DIRECT_ALIASED } else { M_DIRECT };
        matches!(self.pairs, [[_, b]] if b.col_stride == 1 && self.c.rows <= most(b))
    }

    /// Columns of C two registers at a time, then its rows in tiles of at most MR. A last panel that fits
    /// one register is computed that wide.
    ///
    /// Tiles have equal height: a single row left over would cost a third of a full one.
    #[inline(always)]
    fn direct<L: Level<T>, const FUSED: bool, const MR: usize>(self) {
        let [[a, b]] = self.pairs else { unreachable!("one pair") };
        let (m, n) = (self.c.rows, self.c.cols);
        let c = self.c.data.as_mut_ptr();
        for j0 in (0..n).step_by(2 * L::Lanes::WIDTH) {
            for (i0, i1) in parts(m, MR).take(m) {
                // SAFETY: `check` and the views' constructors bound every index used by the tile: rows i0..i1 <= m,
                // columns from j0 to at most n, and all k, of which none is touched where K = 0.
                unsafe {
                    Tile {
                        a: a.data.as_ptr().wrapping_add(i0 * a.row_stride),
                        a_row: a.row_stride,
                        a_col: a.col_stride,
                        b: b.data.as_ptr().wrapping_add(j0),
                        b_row: b.row_stride,
                        c: c.add(i0 * self.c.row_stride + j0),
                        c_row: self.c.row_stride,
                        k: a.cols,
                        first: self.fill == Fill::Set,
                    }
                    .panel::<L, FUSED, MR>(i1 - i0, n - j0);
                }
            }
        }
    }

    /// The same with copies: of B in panels, and of A where its rows do not lie in one piece.
    #[inline(always)]
    fn packed<L: Level<T>, const FUSED: bool, const MR: usize>(self, Room { panels, rows }: &mut Room<T>) {
        const { assert!(N_BLOCK.is_multiple_of(2 * L::Lanes::WIDTH) && MR <= M_MAX) };
        let full = 2 * L::Lanes::WIDTH;
        let [[a, _], ..] = self.pairs else { unreachable!("a pair at least") };
        let (m, n, c_row) = (self.c.rows, self.c.cols, self.c.row_stride);
        let k = self.pairs.iter().map(|[a, _]| a.cols).sum();
        let c = self.c.data.as_mut_ptr();
        let is_by_k = a.col_stride != 1;
        // Columns that lie far apart are read once for each panel, from as many pages.
        let packs_rows = self.pairs.len() > 1 || (a.col_stride > FAR && n > full);
        for (k0, k1) in parts(k, K_BLOCK) {
            let kb = k1 - k0;
            let block = Block { pairs: self.pairs, k0, k1 };
            for n0 in (0..n).step_by(N_BLOCK) {
                let nb = (n - n0).min(N_BLOCK);
                block.pack_panels::<L>(n0, nb, panels);
                for (m0, m1) in parts(m, if packs_rows { M_BLOCK } else { usize::MAX }).take(m) {
                    let (a, a_row, a_col) = if packs_rows {
                        block.pack_rows::<L>((m0, m1), &mut rows[..(m1 - m0) * kb]);
                        let (a_row, a_col) = if is_by_k { (1, m1 - m0) } else { (kb, 1) };
                        (rows.as_ptr(), a_row, a_col)
                    } else {
                        let start = m0 * a.row_stride + k0 * a.col_stride;
                        (a.data.as_ptr().wrapping_add(start), a.row_stride, a.col_stride)
                    };
                    for j0 in (0..nb).step_by(full) {
                        let width = (nb - j0).min(full);
                        for (i0, i1) in parts(m1 - m0, MR) {
                            // SAFETY: as in `direct`; copies have (m1 - m0) kb numbers, and kb rows of whole registers.
                            unsafe {
                                Tile {
                                    a: a.wrapping_add(i0 * a_row),
                                    a_row,
                                    a_col,
                                    b: panels.as_ptr().add(j0 * kb),
                                    b_row: width.next_multiple_of(L::Lanes::WIDTH),
                                    c: c.add((m0 + i0) * c_row + n0 + j0),
                                    c_row,
                                    k: kb,
                                    first: self.fill == Fill::Set && k0 == 0,
                                }
                                .panel::<L, FUSED, MR>(i1 - i0, width);
                            }
                        }
                    }
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
                gemm_f32(kernels, MatMut::new(&mut c, m, n), fill, &[[a, b]]);
                let want = reference(kernels, fill, &c0, a, b);
                prop_assert!(c.iter().zip(&want).all(|(x, y)| x.to_bits() == y.to_bits()), "{kernels:?}");
            }
        }
    }

    /// Doubles too: multiplied, rounded, added, rounded, at every level.
    #[test]
    fn doubles_equal_the_definition() {
        for (m, n, k) in [(1, 1, 1), (3, 17, 40), (13, 33, 300), (150, 20, 7)] {
            let double =
                |lane, len| -> Vec<f64> { random(lane, len).into_iter().map(|x| f64::from(x) / 3.0).collect() };
            let (a, b) = (double(0, m * k), double(1, k * n));
            for kernels in Kernels::available() {
                let mut c = vec![f64::NAN; m * n];
                let pair = [MatRef::new(&a, m, k), MatRef::new(&b, k, n)];
                gemm_f64(kernels, MatMut::new(&mut c, m, n), Fill::Set, &[pair]);
                for (i, &c) in c.iter().enumerate() {
                    let want = (0..k).fold(0.0, |sum, p| sum + a[i / n * k + p] * b[p * n + i % n]);
                    assert_eq!(c.to_bits(), want.to_bits(), "{kernels:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// A sum of products is one product over all their columns, in order.
        #[test]
        fn a_sum_is_one_long_product(m in 1_usize..200, n in 1_usize..70, ks in proptest::collection::vec(0_usize..200, 1..6), ta: bool, tb: bool, add: bool) {
            let k: usize = ks.iter().sum();
            let fill = if add { Fill::Add } else { Fill::Set };
            let (a, b, c0) = (random(0, m * k), random(1, k * n), random(2, m * n));
            let at = if ta { MatRef::new(&a, k, m).t() } else { MatRef::new(&a, m, k) };
            let bt = if tb { MatRef::new(&b, n, k).t() } else { MatRef::new(&b, k, n) };
            let ends = ks.iter().scan(0, |end, k| { *end += k; Some((*end - k, *end)) });
            let pairs: Vec<_> = ends.map(|(from, to)| [at.columns(from..to), bt.t().columns(from..to).t()]).collect();
            for kernels in Kernels::available() {
                let mut c = c0.clone();
                gemm_f32(kernels, MatMut::new(&mut c, m, n), fill, &pairs);
                let want = reference(kernels, fill, &c0, at, bt);
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
                &[[MatRef::new(&a, 5, 3), MatRef::new(&b, 3, 4)]],
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
        let pair = [MatRef::new(&a, 2, 3), MatRef::new(&a, 2, 3)];
        gemm_f32(Kernels::detect(), MatMut::new(&mut c, 2, 2), Fill::Set, &[pair]);
    }
}
