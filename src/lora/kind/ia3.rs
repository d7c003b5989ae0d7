//! (IA)³: U = W with its rows, or its input columns, multiplied by a vector.

use candle_core::{Result, Tensor};

use super::tensor::{f32, product};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Ia3 {
    /// One number per row, or per input column.
    vector: Tensor,
    on_input: bool,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    let Some(on_input) = parts.scalar("on_input")? else {
        return Err(Misfit::Pair(say!("`on_input` is missing", "`on_input` がありません")));
    };
    let on_input = on_input != 0.0;
    let vector = parts.matrix("weight")?.flatten_all()?;
    let len = vector.dim(0)?;
    let [rows, columns, kernel @ ..] = target else {
        return Err(Misfit::Layer(say!(
            "IA3 works on linear and convolution layers",
            "IA3 が使えるのは線形層と畳み込み層です"
        )));
    };
    match on_input {
        true if len != *columns => Err(Misfit::Target { rows: *rows, columns: len * product(kernel) }),
        false if len != *rows => Err(Misfit::Target { rows: len, columns: product(&target[1..]) }),
        _ => Ok(Box::new(Ia3 { vector, on_input })),
    }
}

impl Update for Ia3 {
    fn kind(&self) -> Kind {
        Kind::Ia3
    }

    fn dim(&self) -> Option<usize> {
        None
    }

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let mut shape = vec![1; base.rank()];
        shape[usize::from(self.on_input)] = self.vector.dim(0)?;
        base.broadcast_mul(&f32(&self.vector)?.affine(ratio, 0.0)?.reshape(shape)?)
    }
}
