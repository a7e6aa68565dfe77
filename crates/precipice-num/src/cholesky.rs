//! Symmetric positive definite systems, small and in f64: the same bits on every target.

/// The lower factor L of A = L Lᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Cholesky {
    n: usize,
    /// `[n, n]`, zeros above the diagonal.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors a symmetric `[n, n]` matrix, of which the lower half is read; none where it is not
    /// positive definite (a pivot is not above 1e-14 of its diagonal element) or not finite.
    ///
    /// # Panics
    /// If `a` is not `[n, n]`.
    pub fn new(a: &[f64], n: usize) -> Option<Self> {
        assert_eq!(a.len(), n * n, "a matrix that is not [{n}, {n}]");
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let (row_i, row_j) = (&lower[i * n..i * n + j], &lower[j * n..j * n + j]);
                let rest = a[i * n + j] - row_i.iter().zip(row_j).map(|(x, y)| x * y).sum::<f64>();
                lower[i * n + j] = if i > j {
                    rest / lower[j * n + j]
                } else if rest > 1e-14 * a[i * n + i] && rest.is_finite() {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(Self { n, lower })
    }

    /// L, row by row.
    pub fn lower(&self) -> &[f64] {
        &self.lower
    }

    /// Replaces b by the x of A x = b.
    ///
    /// # Panics
    /// If `b` is not of length n.
    pub fn solve(&self, b: &mut [f64]) {
        let (n, lower) = (self.n, &self.lower);
        assert_eq!(b.len(), n, "a right side of another length");
        for i in 0..n {
            let known: f64 = (0..i).map(|j| lower[i * n + j] * b[j]).sum();
            b[i] = (b[i] - known) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| lower[j * n + i] * b[j]).sum();
            b[i] = (b[i] - known) / lower[i * n + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cholesky;

    #[test]
    fn solves_what_it_factors_and_refuses_the_rest() {
        let a = [4.0, 2.0, -2.0, 2.0, 10.0, 1.0, -2.0, 1.0, 6.0];
        let x = [1.0, -2.0, 3.0];
        let mut b: Vec<f64> = a.chunks(3).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
        Cholesky::new(&a, 3).unwrap().solve(&mut b);
        assert!(b.iter().zip(x).all(|(b, x)| (b - x).abs() < 1e-14), "{b:?}");
        for bad in [[1.0, 2.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0], [f64::NAN, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]] {
            assert_eq!(Cholesky::new(&bad, 2), None, "{bad:?}");
        }
    }
}
