//! LoKr: U = w1 ⊗ w2 (Kronecker), each whole or as a product of two, w2 also with a Tucker core.

use candle_core::{Result, Tensor};

use super::tensor::{check_product, check_target, check_tucker, f32, matmul, tucker, tucker_columns};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Lokr {
    w1: Factor,
    w2: Factor,
    dim: Option<usize>,
}

#[derive(Debug)]
enum Factor {
    Whole(Tensor),
    Product(Tensor, Tensor),
    Tucker { core: Tensor, a: Tensor, b: Tensor },
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    let w1 = Factor::read(parts, ["lokr_w1", "lokr_w1_a", "lokr_w1_b"], None)?;
    let w2 = Factor::read(parts, ["lokr_w2", "lokr_w2_a", "lokr_w2_b"], Some("lokr_t2"))?;
    let ((rows1, columns1), (rows2, columns2)) = (w1.dims()?, w2.dims()?);
    match (rows1.checked_mul(rows2), columns1.checked_mul(columns2)) {
        (Some(rows), Some(columns)) => check_target(rows, columns, target)?,
        _ => return Err(Misfit::Pair(say!("the Kronecker product is too large", "クロネッカー積が大きすぎます"))),
    }
    let dim = parts.rank(Kind::Lokr);
    Ok(Box::new(Lokr { w1, w2, dim }))
}

impl Factor {
    fn read(parts: &Parts, [whole, a, b]: [&str; 3], core: Option<&str>) -> std::result::Result<Self, Misfit> {
        if parts.has(&[whole]) {
            return Ok(Factor::Whole(parts.matrix(whole)?));
        }
        let (a_tensor, b_tensor) = (parts.matrix(a)?, parts.matrix(b)?);
        if let Some((name, core)) = core.and_then(|name| Some((name, parts.get(name)?))) {
            // With a core both factors are stored (rank, …).
            let a = a_tensor.t()?.contiguous()?;
            check_tucker(name, core, &a, &b_tensor)?;
            return Ok(Factor::Tucker { core: core.clone(), a, b: b_tensor });
        }
        check_product((a, &a_tensor), (b, &b_tensor))?;
        Ok(Factor::Product(a_tensor, b_tensor))
    }

    /// (rows, columns), the kernel counted with the columns.
    fn dims(&self) -> Result<(usize, usize)> {
        match self {
            Factor::Whole(w) => w.dims2(),
            Factor::Product(a, b) => Ok((a.dim(0)?, b.dim(1)?)),
            Factor::Tucker { core, a, b } => Ok((a.dim(0)?, tucker_columns(core, b)?)),
        }
    }

    fn matrix(&self) -> Result<Tensor> {
        match self {
            Factor::Whole(w) => f32(w),
            Factor::Product(a, b) => matmul(a, b),
            Factor::Tucker { core, a, b } => tucker(core, a, b),
        }
    }
}

impl Update for Lokr {
    fn kind(&self) -> Kind {
        Kind::Lokr
    }

    fn dim(&self) -> Option<usize> {
        self.dim
    }

    /// `w2`'s kernel needs no dimensions of its own: w1 ⊗ w2 over (in, kernel) is w1 ⊗ (w2 with both flattened).
    fn update(&self, _base: &Tensor, ratio: f64) -> Result<Tensor> {
        let (w1, w2) = (self.w1.matrix()?, self.w2.matrix()?);
        let ((rows1, columns1), (rows2, columns2)) = (w1.dims2()?, w2.dims2()?);
        let w1 = w1.affine(ratio, 0.0)?.reshape((rows1, 1, columns1, 1))?;
        w1.broadcast_mul(&w2.reshape((1, rows2, 1, columns2))?)?.reshape((rows1 * rows2, columns1 * columns2))
    }

    /// The extension multiplies `w1`, which is absent when the file stores it as a product.
    fn breaks_extension(&self) -> bool {
        !matches!(self.w1, Factor::Whole(_))
    }
}
