//! A low-rank approximation of a whole matrix, by the randomised method of Halko, Martinsson and Tropp: the matrix is asked
//! what it makes of random vectors, a few times over, and only that space is decomposed.

use candle_core::{Device, Result, Tensor};

use super::factors::Factors;
use super::matrix::Matrix;

/// Vectors beyond the rank asked for.
const OVERSAMPLING: usize = 16;
/// How often the space goes through the matrix and back, which brings the greatest values out.
const POWERS: usize = 3;

/// Two factors that hold the greatest `rank` singular values of `matrix` (rows, columns), and some more. Where rank and
/// oversampling reach the smaller side they hold all.
pub(super) fn sketch(matrix: &Tensor, rank: usize) -> Result<Factors> {
    let (rows, columns) = matrix.dims2()?;
    let width = rank.saturating_add(OVERSAMPLING).min(rows).min(columns);
    let transpose = matrix.t()?.contiguous()?;
    let orthonormal = |product: Tensor| -> Result<Matrix> { Ok(Matrix::of(&product)?.qr().0) };
    let mut q = orthonormal(matrix.matmul(&signs(columns, width)?)?)?;
    for _ in 0..POWERS {
        let back = orthonormal(transpose.matmul(&q.to_tensor()?)?)?;
        q = orthonormal(matrix.matmul(&back.to_tensor()?)?)?;
    }
    let down = Matrix::of(&transpose.matmul(&q.to_tensor()?)?)?;
    Ok(Factors { up: q, down })
}

/// (rows, columns) of ±1 without a pattern, the same every time.
fn signs(rows: usize, columns: usize) -> Result<Tensor> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let values: Vec<f32> = (0..rows * columns)
        .map(|_| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            if state >> 63 == 0 { 1.0 } else { -1.0 }
        })
        .collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::super::matrix::tests::noise;
    use super::*;

    #[test]
    fn it_finds_what_the_whole_decomposition_finds() {
        // Values that fall slowly: σ = 1, 1/2, 1/3, …
        let (u, v) = (noise(90, 60, 1).qr().0, noise(120, 60, 2).qr().0);
        let mut exact = Factors { up: u, down: v };
        for at in 0..60 {
            exact.up.column_mut(at).iter_mut().for_each(|x| *x /= (at + 1) as f64);
        }
        let matrix = exact.product().unwrap();
        let found = sketch(&matrix, 8).unwrap().svd();
        for (at, value) in found.values.iter().take(8).enumerate() {
            assert!((value * (at + 1) as f64 - 1.0).abs() < 1e-4, "{at}: {value}");
        }
        let error = exact.clone().minus(&Factors::cut(&found, 8)).square();
        let best: f64 = (9..=60).map(|n| 1.0 / (n * n) as f64).sum();
        assert!(error < best * 1.001, "{error} {best}");
        // With all directions nothing is missing.
        let all = sketch(&matrix, 90).unwrap();
        assert!(exact.minus(&all).square() < 1e-9);
    }
}
