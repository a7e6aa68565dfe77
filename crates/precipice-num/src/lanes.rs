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
            unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                let sum = |i: usize| if FUSED { self[i].mul_add(b[i], c[i]) } else { self[i] * b[i] + c[i] };
                std::array::from_fn(sum)
            }
        }
    };
}
array!(f32, 4);
array!(f64, 2);

#[cfg(target_arch = "x86_64")]
macro_rules! register {
    ($register:ident, $width:literal, $set:ident, $load:ident, $store:ident, $fma:ident, $mul:ident, $add:ident) => {
        impl Lanes<f32> for std::arch::x86_64::$register {
            const WIDTH: usize = $width;
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the caller's promises; so below.
                unsafe { std::arch::x86_64::$set(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                unsafe { std::arch::x86_64::$load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                unsafe { std::arch::x86_64::$store(to, self) }
            }
            #[inline(always)]
            unsafe fn multiply_add<const FUSED: bool>(self, b: Self, c: Self) -> Self {
                use std::arch::x86_64::{$add, $fma, $mul};
                unsafe { if FUSED { $fma(self, b, c) } else { $add($mul(self, b), c) } }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
register!(__m256, 8, _mm256_set1_ps, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_fmadd_ps, _mm256_mul_ps, _mm256_add_ps);
#[cfg(target_arch = "x86_64")]
register!(__m512, 16, _mm512_set1_ps, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_add_ps);
