//! Closed forms of in-context linear regression by one linear attention layer, which at its best is one step of
//! gradient descent: yhat = eta x_q . X^T y / N (von Oswald et al. 2023).
//!
//! w ~ N(0, I), x of d independent coordinates with variance s2 and kurtosis kappa, y = w . x + noise of variance
//! sigma2 in the context, S = X^T X / N. Losses are half the mean square error of the query's noiseless y. What all
//! of them rest on is E S A S = s2^2 (A (1 + 1/N) + (tr A + (kappa - 3) diag A) / N) for a symmetric A.

mod covariance;
mod filter;
mod spectra;
mod white;

pub use covariance::{Correlated, eigenvalue_plateaus, pool_optimum};
pub use filter::Filter;
pub use spectra::{Mean, Spectra};
pub use white::White;
