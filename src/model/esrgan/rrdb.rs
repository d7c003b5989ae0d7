//! ESRGAN's RRDBNet: residual blocks of three dense units each, and convolutions over the doubled image (X. Wang et al.,
//! ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, 2018).

use candle_core::{Result, Tensor};

use super::conv::{Conv, Source};
use super::layout::{self, Names};
use crate::model::ops::Weight;
use crate::model::ops::cpu::DenseImage;

/// Convolutions of a dense unit.
const CONVOLUTIONS: usize = 5;
/// Dense units of a block.
const UNITS: usize = 3;
/// What a dense unit, and a block, adds to its input, as a share.
const SHARE: f64 = 0.2;
/// How far a pixel of the result reaches, in pixels before the doublings: half a pixel for the first doubling, a quarter for the
/// second, …, and one of the largest image for each of the last two convolutions; without doublings 2.
const REACH: usize = 2;
/// Values of the largest image that are computed at a time.
const STRIP: usize = 1 << 24;

pub(super) struct Rrdb {
    /// Channels that a dense unit's convolutions add, each.
    growth: usize,
    first: Conv,
    blocks: Vec<[Unit; UNITS]>,
    trunk: Conv,
    doublings: Vec<Conv>,
    fine: Conv,
    last: Conv,
}

/// A dense unit: each convolution sees what all before it made.
type Unit = [Conv; CONVOLUTIONS];

impl Rrdb {
    pub fn new(source: &mut Source, structure: &layout::Rrdb) -> Result<Self> {
        let layout::Rrdb { architecture, inputs, outputs, width, growth, blocks, doublings } = *structure;
        let names = Names { architecture, blocks, doublings };
        let unit = |source: &mut Source, block: usize, unit: usize| -> Result<Unit> {
            let conv = |k: usize, outputs: usize| (names.dense(block, unit, k), width + k * growth, outputs);
            let last = conv(CONVOLUTIONS - 1, width);
            let leaky: Vec<_> = (0..CONVOLUTIONS - 1).map(|k| conv(k, growth)).collect();
            let mut unit = Vec::with_capacity(CONVOLUTIONS);
            for (name, inputs, outputs) in &leaky {
                unit.push(Conv::leaky(source, name, *inputs, *outputs)?);
            }
            unit.push(Conv::new(source, &last.0, last.1, last.2)?);
            array(unit)
        };
        let block =
            |source: &mut Source, b: usize| array((0..UNITS).map(|u| unit(source, b, u)).collect::<Result<_>>()?);
        Ok(Rrdb {
            growth,
            first: Conv::new(source, &names.first(), inputs, width)?,
            blocks: (0..blocks).map(|b| block(source, b)).collect::<Result<_>>()?,
            trunk: Conv::new(source, &names.trunk(), width, width)?,
            doublings: (0..doublings)
                .map(|n| Conv::leaky(source, &names.doubling(n), width, width))
                .collect::<Result<_>>()?,
            fine: Conv::leaky(source, &names.fine(), width, width)?,
            last: Conv::new(source, &names.last(), width, outputs)?,
        })
    }

    /// (1, h, w, inputs) → (1, h·2ⁿ, w·2ⁿ, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let features = self.first.forward(x)?;
        let body = self.body(&features)?;
        let features = self.trunk.forward_onto(&features, &body)?;
        drop(body);
        let (_, _, width, channels) = features.dims4()?;
        let line = (width * channels) << (2 * self.doublings.len());
        self.enlarged(&features, (STRIP / line.max(1)).max(2 * REACH))
    }

    fn body(&self, features: &Tensor) -> Result<Tensor> {
        match self.trunk.weight() {
            Weight::Panels(_) => self.body_in_place(features),
            Weight::Tensor(_) => self.plain_body(features),
        }
    }

    /// With our kernels: all that a dense unit makes lies in one image.
    fn body_in_place(&self, features: &Tensor) -> Result<Tensor> {
        let (_, height, width, channels) = features.dims4()?;
        let mut x = features.clone();
        let mut image = DenseImage::new(height, width, channels + (CONVOLUTIONS - 1) * self.growth)?;
        image.set(&x)?;
        for block in &self.blocks {
            for [leaky @ .., last] in block {
                for conv in leaky {
                    image.grow(conv.weight(), conv.epilogue())?;
                }
                image.fold(last.weight(), last.epilogue(), SHARE as f32)?;
            }
            x = image.blend(&x, SHARE as f32)?;
        }
        Ok(x)
    }

    /// With any operators.
    fn plain_body(&self, features: &Tensor) -> Result<Tensor> {
        let mut x = features.clone();
        for block in &self.blocks {
            let mut y = x.clone();
            for unit in block {
                y = dense(unit, &y)?;
            }
            x = (x + (y * SHARE)?)?;
        }
        Ok(x)
    }

    /// All that follows the blocks, in strips of `rows` rows: the large images are never there as a whole.
    fn enlarged(&self, features: &Tensor, rows: usize) -> Result<Tensor> {
        let height = features.dim(1)?;
        let scale = 1 << self.doublings.len();
        let strip = |first: usize| {
            let end = height.min(first + rows);
            let (from, to) = (first.saturating_sub(REACH), height.min(end + REACH));
            let mut y = features.narrow(1, from, to - from)?;
            for doubling in &self.doublings {
                y = doubling.doubling(&y)?;
            }
            let y = self.last.forward(&self.fine.forward(&y)?)?;
            y.narrow(1, (first - from) * scale, (end - first) * scale)
        };
        let strips: Vec<Tensor> = (0..height).step_by(rows).map(strip).collect::<Result<_>>()?;
        Tensor::cat(&strips, 1)
    }
}

/// x + 0.2·(the last of five convolutions, each of which sees x and what those before it made)
fn dense(unit: &Unit, x: &Tensor) -> Result<Tensor> {
    let [leaky @ .., last] = unit;
    let mut seen = x.clone();
    for conv in leaky {
        seen = Tensor::cat(&[&seen, &conv.forward(&seen)?], 3)?;
    }
    x + (last.forward(&seen)? * SHARE)?
}

fn array<T, const N: usize>(values: Vec<T>) -> Result<[T; N]> {
    values.try_into().map_err(|v: Vec<T>| candle_core::Error::Msg(format!("{} parts where {N} are needed", v.len())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use candle_core::Device;

    use super::super::layout::Architecture;
    use super::*;
    use crate::model::ops::Cpu;

    const STRUCTURE: layout::Rrdb = layout::Rrdb {
        architecture: Architecture::RealEsrgan,
        inputs: 3,
        outputs: 3,
        width: 32,
        growth: 16,
        blocks: 2,
        doublings: 2,
    };

    fn noise(shape: &[usize]) -> Tensor {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 5045.0 - 0.1;
        Tensor::from_vec((0..shape.iter().product()).map(value).collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap()
    }

    /// A network of wide enough layers for all kernels.
    fn network() -> Rrdb {
        let names = Names { architecture: STRUCTURE.architecture, blocks: STRUCTURE.blocks, doublings: 2 };
        let mut tensors = BTreeMap::new();
        let mut conv = |name: String, inputs: usize, outputs: usize| {
            tensors.insert(format!("{name}.weight"), noise(&[outputs, inputs, 3, 3]));
            tensors.insert(format!("{name}.bias"), noise(&[outputs]));
        };
        conv(names.first(), 3, 32);
        for (block, unit) in (0..2).flat_map(|block| (0..UNITS).map(move |unit| (block, unit))) {
            (0..4).for_each(|k| conv(names.dense(block, unit, k), 32 + 16 * k, 16));
            conv(names.dense(block, unit, 4), 96, 32);
        }
        [names.trunk(), names.doubling(0), names.doubling(1), names.fine()].into_iter().for_each(|n| conv(n, 32, 32));
        conv(names.last(), 32, 3);
        let mut source = Source::new(tensors, Arc::new(Cpu::best()));
        let network = Rrdb::new(&mut source, &STRUCTURE).unwrap();
        assert_eq!(source.problems(), [""; 0]);
        network
    }

    fn difference(a: &Tensor, b: &Tensor) -> f32 {
        let largest = |t: &Tensor| t.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest(b) > 0.01, "a comparison with nothing");
        largest(&(a - b).unwrap()) / largest(b)
    }

    #[test]
    fn one_image_for_all_layers_gives_what_concatenating_gives() {
        let (network, features) = (network(), noise(&[1, 21, 18, 32]));
        let plain = network.plain_body(&features).unwrap();
        assert!(difference(&network.body(&features).unwrap(), &plain) < 1e-4);
    }

    #[test]
    fn strips_have_no_seams() {
        let (network, features) = (network(), noise(&[1, 21, 9, 32]));
        let whole = network.enlarged(&features, 21).unwrap();
        assert_eq!(whole.dims(), [1, 84, 36, 3]);
        for rows in [4, 5, 16] {
            assert!(difference(&network.enlarged(&features, rows).unwrap(), &whole) < 1e-4, "{rows} rows");
        }
    }
}
