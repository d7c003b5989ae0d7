//! Full: the difference of the weights themselves.

use candle_core::{Result, Tensor};

use super::tensor::{check_target, f32, matrix_dims};
use super::{Kind, Parts, Read, Update};

#[derive(Debug)]
pub(super) struct Difference {
    kind: Kind,
    weight: Tensor,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    Difference::read(Kind::Full, "diff", parts, target)
}

impl Difference {
    pub(super) fn read(kind: Kind, part: &str, parts: &Parts, target: &[usize]) -> Read {
        let weight = parts.need(part)?.clone();
        let (rows, columns) = matrix_dims(weight.dims());
        check_target(rows, columns, target)?;
        Ok(Box::new(Difference { kind, weight }))
    }
}

impl Update for Difference {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn dim(&self) -> Option<usize> {
        None
    }

    fn update(&self, _base: &Tensor, ratio: f64) -> Result<Tensor> {
        f32(&self.weight)?.affine(ratio, 0.0)
    }
}
