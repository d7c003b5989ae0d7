//! GLoRA: U = b2 @ b1 + (W @ a2) @ a1, and since LyCORIS 3 the factors the other way round: U = b1 @ b2 + (W @ a1) @ a2, with
//! alpha as a scale. The extension scales a1 only, so half of U keeps ratio 1.

use candle_core::{Result, Tensor};

use super::tensor::{as_matrix, check_product, check_target, matmul, matrix_dims};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Glora {
    /// (columns, rank) and (rank, columns)
    on_base: [Tensor; 2],
    /// (rows, rank) and (rank, columns)
    added: [Tensor; 2],
    /// The rank, where alpha is a scale.
    dim: Option<usize>,
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
    let (rows, columns) = matrix_dims(target);
    if is_new([&a1, &a2, &b1, &b2], rows, columns)? {
        return Glora::fitting(
            [("a1.weight", a1), ("a2.weight", a2)],
            [("b1.weight", b1), ("b2.weight", b2)],
            target,
            true,
        );
    }
    Glora::fitting([("a2.weight", a2), ("a1.weight", a1)], [("b2.weight", b2), ("b1.weight", b1)], target, false)
}

/// Whether the shapes are those of LyCORIS 3. In a square weight the inner dimensions fit in both orders; the older one then
/// has an a2 as high as the weight.
fn is_new([a1, a2, b1, b2]: [&Tensor; 4], rows: usize, columns: usize) -> Result<bool> {
    let all = |ranks: [usize; 4]| ranks.iter().all(|rank| *rank == ranks[0]);
    let old = all([b2.dim(1)?, b1.dim(0)?, a1.dim(0)?, a2.dim(1)?]);
    let new = all([b2.dim(0)?, b1.dim(1)?, a1.dim(1)?, a2.dim(0)?]);
    Ok(new && !(old && rows == columns && a2.dim(0)? == rows))
}

impl Glora {
    fn fitting(on_base: [(&str, Tensor); 2], added: [(&str, Tensor); 2], target: &[usize], scaled: bool) -> Read {
        let [(_, left), (_, right)] = &added;
        let [(_, into), (_, out)] = &on_base;
        check_product((added[0].0, left), (added[1].0, right))?;
        check_product((on_base[0].0, into), (on_base[1].0, out))?;
        check_target(left.dim(0)?, right.dim(1)?, target)?;
        let (rows, columns) = matrix_dims(target);
        if (into.dim(0)?, out.dim(1)?) != (columns, columns) {
            return Err(Misfit::Target { rows, columns: into.dim(0)? });
        }
        let dim = if scaled { Some(out.dim(0)?) } else { None };
        Ok(Box::new(Glora { on_base: on_base.map(|(_, t)| t), added: added.map(|(_, t)| t), dim }))
    }
}

impl Update for Glora {
    fn kind(&self) -> Kind {
        Kind::Glora
    }

    fn dim(&self) -> Option<usize> {
        self.dim
    }

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let [into, out] = &self.on_base;
        let on_base = matmul(&matmul(&as_matrix(base)?, into)?, out)?;
        matmul(&self.added[0], &self.added[1])? + on_base.affine(ratio, 0.0)?
    }

    fn is_linear(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    /// The same update, written in both orders, on a square and on an oblong weight.
    #[test]
    fn both_orders_of_factors_are_one_update() {
        for (rows, columns) in [(6, 6), (4, 6)] {
            let random = |r, c| Tensor::randn(0f32, 1.0, (r, c), &Device::Cpu).unwrap();
            let [into, left] = [columns, rows].map(|n| random(n, 2));
            let [out, right] = [columns, columns].map(|n| random(2, n));
            let base = random(rows, columns);
            let expected =
                ((base.matmul(&into).unwrap().matmul(&out).unwrap()) + left.matmul(&right).unwrap()).unwrap();
            let update = |names: [&str; 4]| {
                let tensors = [&into, &out, &left, &right];
                let parts = names.into_iter().zip(tensors).map(|(name, t)| (format!("{name}.weight"), t.clone()));
                let alpha = ("alpha".to_owned(), Tensor::new(1f32, &Device::Cpu).unwrap());
                let parts = parts.chain([alpha]).collect();
                let read = read(&parts, &[rows, columns]).unwrap();
                (read.dim(), read.update(&base, 1.0).unwrap())
            };
            for (names, dim) in [(["a1", "a2", "b1", "b2"], Some(2)), (["a2", "a1", "b2", "b1"], None)] {
                let (found, update) = update(names);
                let off = (update - &expected).unwrap().abs().unwrap().max_all().unwrap();
                assert!(off.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap() < 1e-5);
                assert_eq!(found, dim, "{names:?}");
            }
        }
    }
}
