//! Transposed copies: what a product needs of an operand that lies the wrong way round.

use crate::kernels::{Kernels, Simd};

/// Writes the transpose of a matrix of `rows` x `cols`, whose rows begin `stride` apart, to rows that
/// begin `to_stride` apart. A copy has no rounding: every level writes the same bits.
///
/// # Panics
/// If either slice is too short.
#[inline(always)]
pub(crate) fn transpose<T: Copy + 'static>(
    simd: Simd,
    from: &[T],
    stride: usize,
    (rows, cols): (usize, usize),
    to: &mut [T],
    to_stride: usize,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!((rows - 1) * stride + cols <= from.len(), "matrix is longer than its slice");
    assert!((cols - 1) * to_stride + rows <= to.len(), "transpose is longer than its slice");
    let has_blocks = simd != Simd::Baseline && std::any::TypeId::of::<T>() == std::any::TypeId::of::<f32>();
    let (done_rows, done_cols) = if has_blocks { (rows / 8 * 8, cols / 8 * 8) } else { (0, 0) };
    #[cfg(target_arch = "x86_64")]
    if has_blocks {
        // SAFETY: the level says that AVX2 is there, T is f32, and the asserts above bound all blocks.
        unsafe { x86::blocks(from.as_ptr().cast(), stride, (done_rows, done_cols), to.as_mut_ptr().cast(), to_stride) };
    }
    for i in 0..rows {
        let from_col = if i < done_rows { done_cols } else { 0 };
        for j in from_col..cols {
            to[j * to_stride + i] = from[i * stride + j];
        }
    }
}

/// The same of a dense matrix of `cols` columns, over numbers that are there already.
pub(crate) fn transposed<T: Copy + 'static>(kernels: Kernels, from: &[T], cols: usize, to: &mut [T], to_stride: usize) {
    assert_eq!(from.len() % cols, 0, "no whole number of rows of {cols}");
    transpose(kernels.simd(), from, cols, (from.len() / cols, cols), to, to_stride);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Transposes whole blocks of 8 x 8.
    ///
    /// # Safety
    /// The processor has AVX2; `from` is `rows` x `cols` at `stride`, `to` the transpose at `to_stride`.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn blocks(
        from: *const f32,
        stride: usize,
        (rows, cols): (usize, usize),
        to: *mut f32,
        to_stride: usize,
    ) {
        for j in (0..cols).step_by(8) {
            for i in (0..rows).step_by(8) {
                // SAFETY: the block lies within both matrices.
                unsafe { block(from.add(i * stride + j), stride, to.add(j * to_stride + i), to_stride) };
            }
        }
    }

    /// # Safety
    /// As [`blocks`], for one block.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn block(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller vouches for 8 rows of 8 numbers on both sides.
        unsafe {
            // Halves of rows i and i + 4 side by side, so that what follows stays within 128 bits.
            let pair = |i: usize, half: usize| {
                let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(i * stride + half)));
                _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((i + 4) * stride + half)))
            };
            for half in [0, 4] {
                let [a, b, c, d] = [pair(0, half), pair(1, half), pair(2, half), pair(3, half)];
                let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let put = |j: usize, row: __m256| _mm256_storeu_ps(to.add((half + j) * to_stride), row);
                put(0, _mm256_shuffle_ps::<0x44>(ab0, cd0));
                put(1, _mm256_shuffle_ps::<0xEE>(ab0, cd0));
                put(2, _mm256_shuffle_ps::<0x44>(ab1, cd1));
                put(3, _mm256_shuffle_ps::<0xEE>(ab1, cd1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_copies_every_element() {
        for (rows, cols) in [(1, 1), (7, 9), (8, 8), (17, 64), (33, 15), (16, 40)] {
            let from: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
            for kernels in Kernels::available() {
                let stride = rows + 3;
                let mut to = vec![-1.0; cols * stride];
                transposed(kernels, &from, cols, &mut to, stride);
                for (j, row) in to.chunks(stride).enumerate() {
                    assert!((0..rows).all(|i| row[i] == from[i * cols + j]), "{rows} x {cols}, {kernels:?}");
                    assert!(row[rows..].iter().all(|&gap| gap == -1.0));
                }
            }
        }
    }
}
