//! Full: the difference of the weights themselves.

use candle_core::{Result, Tensor};

use super::tensor::{check_target, f32, matrix_dims};
use super::{Kind, Parts, Read, Update};

#[derive(Debug)]
pub(super) struct Difference {
    kind: Kind,
    /// `None` where the file changes the bias alone.
    weight: Option<Tensor>,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    Difference::read(Kind::Full, "diff", parts, target)
}

impl Difference {
    pub(super) fn read(kind: Kind, part: &str, parts: &Parts, target: &[usize]) -> Read {
        let weight = parts.get(part).cloned();
        if let Some(weight) = &weight {
            let (rows, columns) = matrix_dims(weight.dims());
            check_target(rows, columns, target)?;
        }
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

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        match &self.weight {
            Some(weight) => f32(weight)?.affine(ratio, 0.0),
            None => base.zeros_like(),
        }
    }
}
