//! Registers of several numbers, one type for each instruction set.

/// A number that products are made of.
pub(crate) trait Scalar: Copy + 'static {
    const ZERO: Self;
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
}

/// A register. Its methods are inlined into functions compiled for the instruction set.
pub(crate) trait Lanes<T>: Copy {
    const WIDTH: usize;

    /// # Safety
    /// The processor has the instructions; so for all that follow.
    unsafe fn splat(x: T) -> Self;
    /// # Safety
    /// `from` has `WIDTH` numbers.
    unsafe fn load(from: *const T) -> Self;
    /// # Safety
    /// `to` has room for `WIDTH` numbers.
    unsafe fn store(self, to: *mut T);
    /// The first `n` <= `WIDTH` numbers, zeros after them.
    ///
    /// # Safety
    /// `from` has `n` numbers.
    unsafe fn load_part(from: *const T, n: usize) -> Self;
    /// The first `n` <= `WIDTH` numbers.
    ///
    /// # Safety
    /// `to` has room for `n` numbers.
    unsafe fn store_part(self, to: *mut T, n: usize);
    /// self x b + c, rounded once if FUSED, else twice.
    ///
    /// # Safety
    /// The processor has the instructions.
    unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self;
}

/// What the compiler makes of plain arrays.
macro_rules! array {
    ($t:ty, $width:literal) => {
        impl Lanes<$t> for [$t; $width] {
            const WIDTH: usize = $width;
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                [x; $width]
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller's promise; arrays of numbers need no further alignment.
                unsafe { *from.cast() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: as above.
                unsafe { *to.cast() = self }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $t, n: usize) -> Self {
                // SAFETY: as above.
                std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $t, n: usize) {
                for (i, x) in self.into_iter().enumerate().take(n) {
                    // SAFETY: as above.
                    unsafe { *to.add(i) = x };
                }
            }
            #[inline(always)]
            unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                let sum = |i: usize| if FUSED { self[i].mul_add(b[i], c[i]) } else { self[i] * b[i] + c[i] };
                std::array::from_fn(sum)
            }
        }
    };
}
array!(f32, 4);
array!(f64, 2);

/// Of WebAssembly: registers by name, rather than what the compiler happens to make of arrays.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use std::arch::wasm32::*;

    use super::Lanes;

    /// Rounded once where the build has the relaxed instruction; who loads such a build has tried whether its machine
    /// rounds once. Without it every number by itself: right, and slow.
    macro_rules! register {
        ($t:ty, $width:literal, $splat:ident, $mul:ident, $add:ident, $fused:ident) => {
            impl Lanes<$t> for v128 {
                const WIDTH: usize = $width;
                #[inline(always)]
                unsafe fn splat(x: $t) -> Self {
                    $splat(x)
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> Self {
                    // SAFETY: the caller's promises, here and below; loads need no alignment.
                    unsafe { v128_load(from.cast()) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $t) {
                    unsafe { v128_store(to.cast(), self) }
                }
                #[inline(always)]
                unsafe fn load_part(from: *const $t, n: usize) -> Self {
                    unsafe { Self::load(<[$t; $width]>::load_part(from, n).as_ptr()) }
                }
                #[inline(always)]
                unsafe fn store_part(self, to: *mut $t, n: usize) {
                    let mut all = [0.0; $width];
                    unsafe {
                        self.store(all.as_mut_ptr());
                        all.store_part(to, n);
                    }
                }
                #[inline(always)]
                unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                    if !FUSED {
                        return $add($mul(self, b), c);
                    }
                    #[cfg(target_feature = "relaxed-simd")]
                    return $fused(self, b, c);
                    #[cfg(not(target_feature = "relaxed-simd"))]
                    return {
                        let array = |x: Self| {
                            let mut all = [0.0; $width];
                            unsafe { Lanes::<$t>::store(x, all.as_mut_ptr()) };
                            all
                        };
                        unsafe { Self::load(array(self).multiply_add::<true>(array(b), array(c)).as_ptr()) }
                    };
                }
            }
        };
    }
    register!(f32, 4, f32x4_splat, f32x4_mul, f32x4_add, f32x4_relaxed_madd);
    register!(f64, 2, f64x2_splat, f64x2_mul, f64x2_add, f64x2_relaxed_madd);
}

/// What every processor of the target has: registers where they need no asking for, else arrays.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod baseline {
    pub(crate) type F32 = std::arch::wasm32::v128;
    pub(crate) type F64 = std::arch::wasm32::v128;
}
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod baseline {
    pub(crate) type F32 = [f32; 4];
    pub(crate) type F64 = [f64; 2];
}
pub(crate) use baseline::{F32 as BaselineF32, F64 as BaselineF64};

#[cfg(target_arch = "x86_64")]
macro_rules! register {
    ($t:ty, $register:ident, $width:literal, $set:ident, $load:ident, $store:ident, $fma:ident, $mul:ident, $add:ident,
     |$from:ident, $to:ident, $x:ident, $n:ident| $load_part:expr, $store_part:expr) => {
        impl Lanes<$t> for std::arch::x86_64::$register {
            const WIDTH: usize = $width;
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                // SAFETY: the caller's promises; so below.
                unsafe { std::arch::x86_64::$set(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                unsafe { std::arch::x86_64::$load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                unsafe { std::arch::x86_64::$store(to, self) }
            }
            #[inline(always)]
            unsafe fn load_part($from: *const $t, $n: usize) -> Self {
                unsafe { $load_part }
            }
            #[inline(always)]
            unsafe fn store_part(self, $to: *mut $t, $n: usize) {
                let $x = self;
                unsafe { $store_part }
            }
            #[inline(always)]
            unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                use std::arch::x86_64::{$add, $fma, $mul};
                unsafe { if FUSED { $fma(self, b, c) } else { $add($mul(self, b), c) } }
            }
        }
    };
}
/// A mask as AVX2 wants it: eight words, the first `n` of them -1.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn first_of_eight(n: usize) -> std::arch::x86_64::__m256i {
    static WORDS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: n <= 8, so that eight words follow; the caller has the instructions.
    unsafe { std::arch::x86_64::_mm256_loadu_si256(WORDS.as_ptr().add(8 - n).cast()) }
}

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Lanes, first_of_eight};

    register!(
        f32, __m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_add_ps,
        |from, to, x, n| _mm256_maskload_ps(from, first_of_eight(n)), _mm256_maskstore_ps(to, first_of_eight(n), x)
    );
    register!(
        f32, __m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_add_ps,
        |from, to, x, n| _mm512_maskz_loadu_ps(((1_u32 << n) - 1) as u16, from),
        _mm512_mask_storeu_ps(to, ((1_u32 << n) - 1) as u16, x)
    );
    register!(
        f64, __m256d, 4, _mm256_set1_pd, _mm256_loadu_pd, _mm256_storeu_pd, _mm256_fmadd_pd, _mm256_mul_pd, _mm256_add_pd,
        |from, to, x, n| _mm256_maskload_pd(from, first_of_eight(2 * n)), _mm256_maskstore_pd(to, first_of_eight(2 * n), x)
    );
    register!(
        f64, __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, _mm512_storeu_pd, _mm512_fmadd_pd, _mm512_mul_pd, _mm512_add_pd,
        |from, to, x, n| _mm512_maskz_loadu_pd(((1_u32 << n) - 1) as u8, from),
        _mm512_mask_storeu_pd(to, ((1_u32 << n) - 1) as u8, x)
    );
}
