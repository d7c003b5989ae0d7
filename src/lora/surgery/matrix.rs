//! Small dense matrices in f64, and their QR decomposition by Householder reflections.

use candle_core::{DType, Device, Result, Tensor};

/// A matrix by columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// Column after column.
    pub data: Vec<f64>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Matrix { rows, columns, data: vec![0.0; rows * columns] }
    }

    /// The transpose of the matrix that `values` are row by row.
    pub fn unit(n: usize) -> Self {
        let mut unit = Matrix::zeros(n, n);
        (0..n).for_each(|i| unit.data[i * n + i] = 1.0);
        unit
    }

    pub fn transposed(values: &[f32], rows: usize, columns: usize) -> Self {
        Matrix { rows: columns, columns: rows, data: values.iter().map(|v| f64::from(*v)).collect() }
    }

    /// Of a tensor (rows, …), its dimensions after the first flattened.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        let matrix = tensor.flatten_from(1)?;
        let (rows, columns) = matrix.dims2()?;
        Ok(Self::transposed(&f32_values(&matrix.t()?.contiguous()?)?, columns, rows))
    }

    /// The transpose of a tensor (rows, …): its rows are the columns.
    pub fn transpose_of(tensor: &Tensor) -> Result<Self> {
        let matrix = tensor.flatten_from(1)?;
        let (rows, columns) = matrix.dims2()?;
        Ok(Self::transposed(&f32_values(&matrix)?, rows, columns))
    }

    pub fn column(&self, at: usize) -> &[f64] {
        &self.data[at * self.rows..][..self.rows]
    }

    pub fn column_mut(&mut self, at: usize) -> &mut [f64] {
        &mut self.data[at * self.rows..][..self.rows]
    }

    /// The first columns.
    pub fn first(mut self, columns: usize) -> Self {
        self.columns = self.columns.min(columns);
        self.data.truncate(self.rows * self.columns);
        self
    }

    /// This matrix and `other` side by side; both have the same rows.
    pub fn beside(mut self, other: &Matrix) -> Self {
        debug_assert_eq!(self.rows, other.rows);
        self.data.extend_from_slice(&other.data);
        self.columns += other.columns;
        self
    }

    pub fn scaled(mut self, factor: f64) -> Self {
        self.data.iter_mut().for_each(|v| *v *= factor);
        self
    }

    pub fn transpose(&self) -> Self {
        let mut transpose = Matrix::zeros(self.columns, self.rows);
        for column in 0..self.columns {
            for (row, value) in self.column(column).iter().enumerate() {
                transpose.data[row * self.columns + column] = *value;
            }
        }
        transpose
    }

    /// `self` · `other`
    pub fn times(&self, other: &Matrix) -> Self {
        let mut product = Matrix::zeros(self.rows, other.columns);
        for column in 0..other.columns {
            let into = &mut product.data[column * self.rows..][..self.rows];
            for (at, factor) in other.column(column).iter().enumerate() {
                add(into, self.column(at), *factor);
            }
        }
        product
    }

    /// `self`ᵀ · `other`
    pub fn transpose_times(&self, other: &Matrix) -> Self {
        let mut product = Matrix::zeros(self.columns, other.columns);
        for column in 0..other.columns {
            for at in 0..self.columns {
                product.data[column * self.columns + at] = dot(self.column(at), other.column(column));
            }
        }
        product
    }

    /// Sum of squares.
    pub fn square(&self) -> f64 {
        self.data.iter().map(|v| v * v).sum()
    }

    /// Values row by row in f32.
    pub fn by_rows(&self) -> Vec<f32> {
        self.transpose().data.into_iter().map(|v| v as f32).collect()
    }

    /// (rows, columns), f32.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Tensor::from_vec(self.by_rows(), (self.rows, self.columns), &Device::Cpu)
    }

    /// Q (rows, k) with orthonormal columns and R (k, columns), k = min(rows, columns), with `self` = Q · R.
    pub fn qr(mut self) -> (Matrix, Matrix) {
        let (rows, columns) = (self.rows, self.columns);
        let k = rows.min(columns);
        let mut taus = Vec::with_capacity(k);
        for step in 0..k {
            let (done, rest) = self.data.split_at_mut((step + 1) * rows);
            let reflector = &mut done[step * rows + step..];
            let tau = reflect(reflector);
            taus.push(tau);
            for column in rest.chunks_exact_mut(rows.max(1)) {
                apply(reflector, tau, &mut column[step..]);
            }
        }
        let mut r = Matrix::zeros(k, columns);
        for column in 0..columns {
            let filled = k.min(column + 1);
            r.column_mut(column)[..filled].copy_from_slice(&self.column(column)[..filled]);
        }
        // Q is the product of the reflections, applied to the first columns of the unit matrix from the last to the first.
        let mut q = Matrix::zeros(rows, k);
        for column in 0..k {
            q.data[column * rows + column] = 1.0;
        }
        for step in (0..k).rev() {
            let reflector = &self.column(step)[step..];
            for column in step..k {
                apply(reflector, taus[step], &mut q.column_mut(column)[step..]);
            }
        }
        (q, r)
    }

    /// The R of [`Matrix::qr`] alone.
    pub fn r(self) -> Matrix {
        self.qr().1
    }
}

/// Makes of `x` the reflection that takes it to a multiple of the first unit vector: that multiple in the first place, behind
/// it the reflection's vector v, whose own first number is 1. Gives τ of I − τ·v·vᵀ.
fn reflect(x: &mut [f64]) -> f64 {
    let Some((first, rest)) = x.split_first_mut() else { return 0.0 };
    // Scaled, so that squares neither vanish nor overflow.
    let largest = rest.iter().fold(first.abs(), |m, v| m.max(v.abs()));
    if largest == 0.0 || rest.iter().all(|v| *v == 0.0) {
        return 0.0;
    }
    let square: f64 = rest.iter().map(|v| (v / largest).powi(2)).sum::<f64>() + (*first / largest).powi(2);
    let norm = -largest * square.sqrt() * if *first < 0.0 { -1.0 } else { 1.0 };
    let tau = (norm - *first) / norm;
    let scale = 1.0 / (*first - norm);
    rest.iter_mut().for_each(|v| *v *= scale);
    *first = norm;
    tau
}

/// Applies the reflection with the vector (1, `reflector[1..]`) to `x`.
fn apply(reflector: &[f64], tau: f64, x: &mut [f64]) {
    let (Some(tail), Some((first, rest))) = (reflector.get(1..), x.split_first_mut()) else { return };
    if tau == 0.0 {
        return;
    }
    let factor = tau * (*first + dot(tail, rest));
    *first -= factor;
    add(rest, tail, -factor);
}

/// Summed in eight lanes, which the compiler turns into vector instructions.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

fn add(into: &mut [f64], values: &[f64], factor: f64) {
    into.iter_mut().zip(values).for_each(|(into, value)| *into += factor * value);
}

pub(super) fn f32_values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Numbers in −1..1 without a pattern.
    pub fn noise(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        };
        Matrix { rows, columns, data: (0..rows * columns).map(|_| next()).collect() }
    }

    pub fn assert_close(a: &Matrix, b: &Matrix, tolerance: f64) {
        assert_eq!((a.rows, a.columns), (b.rows, b.columns));
        for (a, b) in a.data.iter().zip(&b.data) {
            assert!((a - b).abs() <= tolerance, "{a} {b}");
        }
    }

    #[test]
    fn qr_gives_the_matrix_again() {
        for (rows, columns) in [(7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (0, 3), (3, 0)] {
            let matrix = noise(rows, columns, 3);
            let (q, r) = matrix.clone().qr();
            assert_close(&q.times(&r), &matrix, 1e-14);
            assert_close(&q.transpose_times(&q), &Matrix::unit(rows.min(columns)), 1e-14);
            for column in 0..r.columns {
                assert!(r.column(column).iter().skip(column + 1).all(|v| *v == 0.0));
            }
        }
    }

    #[test]
    fn qr_of_dependent_and_extreme_columns() {
        let one = noise(6, 1, 5);
        let twice = one.clone().beside(&one).beside(&Matrix::zeros(6, 1));
        let (q, r) = twice.clone().qr();
        assert_close(&q.times(&r), &twice, 1e-14);
        assert_close(&q.transpose_times(&q), &Matrix::unit(3), 1e-14);
        let large = noise(4, 2, 6).scaled(1e200);
        let (q, r) = large.clone().qr();
        assert_close(&q.times(&r).scaled(1e-200), &large.scaled(1e-200), 1e-14);
    }

    #[test]
    fn products_agree() {
        let (a, b) = (noise(9, 4, 1), noise(9, 5, 2));
        assert_close(&a.transpose_times(&b), &a.transpose().times(&b), 1e-14);
        let tensor = a.to_tensor().unwrap();
        assert_close(&Matrix::of(&tensor).unwrap(), &a, 1e-7);
        assert_close(&Matrix::transpose_of(&tensor).unwrap(), &a.transpose(), 1e-7);
    }
}
