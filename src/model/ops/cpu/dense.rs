//! Images that gain channels, for networks in which each convolution sees what all before it made.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::super::{Conv3x3, Fused, Weight};
use super::conv::convolve;
use super::gemm::{Target, finish};
use super::linear::with_slices;
use super::memory::Memory;
use super::patches::{Patches, Pixels};
use super::values::{Values, tensor};

/// One image, channels last, with room for all the channels that it will have: what a convolution makes lies right behind
/// what it sees, and nothing is ever copied to be concatenated.
pub struct DenseImage {
    /// (height, width, channels)
    values: Memory<f32>,
    height: usize,
    width: usize,
    channels: usize,
    /// What the last convolution makes, before it is added.
    sum: Vec<f32>,
}

impl DenseImage {
    /// An image of zeros.
    pub fn new(height: usize, width: usize, channels: usize) -> Result<Self> {
        match height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels)) {
            Some(len) if len > 0 => {
                Ok(DenseImage { values: Memory::zeros(len)?, height, width, channels, sum: Vec::new() })
            }
            _ => candle_core::bail!("an image of {height} × {width} × {channels} values cannot be made"),
        }
    }

    /// Puts an image (1, height, width, n) into the first n channels.
    pub fn set(&mut self, image: &Tensor) -> Result<()> {
        let n = self.fits(image)?;
        let image = Values::of(image)?;
        let pixels = self.values.par_chunks_exact_mut(self.channels).zip(image.slice()?.par_chunks_exact(n));
        pixels.for_each(|(to, from)| to[..n].copy_from_slice(from));
        Ok(())
    }

    /// Convolves the first channels, as many as the weight has inputs, and puts the outputs right behind them.
    pub fn grow(&mut self, weight: &Weight, fused: Fused<'_>) -> Result<()> {
        let weight = weight.panels()?;
        let shape = weight.shape();
        if shape.taps != 9 || shape.inputs + shape.outputs > self.channels {
            candle_core::bail!("an image of {} channels has no room for a convolution of {shape:?}", self.channels);
        }
        let (pixels, channels) = (self.height * self.width, self.channels);
        let at = self.values.as_mut_ptr();
        with_slices(fused, |epilogue| {
            let finish = finish(pixels, weight, epilogue)?;
            // SAFETY: all pixels are there; their first `inputs` channels are read, and the `outputs` channels behind these, which
            // each pixel has as checked above, are written. No slice of one holds a value of the other.
            let (image, result) =
                unsafe { (Pixels::first(at, pixels, shape.inputs, channels), Target(at.add(shape.inputs))) };
            let patches = Patches::new(Conv3x3::Same, image, (1, self.height, self.width));
            convolve(&patches, weight, super::epilogue::Finish { stride: channels, ..finish }, result);
            Ok(())
        })
    }

    /// Convolves all channels and adds `share` of the outputs to the first ones.
    pub fn fold(&mut self, weight: &Weight, fused: Fused<'_>, share: f32) -> Result<()> {
        let weight = weight.panels()?;
        let (pixels, channels, shape) = (self.height * self.width, self.channels, weight.shape());
        if shape.taps != 9 || shape.inputs != channels || shape.outputs > channels {
            candle_core::bail!("an image of {channels} channels does not fit a convolution of {shape:?}");
        }
        let sum = &mut self.sum;
        sum.resize(pixels * shape.outputs, 0.0);
        with_slices(fused, |epilogue| {
            let finish = finish(pixels, weight, epilogue)?;
            let patches = Patches::new(Conv3x3::Same, Pixels::of(&self.values, channels), (1, self.height, self.width));
            convolve(&patches, weight, finish, Target(sum.as_mut_ptr()));
            Ok(())
        })?;
        let pixels = self.values.par_chunks_exact_mut(channels).zip(sum.par_chunks_exact(shape.outputs));
        pixels.for_each(|(to, sum)| to.iter_mut().zip(sum).for_each(|(to, sum)| *to += share * sum));
        Ok(())
    }

    /// `image` (1, height, width, n) + `share` of the first n channels, which become the first channels too.
    pub fn blend(&mut self, image: &Tensor, share: f32) -> Result<Tensor> {
        let n = self.fits(image)?;
        let values = Values::of(image)?;
        let mut blended = values.slice()?.to_vec();
        let pixels = self.values.par_chunks_exact_mut(self.channels).zip(blended.par_chunks_exact_mut(n));
        pixels.for_each(|(own, blended)| {
            for (own, blended) in own.iter_mut().zip(blended) {
                *blended += share * *own;
                *own = *blended;
            }
        });
        tensor(blended, image.shape())
    }

    /// The channels of an image of this size.
    fn fits(&self, image: &Tensor) -> Result<usize> {
        match *image.dims() {
            [1, height, width, n]
                if (height, width) == (self.height, self.width) && (1..=self.channels).contains(&n) =>
            {
                Ok(n)
            }
            _ => candle_core::bail!(
                "{:?} does not fit an image of {} × {} × {}",
                image.shape(),
                self.height,
                self.width,
                self.channels
            ),
        }
    }
}
