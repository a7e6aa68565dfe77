//! Which instructions to use, and which of the two arithmetics they must agree on.

/// How a product is added to a sum. The two differ in the last bit; a run records which it used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// One rounding for multiply and add (FMA). AVX2, AVX-512 and NEON agree to the bit.
    Fused,
    /// Multiply, round, add, round. Agrees to the bit on every target, wasm included.
    Portable,
}

impl Arithmetic {
    /// The name that manifests store.
    pub fn name(self) -> &'static str {
        match self {
            Arithmetic::Fused => "fused",
            Arithmetic::Portable => "portable",
        }
    }

    /// The arithmetic that a manifest names.
    pub fn from_name(name: &str) -> Option<Self> {
        [Arithmetic::Fused, Arithmetic::Portable].into_iter().find(|arithmetic| arithmetic.name() == name)
    }
}

/// Instruction set that the kernels are compiled for. It changes speed, never bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// What every processor of the target has (SSE2 on x86-64, NEON on aarch64, on wasm32 what it was built with).
    Baseline,
    /// AVX2 and FMA, 256-bit registers.
    Avx2,
    /// AVX-512F, 512-bit registers.
    Avx512,
}

/// The choice of arithmetic and instructions, passed to every kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    arithmetic: Arithmetic,
    simd: Simd,
}

impl Kernels {
    /// The fastest kernels of this processor, fused where it can.
    pub fn detect() -> Self {
        let arithmetic = if has_fma() { Arithmetic::Fused } else { Arithmetic::Portable };
        Self::with_arithmetic(arithmetic)
    }

    /// The fastest kernels of this processor with the given arithmetic.
    ///
    /// Fused arithmetic on a processor without FMA is exact but slow.
    pub fn with_arithmetic(arithmetic: Arithmetic) -> Self {
        let simd = *levels().last().unwrap_or(&Simd::Baseline);
        Self { arithmetic, simd }
    }

    /// Every choice that this processor can run: all instruction sets times both arithmetics.
    pub fn available() -> Vec<Self> {
        let both = [Arithmetic::Portable, Arithmetic::Fused];
        levels().into_iter().flat_map(|simd| both.map(|arithmetic| Self { arithmetic, simd })).collect()
    }

    /// The arithmetic, which decides bits.
    pub fn arithmetic(self) -> Arithmetic {
        self.arithmetic
    }

    /// The instruction set, which decides speed.
    pub fn simd(self) -> Simd {
        self.simd
    }
}

#[cfg(target_arch = "x86_64")]
fn has_fma() -> bool {
    std::is_x86_feature_detected!("fma") && std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fma() -> bool {
    cfg!(any(target_arch = "aarch64", target_feature = "relaxed-simd"))
}

/// Slowest first.
#[cfg(target_arch = "x86_64")]
fn levels() -> Vec<Simd> {
    let mut levels = vec![Simd::Baseline];
    if has_fma() {
        levels.push(Simd::Avx2);
        if std::is_x86_feature_detected!("avx512f") {
            levels.push(Simd::Avx512);
        }
    }
    levels
}

#[cfg(not(target_arch = "x86_64"))]
fn levels() -> Vec<Simd> {
    vec![Simd::Baseline]
}

/// Compiles the body once per instruction set and picks one at run time.
///
/// `dispatch!(kernels, f(a, b: A, B) -> R)` calls the `#[inline(always)]` function `f`, so that its
/// loops are vectorized with the instructions of the chosen level.
macro_rules! dispatch {
    ($kernels:expr, $function:ident ($($arg:ident : $ty:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                $function($($arg),*)
            }
            #[target_feature(enable = "avx2,fma,avx512f")]
            fn avx512($($arg: $ty),*) {
                $function($($arg),*)
            }
            match $kernels.simd() {
                $crate::Simd::Baseline => $function($($arg),*),
                // SAFETY: `Kernels` is made only from the features that this processor reported.
                $crate::Simd::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                $crate::Simd::Avx512 => unsafe { avx512($($arg),*) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $kernels;
            $function($($arg),*)
        }
    }};
}
pub(crate) use dispatch;

/// Sixteen numbers as every processor of the target has them.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) type BaselineSixteen = [f32; 16];
/// Sixteen numbers as every processor of the target has them.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) type BaselineSixteen = [std::arch::wasm32::v128; 4];

/// As `dispatch!`, for an unsafe function of the type that holds sixteen numbers at the level.
macro_rules! dispatch_sixteen {
    ($kernels:expr, $function:ident ($($arg:ident : $ty:ty),* $(,)?) $(-> $out:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $out)? {
                // SAFETY: compiled for what it needs.
                unsafe { $function::<[std::arch::x86_64::__m256; 2]>($($arg),*) }
            }
            #[target_feature(enable = "avx2,fma,avx512f")]
            fn avx512($($arg: $ty),*) $(-> $out)? {
                // SAFETY: as above.
                unsafe { $function::<std::arch::x86_64::__m512>($($arg),*) }
            }
            // SAFETY: `Kernels` is made only from the features that this processor reported.
            unsafe {
                match $kernels.simd() {
                    $crate::Simd::Baseline => $function::<$crate::kernels::BaselineSixteen>($($arg),*),
                    $crate::Simd::Avx2 => avx2($($arg),*),
                    $crate::Simd::Avx512 => avx512($($arg),*),
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = $kernels;
            // SAFETY: the baseline needs nothing that has to be asked for.
            unsafe { $function::<$crate::kernels::BaselineSixteen>($($arg),*) }
        }
    }};
}
pub(crate) use dispatch_sixteen;
