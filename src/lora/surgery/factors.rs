//! A delta as the product of two narrow matrices: all that is asked of it is computed without making it.

use candle_core::{Result, Tensor};

use super::super::file;
use super::super::kind::Kind;
use super::super::matching::Group;
use super::super::module::NetworkModule;
use super::super::table::Target;
use super::SurgeryError;
use super::matrix::Matrix;
use super::output::{Precision, Stored};
use super::svd::Svd;
use crate::checkpoint::TensorFile;

/// Δ = `up` · `down`ᵀ
#[derive(Debug, Clone)]
pub(super) struct Factors {
    /// (rows, rank)
    pub up: Matrix,
    /// (columns, rank); the columns of a convolution are (input, height, width).
    pub down: Matrix,
}

impl Factors {
    /// The delta of a plain LoRA or LoCon, or of one with a middle tensor, at factor 1; `None` for all other modules.
    pub fn of(
        file: &TensorFile,
        module: &NetworkModule,
        group: &Group,
    ) -> std::result::Result<Option<Self>, SurgeryError> {
        if !module.is_linear() || !matches!(module.kind(), Kind::Lora | Kind::Locon) {
            return Ok(None);
        }
        if let Some(factors) = module.factors() {
            let (up, down) = (Matrix::of(factors.up)?, Matrix::transpose_of(factors.down)?);
            return Ok(Some(Factors { up: up.scaled(factors.scale), down }.narrow()));
        }
        let part = |name: &str| group.parts.get(name).map(|tensor| file::read(file, tensor)).transpose();
        let (Some(up), Some(mid), Some(down)) =
            (part("lora_up.weight")?, part("lora_mid.weight")?, part("lora_down.weight")?)
        else {
            return Ok(None);
        };
        let down = through(&mid, &down)?;
        Ok(Some(Factors { up: Matrix::of(&up)?.scaled(module.scale()), down: Matrix::transpose_of(&down)? }.narrow()))
    }

    /// The same delta with no more directions than a matrix of its shape has, however many the file lists.
    fn narrow(self) -> Self {
        let (rows, columns) = (self.up.rows, self.down.rows);
        if self.rank() <= rows.min(columns) {
            return self;
        }
        let delta = self.up.times(&self.down.transpose());
        match rows <= columns {
            true => Factors { up: Matrix::unit(rows), down: delta.transpose() },
            false => Factors { up: delta, down: Matrix::unit(columns) },
        }
    }

    pub fn rank(&self) -> usize {
        self.up.columns
    }

    pub fn scaled(self, factor: f64) -> Self {
        Factors { up: self.up.scaled(factor), down: self.down }
    }

    /// The sum of two deltas of the same shape: both factors side by side.
    pub fn plus(self, other: &Factors) -> Self {
        Factors { up: self.up.beside(&other.up), down: self.down.beside(&other.down) }
    }

    pub fn minus(self, other: &Factors) -> Self {
        let down = self.down.beside(&other.down);
        Factors { up: self.up.beside(&other.up.clone().scaled(-1.0)), down }
    }

    /// ‖Δ‖² (Frobenius). It is that of the product of both triangles of QR, so that a small difference of large deltas is
    /// exact too.
    pub fn square(&self) -> f64 {
        let (up, down) = (self.up.clone().r(), self.down.clone().r());
        up.times(&down.transpose()).square()
    }

    /// Σ of the products of both deltas' numbers.
    pub fn inner(&self, other: &Factors) -> f64 {
        let (up, down) = (self.up.transpose_times(&other.up), self.down.transpose_times(&other.down));
        up.data.iter().zip(&down.data).map(|(u, d)| u * d).sum()
    }

    /// The delta itself, (rows, columns), f32.
    pub fn product(&self) -> Result<Tensor> {
        if self.rank() == 0 {
            return Tensor::zeros((self.up.rows, self.down.rows), candle_core::DType::F32, &candle_core::Device::Cpu);
        }
        self.up.to_tensor()?.matmul(&self.down.to_tensor()?.t()?.contiguous()?)
    }

    /// Singular values and vectors of the delta, without making it: those of the product of both triangles.
    pub fn svd(&self) -> Svd {
        let ((q_up, r_up), (q_down, r_down)) = (self.up.clone().qr(), self.down.clone().qr());
        let Svd { u, values, v } = Svd::of(&r_up.times(&r_down.transpose()));
        Svd { u: q_up.times(&u), values, v: q_down.times(&v) }
    }

    /// The best delta of this rank: the greatest singular values, half of each in either factor.
    pub fn cut(svd: &Svd, rank: usize) -> Self {
        let rank = rank.min(svd.values.len());
        let (mut up, mut down) = (svd.u.clone().first(rank), svd.v.clone().first(rank));
        for (at, value) in svd.values.iter().take(rank).enumerate() {
            let root = value.sqrt();
            up.column_mut(at).iter_mut().for_each(|v| *v *= root);
            down.column_mut(at).iter_mut().for_each(|v| *v *= root);
        }
        Factors { up, down }
    }

    /// What comes back of this delta from a file of this precision.
    pub fn rounded(&self, precision: Precision) -> Self {
        let round = |matrix: &Matrix| {
            let data = matrix.data.iter().map(|v| f64::from(precision.round(*v as f32))).collect();
            Matrix { rows: matrix.rows, columns: matrix.columns, data }
        };
        Factors { up: round(&self.up), down: round(&self.down) }
    }

    pub fn is_finite(&self) -> bool {
        self.up.data.iter().chain(&self.down.data).all(|v| v.is_finite())
    }
}

/// A plain LoRA or LoCon for `target`, whose alpha is its rank.
pub(super) fn factor_tensors<'s>(
    key: &str,
    target: &Target,
    factors: &Factors,
    precision: Precision,
) -> std::result::Result<Vec<(String, Stored<'s>)>, SurgeryError> {
    if !factors.is_finite() {
        return Err(SurgeryError::Overflow { module: key.to_owned() });
    }
    let rank = factors.rank();
    let (mut up, mut down) = (vec![factors.up.rows, rank], vec![rank, factors.down.rows]);
    if let [_, input @ ..] = target.shape.as_slice()
        && input.len() > 1
    {
        up.extend(input.iter().skip(1).map(|_| 1));
        down = [&[rank], input].concat();
    }
    // `down` lies column by column, which are its rows.
    let down_values: Vec<f32> = factors.down.data.iter().map(|v| *v as f32).collect();
    Ok(vec![
        (format!("{key}.lora_up.weight"), Stored::numbers(&up, &factors.up.by_rows(), precision)),
        (format!("{key}.lora_down.weight"), Stored::numbers(&down, &down_values, precision)),
        (format!("{key}.alpha"), Stored::numbers(&[], &[rank as f32], Precision::F32)),
    ])
}

/// `down` (j, n, 1, 1) behind the middle tensor `mid` (i, j, k, l): one factor (i, n·k·l).
fn through(mid: &Tensor, down: &Tensor) -> Result<Tensor> {
    let (i, j, k, l) = mid.dims4()?;
    let kernel = k * l;
    let to_f32 = |t: &Tensor| t.to_dtype(candle_core::DType::F32);
    let mid = to_f32(mid)?.reshape((i, j, kernel))?.transpose(1, 2)?.contiguous()?.reshape((i * kernel, j))?;
    let down = to_f32(down)?.flatten_from(1)?;
    let n = down.dim(1)?;
    let product = mid.matmul(&down)?.reshape((i, kernel, n))?;
    product.transpose(1, 2)?.contiguous()?.reshape((i, n * kernel))
}

#[cfg(test)]
mod tests {
    use super::super::matrix::tests::{assert_close, noise};
    use super::*;

    fn full(factors: &Factors) -> Matrix {
        factors.up.times(&factors.down.transpose())
    }

    #[test]
    fn measures_are_those_of_the_whole_matrix() {
        let a = Factors { up: noise(30, 4, 1), down: noise(50, 4, 2) };
        let b = Factors { up: noise(30, 6, 3), down: noise(50, 6, 4) };
        let (whole_a, whole_b) = (full(&a), full(&b));
        assert!((a.square() / whole_a.square() - 1.0).abs() < 1e-12);
        let inner: f64 = whole_a.data.iter().zip(&whole_b.data).map(|(a, b)| a * b).sum();
        assert!((a.inner(&b) / inner - 1.0).abs() < 1e-12);
        assert_close(&full(&a.clone().plus(&b)), &full(&a).beside(&full(&b)).times(&stacked(50)), 1e-12);
        // A difference far below the size of both.
        let mut near = a.clone();
        near.up.data[0] += 1e-9;
        let distance = a.minus(&near).square().sqrt();
        let expected = 1e-9 * near.down.data.iter().step_by(1).take(50).map(|v| v * v).sum::<f64>().sqrt();
        assert!((distance / expected - 1.0).abs() < 1e-5, "{distance} {expected}");
    }

    #[test]
    fn more_directions_than_a_matrix_has_are_the_matrix() {
        for (rows, columns) in [(3, 5), (5, 3)] {
            let wide = Factors { up: noise(rows, 9, 1), down: noise(columns, 9, 2) };
            let narrow = wide.clone().narrow();
            assert_eq!(narrow.rank(), 3);
            assert_close(&full(&narrow), &full(&wide), 1e-12);
        }
    }

    /// (2n, n): adds two matrices that stand side by side.
    fn stacked(n: usize) -> Matrix {
        let mut both = Matrix::zeros(2 * n, n);
        (0..n).for_each(|i| {
            both.data[i * 2 * n + i] = 1.0;
            both.data[i * 2 * n + n + i] = 1.0;
        });
        both
    }

    #[test]
    fn a_cut_errs_by_the_values_left_out() {
        let factors = Factors { up: noise(40, 8, 5), down: noise(60, 8, 6) };
        let svd = factors.svd();
        for rank in [0, 1, 5, 8, 12] {
            let cut = Factors::cut(&svd, rank);
            assert_eq!(cut.rank(), rank.min(8));
            let error = factors.clone().minus(&cut).square();
            assert!((error - svd.rest(rank)).abs() < 1e-10, "{rank}: {error} {}", svd.rest(rank));
        }
        // More columns than rows on both sides.
        let wide = Factors { up: noise(3, 9, 7), down: noise(5, 9, 8) };
        assert_close(&full(&Factors::cut(&wide.svd(), 3)), &full(&wide), 1e-12);
    }
}
