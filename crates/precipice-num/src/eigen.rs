//! Eigenvalues and eigenvectors of small symmetric matrices in f64: the same bits on every target.

/// A = V^T diag(values) V.
#[derive(Clone, Debug, PartialEq)]
pub struct SymmetricEigen {
    /// `[n]`, in no order.
    pub values: Vec<f64>,
    /// `[n, n]`, an eigenvector in each row.
    pub vectors: Vec<f64>,
}

/// Sweeps over all pairs; each about squares what is left off the diagonal, and 10 are many.
const SWEEPS: usize = 50;

impl SymmetricEigen {
    /// Decomposes a symmetric `[n, n]` matrix by cyclic Jacobi rotations. Errors are of the order of
    /// 1e-15 of the largest eigenvalue.
    ///
    /// # Panics
    /// If `a` is not `[n, n]`.
    pub fn new(a: &[f64], n: usize) -> Self {
        assert_eq!(a.len(), n * n, "a matrix that is not [{n}, {n}]");
        let mut a = a.to_vec();
        let mut vectors = vec![0.0; n * n];
        (0..n).for_each(|i| vectors[i * n + i] = 1.0);
        let total: f64 = a.iter().map(|x| x * x).sum();
        for _ in 0..SWEEPS {
            let off: f64 = (0..n * n).filter(|at| at % n < at / n).map(|at| a[at] * a[at]).sum();
            if off <= 1e-32 * total {
                break;
            }
            for i in 0..n {
                for j in 0..i {
                    rotate(&mut a, &mut vectors, n, i, j);
                }
            }
        }
        Self { values: (0..n).map(|i| a[i * n + i]).collect(), vectors }
    }
}

/// The rotation of rows and columns i and j that makes `a[i, j]` 0, applied to the vectors' rows too.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, i: usize, j: usize) {
    let off = a[i * n + j];
    if off == 0.0 {
        return;
    }
    let theta = (a[j * n + j] - a[i * n + i]) / (2.0 * off);
    // The smaller of the two angles; both make a[i, j] vanish.
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let turn = |x: &mut [f64], at_i: usize, at_j: usize| {
        (x[at_i], x[at_j]) = (c * x[at_i] - s * x[at_j], s * x[at_i] + c * x[at_j]);
    };
    for k in 0..n {
        turn(a, k * n + i, k * n + j);
    }
    for k in 0..n {
        turn(a, i * n + k, j * n + k);
        turn(vectors, i * n + k, j * n + k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_give_the_matrix_back() {
        let a = [4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0];
        let SymmetricEigen { values, vectors } = SymmetricEigen::new(&a, 3);
        for at in 0..9 {
            let (i, j) = (at / 3, at % 3);
            let sum: f64 = (0..3).map(|k| vectors[k * 3 + i] * values[k] * vectors[k * 3 + j]).sum();
            assert!((sum - a[at]).abs() < 1e-14, "{at}: {sum}");
            let inner: f64 = (0..3).map(|k| vectors[i * 3 + k] * vectors[j * 3 + k]).sum();
            assert!((inner - f64::from(u8::from(i == j))).abs() < 1e-15, "{at}: {inner}");
        }
    }

    #[test]
    fn known_values() {
        // Second differences: 2 - 2 cos(pi k / 6).
        let n = 5_usize;
        let a: Vec<f64> = (0..n * n)
            .map(|at| match (at / n).abs_diff(at % n) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            })
            .collect();
        let mut values = SymmetricEigen::new(&a, n).values;
        values.sort_by(f64::total_cmp);
        let root = 3.0_f64.sqrt();
        for (found, expected) in values.iter().zip([2.0 - root, 1.0, 2.0, 3.0, 2.0 + root]) {
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
        }
        assert_eq!(SymmetricEigen::new(&[0.0; 4], 2).values, [0.0, 0.0]);
    }
}
