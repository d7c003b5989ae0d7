//! LoHa: U = (w1a @ w1b) ∘ (w2a @ w2b), each factor with a Tucker core if the file has one.

use candle_core::{Result, Tensor};

use super::tensor::{check_product, check_target, check_tucker, matmul, tucker, tucker_columns};
use super::{Kind, Misfit, Parts, Read, Update};

#[derive(Debug)]
struct Loha {
    first: Factor,
    second: Factor,
    dim: usize,
}

#[derive(Debug)]
struct Factor {
    /// (rows, rank)
    a: Tensor,
    /// (rank, columns)
    b: Tensor,
    /// (rank, rank, height, width)
    core: Option<Tensor>,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    let first = Factor::read(parts, ["hada_w1_a", "hada_w1_b", "hada_t1"], target)?;
    let second = Factor::read(parts, ["hada_w2_a", "hada_w2_b", "hada_t2"], target)?;
    let dim = first.b.dim(0)?;
    Ok(Box::new(Loha { first, second, dim }))
}

impl Factor {
    fn read(
        parts: &Parts,
        [a_name, b_name, core_name]: [&str; 3],
        target: &[usize],
    ) -> std::result::Result<Self, Misfit> {
        let (mut a, b, core) = (parts.matrix(a_name)?, parts.matrix(b_name)?, parts.get(core_name).cloned());
        match &core {
            None => {
                check_product((a_name, &a), (b_name, &b))?;
                check_target(a.dim(0)?, b.dim(1)?, target)?;
            }
            Some(core) => {
                // With a core both factors are stored (rank, …).
                a = a.t()?.contiguous()?;
                check_tucker(core_name, core, &a, &b)?;
                check_target(a.dim(0)?, tucker_columns(core, &b)?, target)?;
            }
        }
        Ok(Factor { a, b, core })
    }

    fn product(&self) -> Result<Tensor> {
        match &self.core {
            None => matmul(&self.a, &self.b),
            Some(core) => tucker(core, &self.a, &self.b),
        }
    }
}

impl Update for Loha {
    fn kind(&self) -> Kind {
        Kind::Loha
    }

    fn dim(&self) -> Option<usize> {
        Some(self.dim)
    }

    fn update(&self, _base: &Tensor, ratio: f64) -> Result<Tensor> {
        (self.first.product()? * self.second.product()?)?.affine(ratio, 0.0)
    }
}
