//! Kernels of precipice, with the same bits on every machine that runs them.
//!
//! Reading order: [`kernels`] (which instructions this processor has, and the two arithmetics),
//! [`mat`] (views), [`gemm`] (matrix products), [`softmax`], [`elementwise`], [`rows`] (LayerNorm and GELU), [`math`]
//! (exp, ln, sine and cosine), [`cholesky`] and [`eigen`] (small symmetric systems), [`minimize`],
//! [`rng`] (counter-based random numbers), [`real`] (f32 or f64), [`profile`] (where the time goes),
//! [`allocator`] (an error where memory ends).
//!
//! This is the only crate with `unsafe` code. It is optimized even in test builds, so everything
//! here is compiled for concrete f32 and f64, never left generic for the crates above.
//!
//! ```
//! use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};
//! let (a, b) = ([1.0_f32, 2.0], [3.0_f32, 4.0]);
//! let mut c = [0.0_f32];
//! f32::gemm(Kernels::detect(), MatMut::new(&mut c, 1, 1), Fill::Set, MatRef::new(&a, 1, 2), MatRef::new(&b, 2, 1));
//! assert_eq!(c, [11.0]);
//! ```

pub mod allocator;
pub mod cholesky;
pub mod eigen;
pub mod elementwise;
pub mod gemm;
pub mod kernels;
mod lanes;
pub mod mat;
pub mod math;
pub mod minimize;
mod pack;
pub mod profile;
pub mod real;
pub mod rng;
pub mod rows;
mod sixteen;
pub mod softmax;
mod tile;
mod transpose;

pub use cholesky::Cholesky;
pub use eigen::SymmetricEigen;
pub use gemm::Fill;
pub use kernels::{Arithmetic, Kernels, Simd};
pub use mat::{MatMut, MatRef};
pub use minimize::golden_section;
pub use real::Real;
pub use rng::{Rng, StreamId};
pub use rows::{MapGradient, Norm, NormGradient};
