//! GLoRA: U = b2 @ b1 + (W @ a2) @ a1. The extension scales a1 only, so half of U keeps ratio 1.

use candle_core::{Result, Tensor};

use super::tensor::{as_matrix, check_product, check_target, matmul, matrix_dims};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Glora {
    a1: Tensor,
    a2: Tensor,
    b1: Tensor,
    b2: Tensor,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    if target.len() < 2 || target[2..].iter().any(|kernel| *kernel != 1) {
        return Err(Misfit::Layer(say!(
            "GLoRA works on linear layers and 1×1 convolutions",
            "GLoRA が使えるのは線形層と 1×1 の畳み込み層です"
        )));
    }
    let [a1, a2, b1, b2] = ["a1.weight", "a2.weight", "b1.weight", "b2.weight"].map(|part| parts.matrix(part));
    let (a1, a2, b1, b2) = (a1?, a2?, b1?, b2?);
    check_product(("b2.weight", &b2), ("b1.weight", &b1))?;
    check_product(("a2.weight", &a2), ("a1.weight", &a1))?;
    check_target(b2.dim(0)?, b1.dim(1)?, target)?;
    let (rows, columns) = matrix_dims(target);
    if (a2.dim(0)?, a1.dim(1)?) != (columns, columns) {
        return Err(Misfit::Target { rows, columns: a2.dim(0)? });
    }
    Ok(Box::new(Glora { a1, a2, b1, b2 }))
}

impl Update for Glora {
    fn kind(&self) -> Kind {
        Kind::Glora
    }

    fn dim(&self) -> Option<usize> {
        None
    }

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let on_base = matmul(&matmul(&as_matrix(base)?, &self.a2)?, &self.a1)?;
        matmul(&self.b2, &self.b1)? + on_base.affine(ratio, 0.0)?
    }

    fn is_linear(&self) -> bool {
        false
    }
}
