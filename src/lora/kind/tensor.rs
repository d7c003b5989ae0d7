//! Small tensor algebra that several kinds share. Weights are seen as matrices: (first dimension, all others).

use candle_core::{DType, Result, Tensor};

use super::Misfit;
use crate::say;

/// Elements of a tensor of this shape. (Saturating: an empty tensor in a hostile file may have dimensions of any size.)
pub(in crate::lora) fn product(shape: &[usize]) -> usize {
    shape.iter().fold(1, |n, dim| n.saturating_mul(*dim))
}

/// Length of Python's `[:n]` of `len` items: negative `n` counts from the end.
pub(in crate::lora) fn slice_len(len: usize, n: i64) -> usize {
    let len = len as i64;
    (if n < 0 { (len + n).max(0) } else { n.min(len) }) as usize
}

/// (rows, columns) of a weight.
pub(super) fn matrix_dims(shape: &[usize]) -> (usize, usize) {
    (shape.first().copied().unwrap_or(1), product(shape.get(1..).unwrap_or(&[])))
}

pub(super) fn as_matrix(tensor: &Tensor) -> Result<Tensor> {
    tensor.reshape(matrix_dims(tensor.dims()))
}

pub(super) fn f32(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(DType::F32)
}

/// `a @ b` in f32, zeros where the inner dimension is empty.
pub(super) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dim(1)? == 0 {
        return Tensor::zeros((a.dim(0)?, b.dim(1)?), DType::F32, a.device());
    }
    f32(a)?.matmul(&f32(b)?)
}

/// The CP/Tucker product with `core` (i, j, k, l), `out` (o, i) and `input` (j, n):
/// `[o, n, k, l] = Σᵢⱼ core[i, j, k, l] · out[o, i] · input[j, n]`, as a matrix (o, n·k·l).
pub(super) fn tucker(core: &Tensor, out: &Tensor, input: &Tensor) -> Result<Tensor> {
    let (i, j, k, l) = core.dims4()?;
    let (o, n, kernel) = (out.dim(0)?, input.dim(1)?, k * l);
    let core = f32(core)?.reshape((i, j, kernel))?.transpose(1, 2)?.contiguous()?.reshape((i * kernel, j))?;
    let inner = matmul(&core, input)?.reshape((i, kernel * n))?;
    matmul(out, &inner)?.reshape((o, kernel, n))?.transpose(1, 2)?.contiguous()?.reshape((o, n * kernel))
}

/// Checks that a product of `a` and `b` exists: the columns of `a` are the rows of `b`.
pub(super) fn check_product(a: (&str, &Tensor), b: (&str, &Tensor)) -> std::result::Result<(), Misfit> {
    let ((a_name, a), (b_name, b)) = (a, b);
    if a.dim(1)? == b.dim(0)? {
        return Ok(());
    }
    let (a, b) = (a.dims(), b.dims());
    Err(Misfit::Pair(say!(
        "`{a_name}` is {a:?} and `{b_name}` {b:?}: their ranks differ",
        "`{a_name}` は {a:?}、`{b_name}` は {b:?} で、rank が合いません"
    )))
}

/// Checks that `core` is (i, j, k, l) for `out` (o, i) and `input` (j, n).
pub(super) fn check_tucker(name: &str, core: &Tensor, out: &Tensor, input: &Tensor) -> std::result::Result<(), Misfit> {
    let (shape, rows, columns) = (core.dims(), out.dim(1)?, input.dim(0)?);
    match *shape {
        [i, j, _, _] if i == rows && j == columns => Ok(()),
        _ => Err(Misfit::Pair(say!(
            "`{name}` is {shape:?} and should be [{rows}, {columns}, height, width]",
            "`{name}` は [{rows}, {columns}, height, width] のはずが {shape:?} です"
        ))),
    }
}

/// Columns of a [`tucker`] product.
pub(super) fn tucker_columns(core: &Tensor, input: &Tensor) -> Result<usize> {
    Ok(product(&[input.dim(1)?, core.dim(2)?, core.dim(3)?]))
}

/// Checks that an update of (rows, columns) fits a weight of shape `target`.
pub(super) fn check_target(rows: usize, columns: usize, target: &[usize]) -> std::result::Result<(), Misfit> {
    if (rows, columns) == matrix_dims(target) { Ok(()) } else { Err(Misfit::Target { rows, columns }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_pythons() {
        assert_eq!([3, 9, 0, -1, -9].map(|n| slice_len(4, n)), [3, 4, 0, 3, 0]);
    }
}
