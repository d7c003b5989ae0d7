//! Real-ESRGAN's compact network, SRVGGNetCompact: convolutions with parametric ReLUs at the size of the picture, whose last
//! outputs are the pixels of the large one.

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::conv::{Conv, Source};
use super::{layout, shuffled};
use crate::model::ops::Operators;

pub(super) struct Compact {
    operators: Arc<dyn Operators>,
    convolutions: Vec<Conv>,
    last: Conv,
    scale: usize,
}

impl Compact {
    pub fn new(source: &mut Source, structure: &layout::Compact) -> Result<Self> {
        let layout::Compact { width, convolutions, scale } = *structure;
        let conv = |i: usize| {
            let (name, relu) = (format!("body.{}", 2 * i), format!("body.{}", 2 * i + 1));
            Conv::parametric(source, &name, &relu, if i == 0 { 3 } else { width }, width)
        };
        let convolutions: Vec<Conv> = (0..convolutions).map(conv).collect::<Result<_>>()?;
        let last = Conv::new(source, &format!("body.{}", 2 * convolutions.len()), width, 3 * scale * scale)?;
        Ok(Compact { operators: source.operators().clone(), convolutions, last, scale })
    }

    /// (1, h, w, 3) → (1, h·scale, w·scale, 3)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, height, width, _) = x.dims4()?;
        let mut y = x.clone();
        for conv in &self.convolutions {
            y = conv.forward(&y)?;
        }
        let detail = shuffled(&self.last.forward(&y)?, self.scale)?;
        detail + self.operators.resize_nearest(x, height * self.scale, width * self.scale)?
    }
}
