//! OFT: W' = R W with R block-diagonal orthogonal, U = W' − W. Three forms of files: kohya's and LyCORIS's `oft_blocks`
//! (R by the Cayley transform, kohya's with a norm constraint), LyCORIS's older `oft_diag` (R itself); four-dimensional
//! `oft_blocks` are [BOFT](super::boft).

use std::sync::OnceLock;

use candle_core::{Device, Result, Tensor};

use super::boft::Boft;
use super::tensor::{as_matrix, f32, matrix_dims};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Oft {
    rotation: Rotation,
    rescale: Option<Tensor>,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    let (rows, columns) = matrix_dims(target);
    let is_rotation = !parts.has(&["oft_blocks"]);
    let part = if is_rotation { "oft_diag" } else { "oft_blocks" };
    let blocks = parts.need(part)?.clone();
    let stages = blocks.rank() == 4 && !is_rotation;
    let [.., count, size, width] = *blocks.dims() else {
        let shape = blocks.dims();
        return Err(Misfit::Pair(say!(
            "`{part}` is {shape:?} and should be [blocks, size, size]",
            "`{part}` は [blocks, size, size] のはずが {shape:?} です"
        )));
    };
    if size != width || !(stages || blocks.rank() == 3) {
        let shape = blocks.dims();
        return Err(Misfit::Pair(say!(
            "`{part}` is {shape:?} and should hold square blocks",
            "`{part}` は正方形のブロックのはずが {shape:?} です"
        )));
    }
    if count.checked_mul(size) != Some(rows) {
        return Err(Misfit::Target { rows: count.saturating_mul(size), columns });
    }
    let rescale = parts.get("rescale").map(|t| t.flatten_all()).transpose()?;
    if let Some(rescale) = rescale.as_ref().filter(|t| t.elem_count() != rows) {
        let count = rescale.elem_count();
        return Err(Misfit::Pair(say!(
            "`rescale` has {count} numbers for {rows} rows",
            "`rescale` の数は {rows} 行に対して {count} 個です"
        )));
    }
    let constraint = if is_rotation { 0.0 } else { parts.finite_scalar("alpha")?.unwrap_or(0.0) * rows as f64 };
    let rotation = Rotation { blocks, is_rotation, constraint, matrix: OnceLock::new() };
    if stages {
        return Ok(Box::new(Boft::new(rotation, rescale, rows)?));
    }
    Ok(Box::new(Oft { rotation, rescale }))
}

impl Update for Oft {
    fn kind(&self) -> Kind {
        Kind::Oft
    }

    /// `alpha` is the constraint here, never a scale.
    fn dim(&self) -> Option<usize> {
        None
    }

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let r = self.rotation.matrix()?;
        let base = as_matrix(base)?;
        let (rows, columns) = base.dims2()?;
        let (count, size, _) = r.dims3()?;
        // W'[k, m, …] = Σₙ R[k, n, m] W[k, n, …]
        let rotated = r.transpose(1, 2)?.contiguous()?.matmul(&base.reshape((count, size, columns))?)?;
        difference(&rotated.reshape((rows, columns))?, &base, self.rescale.as_ref(), ratio)
    }
}

/// ratio · (rescale · rotated − base)
pub(super) fn difference(rotated: &Tensor, base: &Tensor, rescale: Option<&Tensor>, ratio: f64) -> Result<Tensor> {
    let rescaled = match rescale {
        Some(rescale) => rotated.broadcast_mul(&f32(rescale)?.reshape((base.dim(0)?, 1))?)?,
        None => rotated.clone(),
    };
    (rescaled - base)?.affine(ratio, 0.0)
}

/// The orthogonal blocks of an OFT or BOFT module, computed when first asked for.
#[derive(Debug)]
pub(super) struct Rotation {
    /// (…, size, size): R, or B with Q = B − Bᵀ.
    pub blocks: Tensor,
    is_rotation: bool,
    /// Largest Frobenius norm of Q over all blocks; 0 is none.
    constraint: f64,
    matrix: OnceLock<Tensor>,
}

impl Rotation {
    /// R = (I + Q)(I − Q)⁻¹ of every block, f32, of the shape of `blocks`.
    pub(super) fn matrix(&self) -> Result<&Tensor> {
        if let Some(matrix) = self.matrix.get() {
            return Ok(matrix);
        }
        let matrix = if self.is_rotation { f32(&self.blocks)? } else { self.cayley()? };
        Ok(self.matrix.get_or_init(|| matrix))
    }

    fn cayley(&self) -> Result<Tensor> {
        let blocks = f32(&self.blocks)?;
        let q = (&blocks - blocks.transpose(blocks.rank() - 2, blocks.rank() - 1)?)?;
        let mut q: Vec<f64> = q.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect();
        if self.constraint != 0.0 {
            let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt();
            let factor = (norm.min(self.constraint) + 1e-8) / (norm + 1e-8);
            q.iter_mut().for_each(|v| *v *= factor);
        }
        let size = blocks.dim(blocks.rank() - 1)?;
        let mut rotations = Vec::with_capacity(q.len());
        for q in q.chunks_exact((size * size).max(1)) {
            rotations.extend(cayley(q, size).into_iter().map(|v| v as f32));
        }
        Tensor::from_vec(rotations, blocks.shape(), &Device::Cpu)
    }
}

/// (I + Q)(I − Q)⁻¹ of a skew-symmetric Q, row-major.
///
/// As the two factors commute this is the X of (I − Q) X = I + Q. I − Q has singular values ≥ 1, so Gauss-Jordan with
/// row pivoting always succeeds.
fn cayley(q: &[f64], size: usize) -> Vec<f64> {
    let eye = |i: usize| if i / size == i % size { 1.0 } else { 0.0 };
    let mut a: Vec<f64> = q.iter().enumerate().map(|(i, q)| eye(i) - q).collect();
    let mut x: Vec<f64> = q.iter().enumerate().map(|(i, q)| eye(i) + q).collect();
    for column in 0..size {
        let size_of = |row: &usize| a[row * size + column].abs();
        let pivot = (column..size).max_by(|l, r| size_of(l).total_cmp(&size_of(r))).unwrap_or(column);
        for matrix in [&mut a, &mut x] {
            for j in 0..size {
                matrix.swap(column * size + j, pivot * size + j);
            }
        }
        let scale = 1.0 / a[column * size + column];
        for matrix in [&mut a, &mut x] {
            matrix[column * size..][..size].iter_mut().for_each(|v| *v *= scale);
        }
        let (pivot_a, pivot_x) = (a[column * size..][..size].to_vec(), x[column * size..][..size].to_vec());
        for row in (0..size).filter(|row| *row != column) {
            let factor = a[row * size + column];
            if factor == 0.0 {
                continue;
            }
            for (matrix, pivot) in [(&mut a, &pivot_a), (&mut x, &pivot_x)] {
                matrix[row * size..][..size].iter_mut().zip(pivot).for_each(|(v, p)| *v -= factor * p);
            }
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cayley_transform_of_a_plane() {
        // Q = [[0, t], [-t, 0]] turns by 2·atan(t).
        let t: f64 = 0.5;
        let r = cayley(&[0.0, t, -t, 0.0], 2);
        let (c, s) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        for (value, expected) in r.iter().zip([c, s, -s, c]) {
            assert!((value - expected).abs() < 1e-15, "{r:?}");
        }
    }
}
