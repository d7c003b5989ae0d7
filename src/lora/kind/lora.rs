//! LoRA and LoCon: U = up @ down, or with a mid tensor (CP decomposition) mid contracted with both.

use candle_core::{Result, Tensor};

use super::tensor::{check_product, check_target, check_tucker, matmul, slice_len, tucker, tucker_columns};
use super::{Kind, Misfit, Parts, Read, Update};
use crate::say;

#[derive(Debug)]
struct Lora {
    /// (rows, rank)
    up: Tensor,
    /// (rank, columns)
    down: Tensor,
    /// (rank, rank, height, width)
    mid: Option<Tensor>,
    kind: Kind,
    /// Rank in the file, whatever `up` and `down` were cut to.
    dim: usize,
}

pub(super) fn read(parts: &Parts, target: &[usize]) -> Read {
    if !matches!(target.len(), 2 | 4) {
        return Err(Misfit::Layer(say!(
            "LoRA works on linear and convolution layers",
            "LoRA が使えるのは線形層と畳み込み層です"
        )));
    }
    let (up, down) = (parts.matrix("lora_up.weight")?, parts.matrix("lora_down.weight")?);
    let mid = parts.get("lora_mid.weight").cloned();
    let columns = match &mid {
        None => {
            check_product(("lora_up.weight", &up), ("lora_down.weight", &down))?;
            down.dim(1)?
        }
        Some(mid) => {
            check_tucker("lora_mid.weight", mid, &up, &down)?;
            tucker_columns(mid, &down)?
        }
    };
    check_target(up.dim(0)?, columns, target)?;
    let kind = if target.len() == 4 { Kind::Locon } else { Kind::Lora };
    let dim = down.dim(0)?;
    Ok(Box::new(Lora { up, down, mid, kind, dim }))
}

impl Update for Lora {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn dim(&self) -> Option<usize> {
        Some(self.dim)
    }

    fn update(&self, _base: &Tensor, ratio: f64) -> Result<Tensor> {
        let update = match &self.mid {
            None => matmul(&self.up, &self.down)?,
            Some(mid) => tucker(mid, &self.up, &self.down)?,
        };
        update.affine(ratio, 0.0)
    }

    fn factors(&self) -> Option<(&Tensor, &Tensor)> {
        self.mid.is_none().then_some((&self.up, &self.down))
    }

    fn cut(&self, dim: i64) -> Result<Option<Box<dyn Update>>> {
        if self.mid.is_some() {
            return Ok(None);
        }
        let up = self.up.narrow(1, 0, slice_len(self.up.dim(1)?, dim))?.contiguous()?;
        let down = self.down.narrow(0, 0, slice_len(self.down.dim(0)?, dim))?.contiguous()?;
        Ok(Some(Box::new(Lora { up, down, mid: None, kind: self.kind, dim: self.dim })))
    }
}
