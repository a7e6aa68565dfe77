//! Copies of the operands of a product, in the order in which its tiles read them.

use crate::lanes::{Lanes, Scalar};
use crate::mat::MatRef;
use crate::tile::Level;
use crate::transpose;

/// Some of the k of a product, which may lie in several pairs.
pub(crate) struct Block<'a, T> {
    pub(crate) pairs: &'a [[MatRef<'a, T>; 2]],
    pub(crate) k0: usize,
    pub(crate) k1: usize,
}

impl<'a, T: Scalar> Block<'a, T> {
    /// The parts in each pair: the pair, where it begins in it, how long it is, where it begins in the block.
    #[inline(always)]
    fn segments(&self) -> impl Iterator<Item = ([MatRef<'a, T>; 2], usize, usize, usize)> {
        let (k0, k1, mut start) = (self.k0, self.k1, 0);
        self.pairs.iter().filter_map(move |&pair| {
            let (first, end) = (start, start + pair[0].cols);
            start = end;
            let (from, to) = (first.max(k0), end.min(k1));
            (from < to).then(|| (pair, from - first, to - from, from - k0))
        })
    }

    /// Copies rows of A side by side, column by column or row by row as they lie.
    ///
    /// Loops rather than closures: a closure is compiled without the level's instructions.
    #[inline(always)]
    pub(crate) fn pack_rows<L: Level<T>>(&self, (m0, m1): (usize, usize), to: &mut [T]) {
        let (mb, kb) = (m1 - m0, self.k1 - self.k0);
        for ([a, _], k0, len, at) in self.segments() {
            let from = &a.data[m0 * a.row_stride + k0 * a.col_stride..];
            if a.col_stride == 1 {
                for i in 0..mb {
                    copy_row::<T, L>(&from[i * a.row_stride..][..len], &mut to[i * kb + at..][..len]);
                }
            } else if a.row_stride == 1 {
                for k in 0..len {
                    copy_row::<T, L>(&from[k * a.col_stride..][..mb], &mut to[(at + k) * mb..][..mb]);
                }
            } else {
                for (j, to) in to[at * mb..(at + len) * mb].iter_mut().enumerate() {
                    *to = from[j % mb * a.row_stride + j / mb * a.col_stride];
                }
            }
        }
    }

    /// Copies `nb` columns of B from `n0` on, two registers wide: panel after panel, the rows of the last one filled up
    /// with zeros to whole registers.
    #[inline(always)]
    pub(crate) fn pack_panels<L: Level<T>>(&self, n0: usize, nb: usize, to: &mut [T]) {
        let (full, kb) = (2 * L::Lanes::WIDTH, self.k1 - self.k0);
        for ([_, b], k0, len, at) in self.segments() {
            let from = &b.data[k0 * b.row_stride + n0 * b.col_stride..];
            if b.col_stride == 1 {
                // Row by row, in the order in which they lie.
                for k in 0..len {
                    let row = &from[k * b.row_stride..][..nb];
                    for (j, row) in row.chunks(full).enumerate() {
                        let lanes = row.len().next_multiple_of(L::Lanes::WIDTH);
                        copy_row::<T, L>(row, &mut to[j * full * kb + (at + k) * lanes..][..lanes]);
                    }
                }
                continue;
            }
            for j0 in (0..nb).step_by(full) {
                let width = (nb - j0).min(full);
                let lanes = width.next_multiple_of(L::Lanes::WIDTH);
                let to = &mut to[j0 * kb + at * lanes..][..len * lanes];
                if width < lanes {
                    for row in to.chunks_exact_mut(lanes) {
                        row[width..].fill(T::ZERO);
                    }
                }
                let strides = [b.col_stride, b.row_stride];
                transposed::<T, L>(&from[j0 * b.col_stride..], strides, (width, len), to, lanes);
            }
        }
    }
}

/// Copies a row, what is longer filled up with zeros, by less than a register.
#[inline(always)]
fn copy_row<T: Scalar, L: Level<T>>(from: &[T], to: &mut [T]) {
    let whole = from.len() / L::Lanes::WIDTH * L::Lanes::WIDTH;
    let (rest, room) = (from.len() - whole, to.len() - whole);
    assert!(rest <= room && room <= L::Lanes::WIDTH, "a row of {} for one of {}", to.len(), from.len());
    // SAFETY: both have `whole` numbers, and as many more as the assert says.
    unsafe {
        for j in (0..whole).step_by(L::Lanes::WIDTH) {
            L::Lanes::load(from.as_ptr().add(j)).store(to.as_mut_ptr().add(j));
        }
        if rest > 0 {
            L::Lanes::load_part(from.as_ptr().add(whole), rest).store_part(to.as_mut_ptr().add(whole), room);
        }
    }
}

/// Writes the transpose of a matrix whose rows and columns begin `strides` apart.
#[inline(always)]
fn transposed<T: Scalar, L: Level<T>>(
    from: &[T],
    [stride, step]: [usize; 2],
    (rows, cols): (usize, usize),
    to: &mut [T],
    to_stride: usize,
) {
    if step == 1 {
        return transpose::transpose(L::SIMD, from, stride, (rows, cols), to, to_stride);
    }
    for (j, row) in to.chunks_exact_mut(to_stride).enumerate().take(cols) {
        row.iter_mut().take(rows).enumerate().for_each(|(i, to)| {
            *to = from[i * stride + j * step];
        });
    }
}
