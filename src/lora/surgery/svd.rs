//! Singular values by one-sided Jacobi rotations (Hestenes): pairs of columns are turned until all are at right angles.
//! Small singular values come out as exactly as large ones.

use super::matrix::{Matrix, dot};

/// `matrix` = U · diag(`values`) · Vᵀ, the largest value first.
#[derive(Debug, Clone)]
pub(super) struct Svd {
    /// Orthonormal columns; those of values 0 are 0.
    pub u: Matrix,
    pub values: Vec<f64>,
    pub v: Matrix,
}

/// More are not needed: convergence is quadratic in the end.
const MAX_SWEEPS: usize = 40;
/// Columns whose cosine is less than this are at right angles.
const TOLERANCE: f64 = 1e-15;

impl Svd {
    /// Of any matrix; meant for small ones.
    pub fn of(matrix: &Matrix) -> Self {
        if matrix.rows < matrix.columns {
            let Svd { u, values, v } = Self::of(&matrix.transpose());
            return Svd { u: v, values, v: u };
        }
        // Of a triangle the rotations have less to do than of a full matrix.
        let (q, r) = matrix.clone().qr();
        let Svd { u, values, v } = Self::by_rotations(r.transpose());
        Svd { u: q.times(&v), values, v: u }
    }

    fn by_rotations(mut a: Matrix) -> Self {
        let n = a.columns;
        let mut v = Matrix::zeros(n, n);
        (0..n).for_each(|i| v.data[i * n + i] = 1.0);
        for _ in 0..MAX_SWEEPS {
            let mut rotated = false;
            for p in 0..n {
                for q in p + 1..n {
                    let (alpha, beta, gamma) =
                        (square(a.column(p)), square(a.column(q)), dot(a.column(p), a.column(q)));
                    if gamma.abs() <= TOLERANCE * (alpha * beta).sqrt() || gamma == 0.0 {
                        continue;
                    }
                    rotated = true;
                    let zeta = (beta - alpha) / (2.0 * gamma);
                    let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                    let c = 1.0 / t.hypot(1.0);
                    rotate(&mut a, p, q, c, c * t);
                    rotate(&mut v, p, q, c, c * t);
                }
            }
            if !rotated {
                break;
            }
        }
        let norms: Vec<f64> = (0..n).map(|i| square(a.column(i)).sqrt()).collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|l, r| norms[*r].total_cmp(&norms[*l]));
        let mut sorted = Svd { u: Matrix::zeros(a.rows, n), values: Vec::with_capacity(n), v: Matrix::zeros(n, n) };
        for (to, from) in order.into_iter().enumerate() {
            let norm = norms[from];
            sorted.values.push(norm);
            sorted.v.column_mut(to).copy_from_slice(v.column(from));
            if norm > 0.0 {
                sorted.u.column_mut(to).iter_mut().zip(a.column(from)).for_each(|(u, a)| *u = a / norm);
            }
        }
        sorted
    }

    /// Σσ² of the values from `rank` on: the square of the error of a cut to this rank.
    pub fn rest(&self, rank: usize) -> f64 {
        self.values.iter().skip(rank).map(|v| v * v).sum()
    }

    /// The least rank whose values hold this share of the sum of squares.
    pub fn rank_for(&self, energy: f64) -> usize {
        let all = self.rest(0);
        (0..self.values.len()).find(|rank| all - self.rest(*rank) >= energy * all).unwrap_or(self.values.len())
    }
}

fn square(column: &[f64]) -> f64 {
    dot(column, column)
}

/// Columns p and q, p < q, turned by the angle with this cosine and sine.
fn rotate(matrix: &mut Matrix, p: usize, q: usize, c: f64, s: f64) {
    let (left, right) = matrix.data.split_at_mut(q * matrix.rows);
    let (x, y) = (&mut left[p * matrix.rows..][..matrix.rows], &mut right[..matrix.rows]);
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::super::matrix::tests::{assert_close, noise};
    use super::*;

    fn recomposed(svd: &Svd) -> Matrix {
        let mut scaled = svd.u.clone();
        for (at, value) in svd.values.iter().enumerate() {
            scaled.column_mut(at).iter_mut().for_each(|u| *u *= value);
        }
        scaled.times(&svd.v.transpose())
    }

    #[test]
    fn values_and_vectors_give_the_matrix_again() {
        for (rows, columns) in [(6, 6), (9, 4), (4, 9), (1, 3), (20, 20), (0, 2)] {
            let matrix = noise(rows, columns, 7);
            let svd = Svd::of(&matrix);
            assert_close(&recomposed(&svd), &matrix, 1e-13);
            assert_close(&svd.u.transpose_times(&svd.u), &Matrix::unit(rows.min(columns)), 1e-13);
            assert_close(&svd.v.transpose_times(&svd.v), &Matrix::unit(rows.min(columns)), 1e-13);
            assert!(svd.values.is_sorted_by(|a, b| a >= b));
            assert!((svd.rest(0) - matrix.square()).abs() < 1e-12);
        }
    }

    #[test]
    fn known_values() {
        // Singular values of [[3, 0], [4, 5]] are 3√5 and √5.
        let svd = Svd::of(&Matrix { rows: 2, columns: 2, data: vec![3.0, 4.0, 0.0, 5.0] });
        let root = 5f64.sqrt();
        assert!((svd.values[0] - 3.0 * root).abs() < 1e-14 && (svd.values[1] - root).abs() < 1e-14);
        assert_eq!((svd.rank_for(0.9), svd.rank_for(0.91), svd.rank_for(0.0)), (1, 2, 0));
        assert_eq!(Svd::of(&Matrix::zeros(3, 2)).values, [0.0, 0.0]);
    }

    #[test]
    fn a_small_value_is_exact_beside_a_large_one() {
        let mut matrix = Matrix::zeros(3, 3);
        matrix.data = vec![1e8, 0.0, 0.0, 1e8, 1e-6, 0.0, 0.0, 0.0, 1e-3];
        let svd = Svd::of(&matrix);
        // The product of all is the determinant.
        let product: f64 = svd.values.iter().product();
        assert!((product / 1e-1 - 1.0).abs() < 1e-9, "{:?}", svd.values);
    }
}
